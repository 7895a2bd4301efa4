"""Requests to read of version 1.1: query strings, bodies, and what they ask for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gridlore.domain.errors import (
    ConnectionGroupError,
    GridloreError,
    HorizonError,
    MessageError,
    MessageTypeError,
    MessageTypeMissingError,
    PeriodError,
    ResolutionError,
    SourceError,
    TimezoneError,
    UnitError,
)
from gridlore.domain.overlay import EVERYTHING, BeliefFilter
from gridlore.domain.sensors import SensorKind
from gridlore.domain.timing import DAY, HOUR, MINUTE
from gridlore.wire.endpoints import GET_METER_DATA, GET_PROGNOSIS, Endpoint
from gridlore.wire.messages import (
    read_get,
)

from .asking import ask
from .examples import END, START, instant

READS = [GET_METER_DATA, GET_PROGNOSIS]


@pytest.mark.parametrize("endpoint", READS)
def test_a_plain_request_is_read(endpoint: Endpoint) -> None:
    message = ask(endpoint)
    assert (message.start, message.duration, message.unit) == (START, "PT1H", "MW")
    query = message.query
    assert (query.kind, query.unit) == (SensorKind.CONNECTION, "MW")
    assert query.addresses == ("Roof 7",)
    assert (query.start, query.end) == (instant(START), instant(END))
    assert query.sources is None
    assert query.resolution is None


@pytest.mark.parametrize("endpoint", READS)
def test_the_same_request_may_come_as_a_body(endpoint: Endpoint) -> None:
    body = {
        "type": endpoint.request_type,
        "connections": ["A", "B"],
        "start": START,
        "duration": "PT1H",
        "unit": "MW",
    }
    message = read_get(endpoint, [], json.dumps(body).encode())
    assert message.query.addresses == ("A", "B")
    assert message.start == START


def test_what_stands_in_the_query_string_wins() -> None:
    body = {
        "type": "x",
        "connections": ["B", "C"],
        "start": "foo",
        "unit": 5,
        "horizon": "foo",
        "source": [None],
    }
    message = ask(GET_PROGNOSIS, body, horizon="PT2H", source="MDC")
    assert message.query.addresses == ("Roof 7",)
    assert message.query.only == BeliefFilter(min_horizon=2 * HOUR)
    assert message.query.sources == ("MDC",)


def test_what_stands_only_in_the_body_counts_too() -> None:
    message = ask(GET_PROGNOSIS, {"horizon": "PT2H", "sources": ["MDC", 4]})
    assert message.query.only == BeliefFilter(min_horizon=2 * HOUR)
    assert message.query.sources == ("MDC", 4)


def test_singular_and_plural_side_by_side_are_ambiguous_in_one_place_only() -> None:
    assert ask(GET_METER_DATA, {"connections": ["B"]}).query.addresses == ("Roof 7",)
    assert ask(GET_METER_DATA, {"source": 1, "sources": [2]}, source="3").query.sources == (3,)
    with pytest.raises(ConnectionGroupError, match="not both"):
        ask(GET_METER_DATA, connections="B")
    with pytest.raises(ConnectionGroupError, match="not both"):
        ask(GET_METER_DATA, {"connection": "A", "connections": ["A"]}, connection=None)
    with pytest.raises(SourceError, match="not both"):
        ask(GET_METER_DATA, source="1", sources="1")


@pytest.mark.parametrize("body", [b"", b"  \n"])
def test_an_empty_body_is_no_body(body: bytes) -> None:
    pairs = [("type", "GetMeterDataRequest"), ("connection", "A"), ("start", START), ("duration", "PT1H")]
    assert read_get(GET_METER_DATA, [*pairs, ("unit", "MW")], body).query.addresses == ("A",)


@pytest.mark.parametrize("body", [b"5", b"[]", b"{", b"\xff", b'{"unit": NaN}', b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(MessageError):
        read_get(GET_METER_DATA, [("type", "GetMeterDataRequest")], body)


@pytest.mark.parametrize(
    ("texts", "addresses"),
    [
        ("A", ("A",)),
        (["A", "B"], ("A", "B")),
        ('["A", "B"]', ("A", "B")),
        (' ["A"]', ("A",)),
        ("null", ("null",)),
        ("5", ("5",)),
        ("[A", ("[A",)),
        ("{A}", ("{A}",)),
        ("true", ("true",)),
        ("[" * 100_000, ("[" * 100_000,)),
    ],
    ids=lambda value: str(value)[:20],
)
def test_only_json_lists_and_objects_are_read_as_json(texts: Any, addresses: tuple[str, ...]) -> None:
    assert ask(GET_METER_DATA, connection=texts).query.addresses == addresses
    assert ask(GET_METER_DATA, connection=None, connections=texts).query.addresses == addresses


@pytest.mark.parametrize(
    "texts", ["", [], ["A", ""], "[]", "[null]", "[5]", '[["A"]]', '{"a": 1}', ['["A"]', "B"]]
)
def test_connections_that_are_no_texts_are_refused(texts: Any) -> None:
    with pytest.raises(ConnectionGroupError):
        ask(GET_METER_DATA, connection=texts)


def test_groups_are_read_in_order() -> None:
    groups = '[{"connection": "A"}, {"connections": ["B", "C"], "values": ["ignored"]}]'
    assert ask(GET_METER_DATA, connection=None, groups=groups).query.addresses == ("A", "B", "C")
    repeated = ['{"connection": "A"}', '{"connection": "B"}']
    assert ask(GET_METER_DATA, connection=None, groups=repeated).query.addresses == ("A", "B")


@pytest.mark.parametrize(
    ("error", "changes"),
    [
        (ConnectionGroupError, {"groups": '[{"connection": "A"}]'}),
        (ConnectionGroupError, {"groups": "[]", "connection": None}),
        (ConnectionGroupError, {"groups": '{"connection": "A"}', "connection": None}),
        (ConnectionGroupError, {"groups": "x", "connection": None}),
        (ConnectionGroupError, {"groups": '[{"connection": "A"}, {}]', "connection": None}),
        (PeriodError, {"groups": '[{"connection": "A", "start": "x"}]', "connection": None}),
        (HorizonError, {"groups": '[{"connection": "A", "horizon": "PT0H"}]', "connection": None}),
        (SourceError, {"groups": '[{"connection": "A", "source": "MDC"}]', "connection": None}),
        (SourceError, {"groups": '[{"connection": "A", "sources": [4]}]', "connection": None, "source": "4"}),
    ],
)
def test_ambiguous_groups_are_refused(error: type[GridloreError], changes: dict[str, Any]) -> None:
    with pytest.raises(error):
        ask(GET_METER_DATA, **changes)


@pytest.mark.parametrize("endpoint", READS)
def test_type_and_unit_are_required(endpoint: Endpoint) -> None:
    with pytest.raises(MessageTypeMissingError):
        ask(endpoint, type=None)
    for wrong in ("", "x", [endpoint.request_type, endpoint.request_type]):
        with pytest.raises(MessageTypeError, match=endpoint.request_type):
            ask(endpoint, type=wrong)
    for unit in (None, "", "kW", ["MW", "MW"]):
        with pytest.raises(UnitError, match=r"^Data for power should be given in MW\.$"):
            ask(endpoint, unit=unit)


@pytest.mark.parametrize("endpoint", READS)
@pytest.mark.parametrize(
    ("error", "changes"),
    [
        (PeriodError, {"start": None}),
        (PeriodError, {"start": ""}),
        (PeriodError, {"start": "2024-02-29"}),
        (PeriodError, {"start": [START, START]}),
        (TimezoneError, {"start": "2024-02-29T06:00:00"}),
        (TimezoneError, {"start": START.replace("+", " ")}),
        (PeriodError, {"duration": None}),
        (PeriodError, {"duration": "-PT1H"}),
        (PeriodError, {"duration": "PT0H"}),
        (HorizonError, {"horizon": ""}),
        (HorizonError, {"horizon": "foo"}),
        (HorizonError, {"horizon": "P9999Y"}),
        (HorizonError, {"prior": ""}),
        (HorizonError, {"prior": "2024-03-01"}),
        (HorizonError, {"prior": "2024-03-01T00:00:00.0000001Z"}),
        (TimezoneError, {"prior": "2024-03-01T00:00:00"}),
    ],
)
def test_unreadable_times_are_refused(
    endpoint: Endpoint, error: type[GridloreError], changes: dict[str, Any]
) -> None:
    with pytest.raises(error):
        ask(endpoint, **changes)


def test_meter_data_is_what_was_known_after_the_fact() -> None:
    assert ask(GET_METER_DATA).query.only == BeliefFilter(max_horizon=0)
    late = instant("2024-02-29T08:00:00+01:00")
    assert ask(GET_METER_DATA, prior="2024-02-29T08:00:00+01:00").query.only == BeliefFilter(late, None, 0)
    assert ask(GET_METER_DATA, prior=END).query.only == BeliefFilter(instant(END), None, 0)


@pytest.mark.parametrize(
    ("horizon", "span"),
    [
        ("PT0H", 0),
        ("R/PT0H", 0),
        ("-PT10M", -10 * MINUTE),
        ("-R/PT10M", -10 * MINUTE),
        ("R/-PT10M", -10 * MINUTE),
        ("-P1M", -29 * DAY),
    ],
)
def test_a_horizon_limits_how_long_after_the_fact_meter_data_was_known(horizon: str, span: int) -> None:
    assert ask(GET_METER_DATA, horizon=horizon).query.only == BeliefFilter(None, span, 0)


@pytest.mark.parametrize("horizon", ["PT6H", "R/PT1S", "P1M"])
def test_meter_data_cannot_be_asked_for_before_the_fact(horizon: str) -> None:
    with pytest.raises(HorizonError, match="zero or negative"):
        ask(GET_METER_DATA, horizon=horizon)
    with pytest.raises(HorizonError, match=r"^Meter data can only be observed after the fact\."):
        ask(GET_METER_DATA, prior="2024-02-29T05:59:59Z")


@pytest.mark.parametrize(
    ("horizon", "span"),
    [
        ("PT6H", 6 * HOUR),
        ("R/PT6H", 6 * HOUR),
        ("PT0H", 0),
        ("-PT1H", -HOUR),
        ("P1M", 31 * DAY),
        ("P250Y", None),
    ],
)
def test_a_horizon_asks_for_prognoses_at_least_that_old(horizon: str, span: int | None) -> None:
    if span is None:
        with pytest.raises(HorizonError, match="1900 to 2200"):
            ask(GET_PROGNOSIS, horizon=horizon)
    else:
        assert ask(GET_PROGNOSIS, horizon=horizon).query.only == BeliefFilter(min_horizon=span)


def test_a_prognosis_is_any_belief_held_by_then() -> None:
    assert ask(GET_PROGNOSIS).query.only == EVERYTHING
    early = ask(GET_PROGNOSIS, prior="2024-02-01T00:00:00Z").query.only
    assert early == BeliefFilter(instant("2024-02-01T00:00:00+00:00"))


def test_those_who_measure_are_asked_unless_a_source_is_named() -> None:
    assert ask(GET_METER_DATA).query.measured_sources
    assert not ask(GET_METER_DATA, source="MDC").query.measured_sources
    assert not ask(GET_PROGNOSIS).query.measured_sources


@pytest.mark.parametrize(
    ("texts", "sources"),
    [
        ("MDC", ("MDC",)),
        ("4", (4,)),
        (["4", "MDC"], (4, "MDC")),
        ("[4]", (4,)),
        ('["Aggregator", "5", 6]', ("Aggregator", 5, 6)),
        ("null", ("null",)),
        ("-4", ("-4",)),
        ("٤", ("٤",)),
        ("99999999999999999999999", ("99999999999999999999999",)),
    ],
)
def test_sources_are_roles_and_user_ids(texts: Any, sources: tuple[str | int, ...]) -> None:
    assert ask(GET_METER_DATA, source=texts).query.sources == sources
    assert ask(GET_PROGNOSIS, sources=texts).query.sources == sources


@pytest.mark.parametrize(
    "texts", ["", "[]", "[null]", "[true]", "[4.0]", '[["MDC"]]', '{"a": 1}', '["MDC", ""]', ["MDC", "[4]"]]
)
def test_a_source_that_is_neither_text_nor_number_is_refused(texts: Any) -> None:
    with pytest.raises(SourceError):
        ask(GET_METER_DATA, source=texts)


@pytest.mark.parametrize("source", [None, True, 4.0, {}, [], [[4]]])
def test_a_source_in_a_body_is_as_strict(source: object) -> None:
    with pytest.raises(SourceError):
        ask(GET_PROGNOSIS, {"source": source})


@pytest.mark.parametrize("endpoint", READS)
def test_a_resolution_is_read_when_it_is_its_turn(endpoint: Endpoint) -> None:
    resolution = ask(endpoint, resolution="PT30M").query.resolution
    assert resolution is not None
    assert resolution() == 30 * MINUTE


def test_an_empty_resolution_is_none() -> None:
    assert ask(GET_METER_DATA, resolution="").query.resolution is None
    assert ask(GET_METER_DATA, {"resolution": None}).query.resolution is None


@pytest.mark.parametrize(
    "changes",
    [
        {"resolution": "x"},
        {"resolution": "PT0M"},
        {"resolution": "P1M"},
        {"resolution": ["PT15M", "PT15M"]},
        {"connection": None, "groups": '[{"connection": "A", "resolution": "PT15M"}]'},
        {
            "connection": None,
            "groups": '[{"connection": "A", "resolution": "PT15M"}]',
            "resolution": "PT30M",
        },
    ],
)
def test_an_unreadable_resolution_is_refused_when_it_is_its_turn(changes: dict[str, Any]) -> None:
    resolution = ask(GET_METER_DATA, **changes).query.resolution
    assert resolution is not None
    with pytest.raises(ResolutionError):
        resolution()


def test_unknown_fields_are_ignored() -> None:
    assert ask(GET_METER_DATA, {"foo": [{}]}, bar=["1", "2"], values="x").query.addresses == ("Roof 7",)
