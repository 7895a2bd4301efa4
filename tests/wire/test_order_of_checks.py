"""Whatever is wrong with a message together, its sender always hears the same first complaint."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridlore.domain import errors
from gridlore.wire.endpoints import (
    GET_METER_DATA,
    GET_PROGNOSIS,
    POST_METER_DATA,
    POST_PRICE_DATA,
    POST_PROGNOSIS,
    POST_WEATHER_DATA,
    Endpoint,
)
from gridlore.wire.messages import read_get, read_post

from .examples import UNITS, message_of


@dataclass(frozen=True)
class Fault:
    """Something wrong, and the complaint; ``changes`` to the fields of a right message."""

    complaint: type[errors.GridloreError]
    changes: dict[str, Any]


TYPE = Fault(errors.MessageTypeError, {"type": "Other"})
UNIT = Fault(errors.UnitError, {"unit": "furlong"})
SENSOR = Fault(errors.ConnectionGroupError, {"connection": "", "market": [], "sensor": None})
VALUES = Fault(errors.ValuesError, {"values": [1, None]})
HORIZON = Fault(errors.HorizonError, {"horizon": "soon"})
PRIOR = Fault(errors.HorizonError, {"prior": "2024-02-29"})
START_FAULT = Fault(errors.PeriodError, {"start": "foo"})
NAIVE = Fault(errors.TimezoneError, {"start": "2024-02-29T06:00:00"})
DURATION = Fault(errors.PeriodError, {"duration": "PT0S"})
EARLY_PRIOR = Fault(errors.HorizonError, {"prior": "2024-02-29T05:59:00Z"})
SOURCE = Fault(errors.SourceError, {"source": [None]})

POST_ORDER = [TYPE, UNIT, SENSOR, VALUES, HORIZON, PRIOR, START_FAULT, NAIVE, DURATION, EARLY_PRIOR]
GET_ORDER = [TYPE, UNIT, SENSOR, HORIZON, PRIOR, START_FAULT, NAIVE, DURATION, EARLY_PRIOR, SOURCE]
EXPECTED_WORDS = {
    id(HORIZON): "horizon should",
    id(PRIOR): "prior should be",
    id(START_FAULT): "start should",
    id(DURATION): "duration should",
    id(EARLY_PRIOR): "after the fact",
}


def spoil(right: dict[str, Any], faults: list[Fault]) -> dict[str, Any]:
    """The message with all faults; of two about one field, the one that is complained about earlier."""
    message = dict(right)
    for fault in reversed(faults):
        message |= fault.changes
    return message


def complaint_about(endpoint: Endpoint, message: dict[str, Any]) -> errors.GridloreError:
    body = json.dumps(message).encode()
    with pytest.raises(errors.GridloreError) as caught:
        if endpoint.method == "POST":
            read_post(endpoint, body, UNITS)
        else:
            read_get(endpoint, [], body)
    return caught.value


def assert_first_of(faults: list[Fault], complaint: errors.GridloreError) -> None:
    assert type(complaint) is faults[0].complaint
    assert EXPECTED_WORDS.get(id(faults[0]), "") in complaint.message


def in_order(order: list[Fault]) -> st.SearchStrategy[list[Fault]]:
    chosen = st.sets(st.integers(0, len(order) - 1), min_size=1)
    return chosen.map(lambda numbers: [order[number] for number in sorted(numbers)])


@settings(max_examples=150)
@given(
    st.sampled_from([POST_METER_DATA, POST_PROGNOSIS, POST_PRICE_DATA, POST_WEATHER_DATA]),
    in_order(POST_ORDER[:-1]),
)
def test_a_post_with_several_faults_hears_of_the_first(endpoint: Endpoint, faults: list[Fault]) -> None:
    assert_first_of(faults, complaint_about(endpoint, spoil(message_of(endpoint), faults)))


@settings(max_examples=100)
@given(in_order(POST_ORDER))
def test_a_post_of_meter_data_compares_prior_and_period_last(faults: list[Fault]) -> None:
    message = spoil(message_of(POST_METER_DATA), faults)
    assert_first_of(faults, complaint_about(POST_METER_DATA, message))


@settings(max_examples=150)
@given(in_order(GET_ORDER))
def test_a_read_of_meter_data_with_several_faults_hears_of_the_first(faults: list[Fault]) -> None:
    right = message_of(GET_METER_DATA, {"values"})
    assert_first_of(faults, complaint_about(GET_METER_DATA, spoil(right, faults)))


@settings(max_examples=100)
@given(in_order([fault for fault in GET_ORDER if fault is not EARLY_PRIOR]))
def test_a_read_of_a_prognosis_with_several_faults_hears_of_the_first(faults: list[Fault]) -> None:
    right = message_of(GET_PROGNOSIS, {"values"})
    assert_first_of(faults, complaint_about(GET_PROGNOSIS, spoil(right, faults)))


def test_a_post_without_type_hears_so_before_anything_else() -> None:
    complaint = complaint_about(POST_METER_DATA, {"unit": 5})
    assert type(complaint) is errors.MessageTypeMissingError


def test_a_positive_horizon_of_meter_data_is_refused_before_the_start_is_looked_at() -> None:
    message = message_of(POST_METER_DATA, horizon="P1M", start="foo", prior="foo")
    assert complaint_about(POST_METER_DATA, message).message.startswith(
        "Meter data must have a zero or negative horizon to indicate observations after the fact."
    )


def test_a_prognosis_without_horizon_is_refused_before_the_start_is_looked_at() -> None:
    message = message_of(POST_PROGNOSIS, {"horizon"}, start="foo")
    assert type(complaint_about(POST_PROGNOSIS, message)) is errors.HorizonError


def test_a_positive_horizon_is_refused_when_reading_meter_data_before_the_start_is_looked_at() -> None:
    message = message_of(GET_METER_DATA, {"values"}, horizon="PT6H", start="foo")
    assert type(complaint_about(GET_METER_DATA, message)) is errors.HorizonError


def test_a_start_out_of_range_is_refused_before_the_duration_is_looked_at() -> None:
    message = message_of(POST_METER_DATA, start="1899-01-01T00:00:00Z", duration="foo")
    assert "start" in complaint_about(POST_METER_DATA, message).message


def test_an_unreadable_resolution_waits_until_the_sensors_are_known() -> None:
    message = message_of(GET_METER_DATA, {"values"}, resolution="x")
    resolution = read_get(GET_METER_DATA, [], json.dumps(message).encode()).query.resolution
    assert resolution is not None
    with pytest.raises(errors.ResolutionError):
        resolution()


@pytest.mark.parametrize(
    ("key", "complaint", "later"),
    [
        ("unit", errors.UnitError, {"horizon": "soon", "start": "foo"}),
        ("horizon", errors.HorizonError, {"prior": "foo", "start": "foo"}),
        ("prior", errors.HorizonError, {"start": "foo", "duration": "foo"}),
        ("start", errors.PeriodError, {"duration": "foo"}),
        ("duration", errors.PeriodError, {}),
    ],
)
def test_a_group_that_disagrees_is_refused_when_it_is_that_fields_turn(
    key: str, complaint: type[errors.GridloreError], later: dict[str, Any]
) -> None:
    group = {"connection": "A", "values": [1], key: "2024-05-01T00:00:00Z"}
    message = message_of(POST_METER_DATA, {"connection", "values"}, groups=[group], **later)
    heard = complaint_about(POST_METER_DATA, message)
    assert type(heard) is complaint
    assert f"The {key} is one for the whole message" in heard.message
    assert "group 1" in heard.message
