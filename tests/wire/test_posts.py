"""Posts: types, units, and when their values were known."""

from __future__ import annotations

from typing import Any

import pytest

from gridlore.domain.commands import PostCommand
from gridlore.domain.errors import (
    GridloreError,
    HorizonError,
    MessageTypeError,
    MessageTypeMissingError,
    PeriodError,
    TimezoneError,
    UnitError,
)
from gridlore.domain.sensors import SensorKind
from gridlore.domain.timing import DAY, HOUR, MINUTE, Timing
from gridlore.wire.endpoints import (
    POST_METER_DATA,
    POST_PRICE_DATA,
    POST_PROGNOSIS,
    POST_WEATHER_DATA,
    Endpoint,
)
from gridlore.wire.messages import read_post

from .examples import END, POSTS, START, UNITS, instant, post_of

EVERY_POST = list(POSTS.values())


def read(endpoint: Endpoint, *without: str, **fields: Any) -> PostCommand:
    return read_post(endpoint, post_of(endpoint, without, **fields), UNITS)


def refusal(error: type[GridloreError], endpoint: Endpoint, *without: str, **fields: Any) -> str:
    with pytest.raises(error) as caught:
        read(endpoint, *without, **fields)
    return caught.value.message


# ---------------------------------------------------------------- type and unit


@pytest.mark.parametrize("endpoint", EVERY_POST)
def test_a_message_says_what_it_is(endpoint: Endpoint) -> None:
    assert "'type'" in refusal(MessageTypeMissingError, endpoint, "type")
    for wrong in ("Other", None, "", 5, [endpoint.request_type], endpoint.request_type.lower()):
        message = refusal(MessageTypeError, endpoint, type=wrong)
        assert message == f"Request message should specify type '{endpoint.request_type}'."


@pytest.mark.parametrize(
    ("endpoint", "sent", "kept"),
    [
        (POST_METER_DATA, "MW", "MW"),
        (POST_PROGNOSIS, "MW", "MW"),
        (POST_PRICE_DATA, "EUR/MWh", "EUR/MWh"),
        (POST_PRICE_DATA, "KRW/kWh", "KRW/kWh"),
        (POST_WEATHER_DATA, "°C", "°C"),
        (POST_WEATHER_DATA, "0C", "°C"),
        (POST_WEATHER_DATA, "kW/m2", "kW/m²"),
        (POST_WEATHER_DATA, "kW/m²", "kW/m²"),
        (POST_WEATHER_DATA, "m/s", "m/s"),
        (POST_WEATHER_DATA, "%", "%"),
    ],
)
def test_units_are_kept_in_one_spelling(endpoint: Endpoint, sent: str, kept: str) -> None:
    assert read(endpoint, unit=sent).unit == kept


@pytest.mark.parametrize("unit", ["", "mw", "kW", "MWh", "MW ", None, 5, [], {}, True, ["MW"]])
def test_power_is_given_in_megawatts(unit: object) -> None:
    for endpoint in (POST_METER_DATA, POST_PROGNOSIS):
        assert refusal(UnitError, endpoint, unit=unit) == "Data for power should be given in MW."


@pytest.mark.parametrize("unit", ["", "EUR", "EUR/MW", "ABC/MWh", "eur/MWh", "MW", None, 5, ["EUR/MWh"]])
def test_prices_are_given_in_a_currency_per_energy(unit: object) -> None:
    message = refusal(UnitError, POST_PRICE_DATA, unit=unit)
    assert message == "Data for price should be given in EUR/MWh or KRW/kWh."


@pytest.mark.parametrize("unit", ["", "W/m²", "K", "MW", None, 5, ["m/s"]])
def test_weather_is_given_in_a_unit_of_some_known_quantity(unit: object) -> None:
    message = refusal(UnitError, POST_WEATHER_DATA, unit=unit)
    assert message == "Data for weather should be given in %, kW/m², m/s or °C."


