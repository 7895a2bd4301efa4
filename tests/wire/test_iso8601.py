"""Instants, durations, horizons and resolutions: what is read, and that nothing else is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridlore.domain.errors import HorizonError, PeriodError, ResolutionError, TimezoneError
from gridlore.domain.timing import (
    DAY,
    EARLIEST,
    HOUR,
    LATEST,
    MINUTE,
    SECOND,
    format_instant,
    format_span,
    to_datetime,
    to_instant,
)
from gridlore.wire.iso8601 import (
    Duration,
    Horizon,
    parse_duration,
    parse_horizon,
    parse_instant,
    parse_resolution,
)

VECTORS = Path(__file__).parent / "vectors"


def vectors(name: str) -> dict[str, list[Any]]:
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


INSTANTS, DURATIONS, HORIZONS = vectors("instants"), vectors("durations"), vectors("horizons")

offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda m: timezone(timedelta(minutes=m)))
instants = st.integers(EARLIEST, LATEST)
spans = st.integers(-300 * 365 * DAY, 300 * 365 * DAY)


# ---------------------------------------------------------------- instants


@pytest.mark.parametrize(("text", "expected"), INSTANTS["read"])
def test_a_timestamp_is_read_with_its_own_clock(text: str, expected: str) -> None:
    instant, moment = parse_instant(text)
    assert moment == datetime.fromisoformat(expected)
    assert moment.utcoffset() == datetime.fromisoformat(expected).utcoffset()
    assert instant == to_instant(moment)


@pytest.mark.parametrize("text", INSTANTS["naive"])
def test_a_time_without_a_zone_is_told_so_with_the_hint_about_plus_signs(text: str) -> None:
    with pytest.raises(TimezoneError, match="Start time should explicitly state a timezone") as caught:
        parse_instant(text)
    assert "%2B" in caught.value.message
    assert text in caught.value.message


@pytest.mark.parametrize("text", INSTANTS["refused"])
def test_what_is_no_timestamp_is_refused(text: object) -> None:
    with pytest.raises(PeriodError, match=r"start .*got "):
        parse_instant(text)


def test_a_prior_is_refused_as_a_horizon_and_by_its_name() -> None:
    with pytest.raises(HorizonError, match="The prior should be"):
        parse_instant("2024-02-29", what="prior", error=HorizonError)
    with pytest.raises(TimezoneError, match="Prior time should"):
        parse_instant("2024-02-29T06:00:00", what="prior", error=HorizonError)


@given(instants, offsets)
def test_an_instant_survives_writing_and_reading_on_any_clock(instant: int, zone: timezone) -> None:
    text = format_instant(instant, zone)
    read, moment = parse_instant(text)
    assert read == instant
    assert moment.utcoffset() == zone.utcoffset(None)


@given(instants, offsets)
def test_all_ways_to_write_an_instant_are_read_alike(instant: int, zone: timezone) -> None:
    moment = to_datetime(instant, zone)
    hours, minutes = divmod(abs(int(zone.utcoffset(None).total_seconds()) // 60), 60)
    sign = "-" if zone.utcoffset(None) < timedelta(0) else "+"
    clock = moment.strftime("%H:%M:%S.") + f"{moment.microsecond:06d}0"
    week = moment.isocalendar()
    for date in (
        moment.strftime("%Y-%m-%d"),
        moment.strftime("%Y-%j"),
        f"{week.year}-W{week.week:02d}-{week.weekday}",
    ):
        extended = f"{date}T{clock}{sign}{hours:02d}:{minutes:02d}"
        basic = f"{date.replace('-', '')}T{clock.replace(':', '')}{sign}{hours:02d}{minutes:02d}"
        assert parse_instant(extended)[0] == parse_instant(basic)[0] == instant


@given(st.text(max_size=70) | st.from_regex(r"[0-9T:.,Z+ W-]{1,30}", fullmatch=True))
def test_any_text_is_read_or_refused_never_more(text: str) -> None:
    for parse in (
        parse_instant,
        parse_horizon,
        parse_resolution,
        lambda text: parse_duration(text, PeriodError),
    ):
        try:
            parse(text)
        except (PeriodError, TimezoneError, HorizonError, ResolutionError) as error:
            assert error.message


# ---------------------------------------------------------------- durations


@pytest.mark.parametrize(("text", "months", "seconds"), DURATIONS["read"])
def test_a_duration_is_read_as_months_and_a_span(text: str, months: int, seconds: float) -> None:
    assert parse_duration(text, PeriodError) == Duration(months, round(seconds * SECOND))


@pytest.mark.parametrize("text", DURATIONS["refused"])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(PeriodError, match="got "):
        parse_duration(text, PeriodError)


@given(spans)
def test_a_span_survives_writing_and_reading(span: int) -> None:
    assert parse_duration(format_span(span), PeriodError) == Duration(0, span)


@given(st.integers(0, 200), st.integers(0, 11), st.integers(0, 30), st.integers(0, 86399), st.booleans())
def test_a_calendar_duration_survives_writing_and_reading(
    years: int, months: int, days: int, seconds: int, negative: bool
) -> None:
    text = f"{'-' if negative else ''}P{years}Y{months}M{days}DT{seconds}S"
    duration = Duration(years * 12 + months, days * DAY + seconds * SECOND)
    assert parse_duration(text, PeriodError) == (-duration if negative else duration)


@pytest.mark.parametrize(
    ("start", "duration", "end"),
    [
        ("2024-01-31T00:00:00Z", "P1M", "2024-02-29T00:00:00+00:00"),
        ("2023-01-31T00:00:00Z", "P1M", "2023-02-28T00:00:00+00:00"),
        ("2024-02-29T00:00:00Z", "P1Y", "2025-02-28T00:00:00+00:00"),
        ("2024-03-31T00:00:00Z", "-P1M", "2024-02-29T00:00:00+00:00"),
        ("2024-01-15T00:00:00Z", "-P1M", "2023-12-15T00:00:00+00:00"),
        ("2024-12-15T00:00:00Z", "P1M", "2025-01-15T00:00:00+00:00"),
        ("2024-01-31T00:00:00Z", "P1M1DT1H", "2024-03-01T01:00:00+00:00"),
        ("2024-03-01T01:00:00+09:00", "P1M", "2024-04-01T01:00:00+09:00"),
        ("2024-03-31T00:30:00+01:00", "P1D", "2024-04-01T00:30:00+01:00"),
    ],
)
def test_calendar_durations_are_added_on_the_clock_of_the_start(start: str, duration: str, end: str) -> None:
    moment = parse_instant(start)[1]
    later = parse_duration(duration, PeriodError).add_to(moment)
    assert later.isoformat() == end


@given(instants, offsets, st.integers(-3600, 3600), spans)
def test_adding_stays_within_the_range_or_is_refused(
    instant: int, zone: timezone, months: int, span: int
) -> None:
    try:
        later = Duration(months, span).add_to(to_datetime(instant, zone), error=HorizonError)
    except HorizonError as error:
        assert "1900 to 2200" in error.message
    else:
        assert EARLIEST <= to_instant(later) <= LATEST
        if months == 0:
            assert to_instant(later) == instant + span


def test_a_duration_knows_its_direction() -> None:
    assert Duration(0, 1).is_positive and Duration(1, 0).is_positive
    assert not Duration(0, -1).is_positive and not Duration(0, 0).is_positive
    assert Duration(1, 0).is_calendar and not Duration(0, DAY).is_calendar


# ---------------------------------------------------------------- horizons and resolutions


@pytest.mark.parametrize(("text", "months", "seconds", "rolling"), HORIZONS["read"])
def test_a_horizon_is_read_with_its_sign_and_whether_it_rolls(
    text: str, months: int, seconds: int, rolling: bool
) -> None:
    assert parse_horizon(text) == Horizon(Duration(months, seconds * SECOND), rolling)


@pytest.mark.parametrize("text", HORIZONS["refused"])
def test_what_is_no_horizon_is_refused(text: object) -> None:
    with pytest.raises(HorizonError, match="got "):
        parse_horizon(text)


def test_a_month_of_horizon_is_counted_back_from_the_end_of_the_period() -> None:
    end = datetime(2024, 3, 31, tzinfo=UTC)
    assert parse_horizon("P1M").before(end) == datetime(2024, 2, 29, tzinfo=UTC)
    assert parse_horizon("R/P1M").resolve(end) == 31 * DAY
    assert parse_horizon("-P1M").before(end) == datetime(2024, 4, 30, tzinfo=UTC)
    assert parse_horizon("R/-P1M").resolve(end) == -30 * DAY


def test_a_horizon_that_leads_out_of_range_is_refused() -> None:
    with pytest.raises(HorizonError, match="1900 to 2200"):
        parse_horizon("P200Y").before(datetime(2024, 1, 1, tzinfo=UTC))
    with pytest.raises(HorizonError, match="1900 to 2200"):
        parse_horizon("-P200Y").resolve(datetime(2024, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "span"), [("PT15M", 15 * MINUTE), ("PT0.5H", 30 * MINUTE), ("P1D", DAY), ("P1W", 7 * DAY)]
)
def test_a_resolution_is_a_span(text: str, span: int) -> None:
    assert parse_resolution(text) == span


@pytest.mark.parametrize(
    "text", ["", "x", "30T", "PT0M", "-PT15M", "P1M", "P1Y", "P1M1D", "PT", None, 900, ["PT15M"], "R/PT1H"]
)
def test_a_resolution_that_has_no_length_is_refused(text: object) -> None:
    with pytest.raises(ResolutionError, match="got "):
        parse_resolution(text)


def test_an_hour_is_an_hour() -> None:
    assert parse_resolution("PT1H") == HOUR