@pytest.mark.parametrize("endpoint", EVERY_POST)
def test_a_missing_unit_is_refused(endpoint: Endpoint) -> None:
    assert "should be given in" in refusal(UnitError, endpoint, "unit")


# ---------------------------------------------------------------- the period


@pytest.mark.parametrize("endpoint", EVERY_POST)
def test_the_command_carries_kind_and_period(endpoint: Endpoint) -> None:
    command = read(endpoint)
    assert (
        command.kind
        is {
            "connection": SensorKind.CONNECTION,
            "market": SensorKind.MARKET,
            "sensor": SensorKind.WEATHER,
        }[endpoint.noun]
    )
    assert (command.start, command.end) == (instant(START), instant(END))
    (group,) = command.groups
    assert group.addresses == ("Roof 7",)
    assert group.values.tolist() == [1, 2.5, -3, 0]


def test_calendar_durations_count_on_the_clock_of_the_start() -> None:
    command = read(POST_METER_DATA, start="2024-01-31T00:00:00+09:00", duration="P1M")
    assert command.end == instant("2024-02-29T00:00:00+09:00")


@pytest.mark.parametrize(
    ("error", "fields"),
    [
        (PeriodError, {"start": None}),
        (PeriodError, {"start": "2024-02-29"}),
        (TimezoneError, {"start": "2024-02-29T06:00:00"}),
        (TimezoneError, {"start": "2024-02-29T06:00:00 01:00"}),
        (PeriodError, {"duration": None}),
        (PeriodError, {"duration": 3600}),
        (PeriodError, {"duration": "PT0H"}),
        (PeriodError, {"duration": "-PT1H"}),
        (PeriodError, {"duration": "-P1M"}),
        (PeriodError, {"start": "2199-12-31T23:30:00Z"}),
        (PeriodError, {"duration": "P300Y"}),
    ],
)
def test_a_period_without_length_or_place_is_refused(
    error: type[GridloreError], fields: dict[str, Any]
) -> None:
    assert refusal(error, POST_METER_DATA, **fields)


@pytest.mark.parametrize("key", ["start", "duration"])
def test_a_missing_part_of_the_period_is_named(key: str) -> None:
    assert f"The {key} should be" in refusal(PeriodError, POST_METER_DATA, key)


# ---------------------------------------------------------------- when it was known


def at(text: str) -> Timing:
    return Timing(belief_time=instant(text))


@pytest.mark.parametrize(
    ("fields", "timing"),
    [
        ({"horizon": "PT6H"}, at("2024-02-29T01:00:00+01:00")),
        ({"horizon": "-PT10M"}, at("2024-02-29T07:10:00+01:00")),
        ({"horizon": "PT0H"}, at(END)),
        ({"horizon": "P1M"}, at("2024-01-29T07:00:00+01:00")),
        ({"horizon": "-P1Y"}, at("2025-02-28T07:00:00+01:00")),
        ({"horizon": "R/PT6H"}, Timing(belief_horizon=6 * HOUR)),
        ({"horizon": "R5/PT0H"}, Timing(belief_horizon=0)),
        ({"horizon": "-R/PT10M"}, Timing(belief_horizon=-10 * MINUTE)),
        ({"horizon": "R/-PT10M"}, Timing(belief_horizon=-10 * MINUTE)),
        ({"horizon": "R/P1M"}, Timing(belief_horizon=31 * DAY)),
        ({"prior": "2024-02-28T12:00:00Z"}, at("2024-02-28T12:00:00+00:00")),
        ({"prior": "2024-02-28T12:00:00Z", "horizon": "PT6H"}, at("2024-02-28T12:00:00+00:00")),
        ({"prior": "2024-03-01T12:00:00Z", "horizon": "PT6H"}, at("2024-02-29T01:00:00+01:00")),
        (
            {"prior": "2024-02-28T12:00:00Z", "horizon": "R/PT6H"},
            Timing(belief_time=instant("2024-02-28T12:00:00+00:00"), belief_horizon=6 * HOUR),
        ),
    ],
)
def test_horizon_and_prior_say_when_it_was_known(fields: dict[str, Any], timing: Timing) -> None:
    for endpoint in (POST_PROGNOSIS, POST_PRICE_DATA, POST_WEATHER_DATA):
        assert read(endpoint, "horizon" if "horizon" not in fields else "", **fields).timing == timing


def test_prices_and_weather_are_known_on_arrival_unless_they_say_otherwise() -> None:
    assert read(POST_PRICE_DATA).timing is None
    assert read(POST_WEATHER_DATA).timing is None


def test_a_prognosis_says_when_it_was_made() -> None:
    assert "got neither" in refusal(HorizonError, POST_PROGNOSIS, "horizon")
    assert read(POST_PROGNOSIS, "horizon", prior="2024-02-01T00:00:00Z").timing == at(
        "2024-02-01T00:00:00+00:00"
    )


def test_meter_data_is_known_at_the_end_of_each_event_unless_it_says_otherwise() -> None:
    assert read(POST_METER_DATA).timing == Timing(belief_horizon=0)
    assert read(POST_METER_DATA, horizon="-PT5M").timing == at("2024-02-29T07:05:00+01:00")
    assert read(POST_METER_DATA, horizon="-R/PT5M").timing == Timing(belief_horizon=-5 * MINUTE)
    assert read(POST_METER_DATA, prior=END).timing == at(END)
    assert read(POST_METER_DATA, prior="2024-02-29T07:30:00+01:00", horizon="-PT1H").timing == at(
        "2024-02-29T07:30:00+01:00"
    )


@pytest.mark.parametrize("horizon", ["PT6H", "PT1S", "P1M", "P1Y", "R/PT1H", "PT0.000001S"])
def test_meter_data_has_no_horizon_before_the_fact(horizon: str) -> None:
    message = refusal(HorizonError, POST_METER_DATA, horizon=horizon)
    assert message.startswith(
        "Meter data must have a zero or negative horizon to indicate observations after the fact."
    )
    assert horizon in message


def test_meter_data_has_no_prior_before_the_end_of_the_period() -> None:
    message = refusal(HorizonError, POST_METER_DATA, prior="2024-02-29T06:59:59+01:00")
    assert message.startswith("Meter data can only be observed after the fact.")


@pytest.mark.parametrize("endpoint", EVERY_POST)
@pytest.mark.parametrize("horizon", [None, "", "foo", 6, [], {}, True, "R/", "P9999999Y"])
def test_an_unreadable_horizon_is_refused_and_not_taken_as_absent(
    endpoint: Endpoint, horizon: object
) -> None:
    assert "horizon" in refusal(HorizonError, endpoint, horizon=horizon, prior=END)


@pytest.mark.parametrize("endpoint", EVERY_POST)
@pytest.mark.parametrize("prior", [None, "", "foo", "2024-02-29", 6, [], {}, "2201-01-01T00:00:00Z"])
def test_an_unreadable_prior_is_refused_and_not_taken_as_absent(endpoint: Endpoint, prior: object) -> None:
    assert "prior" in refusal(HorizonError, endpoint, prior=prior)


@pytest.mark.parametrize("endpoint", EVERY_POST)
def test_a_prior_without_time_zone_is_told_so(endpoint: Endpoint) -> None:
    assert "%2B" in refusal(TimezoneError, endpoint, prior="2024-03-01T00:00:00 01:00")


@pytest.mark.parametrize(
    "horizon", ["P200Y", "-P200Y", "R/P200Y", "R/-P200Y", "P73000D", "R/P73000D", "R/-P73000D"]
)
def test_belief_times_outside_the_range_are_refused(horizon: str) -> None:
    assert "1900 to 2200" in refusal(HorizonError, POST_PRICE_DATA, horizon=horizon)


def test_source_and_resolution_mean_nothing_in_a_post() -> None:
    assert read(POST_METER_DATA, source=[None], resolution="x").timing == Timing(belief_horizon=0)
