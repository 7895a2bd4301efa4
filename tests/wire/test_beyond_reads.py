"""Requests to read data of every kind, and the history: what version 1.1 has no way to ask for."""

from __future__ import annotations

from typing import Any

import pytest

from gridlore.domain.errors import (
    ConnectionGroupError,
    GridloreError,
    HorizonError,
    MessageError,
    PeriodError,
    SourceError,
    TimezoneError,
)
from gridlore.domain.overlay import EVERYTHING, BeliefFilter
from gridlore.domain.timing import DAY, HOUR

from .asking import data, history
from .examples import END, START, instant


def test_data_is_asked_for_without_type_and_unit() -> None:
    message = data()
    query = message.query
    assert (query.kind, query.unit, query.addresses) == (None, None, ("Roof 7",))
    assert (query.start, query.end, query.only) == (instant(START), instant(END), EVERYTHING)
    assert not query.measured_sources
    assert (message.start, message.duration, message.format, message.zone) == (START, "PT1H", "json", None)


def test_an_end_may_take_the_place_of_the_duration() -> None:
    message = data(duration=None, end="2024-02-29T07:30:00Z")
    assert message.query.end == instant("2024-02-29T07:30:00+00:00")
    assert message.duration == "PT2H30M"
    one_month = data(duration=None, end="2024-03-29T05:00:00Z", horizon="P1M")
    assert one_month.query.only == BeliefFilter(min_horizon=29 * DAY)


@pytest.mark.parametrize(
    ("error", "changes"),
    [
        (PeriodError, {"end": END}),
        (PeriodError, {"duration": None}),
        (PeriodError, {"duration": None, "end": START}),
        (PeriodError, {"duration": None, "end": "2024-02-29"}),
        (TimezoneError, {"duration": None, "end": "2024-02-29T07:00:00"}),
        (PeriodError, {"duration": None, "end": "2201-01-01T00:00:00Z"}),
        (PeriodError, {"start": None}),
        (ConnectionGroupError, {"sensor": None}),
        (ConnectionGroupError, {"sensors": "B"}),
        (HorizonError, {"horizon": ""}),
        (HorizonError, {"prior": "x"}),
        (SourceError, {"source": "[]"}),
        (MessageError, {"kind": "guessed"}),
        (MessageError, {"kind": ""}),
        (MessageError, {"format": "xml"}),
        (MessageError, {"format": ["json", "csv"]}),
    ],
)
def test_data_asked_for_wrongly_is_refused(error: type[GridloreError], changes: dict[str, Any]) -> None:
    with pytest.raises(error):
        data(**changes)


@pytest.mark.parametrize(
    ("changes", "only"),
    [
        ({"kind": "any"}, EVERYTHING),
        ({"kind": "measured"}, BeliefFilter(max_horizon=0)),
        ({"kind": "forecast"}, BeliefFilter(min_horizon=1)),
        ({"kind": "forecast", "horizon": "PT6H"}, BeliefFilter(min_horizon=6 * HOUR)),
        ({"kind": "forecast", "horizon": "-PT6H"}, BeliefFilter(min_horizon=1)),
        ({"kind": "measured", "horizon": "-PT6H"}, BeliefFilter(min_horizon=-6 * HOUR, max_horizon=0)),
        ({"horizon": "R/PT6H"}, BeliefFilter(min_horizon=6 * HOUR)),
        ({"prior": START}, BeliefFilter(instant(START))),
        ({"kind": "measured", "prior": START}, BeliefFilter(instant(START), max_horizon=0)),
    ],
)
def test_kind_horizon_and_prior_say_which_beliefs_count(changes: dict[str, Any], only: BeliefFilter) -> None:
    assert data(**changes).query.only == only
    assert history(**changes).query.only == only


def test_data_has_format_zone_sources_and_resolution() -> None:
    message = data(sensors='["A", "B"]', sensor=None, format="csv", timezone="Asia/Kolkata", source="4")
    assert message.query.addresses == ("A", "B")
    assert message.query.sources == (4,)
    assert message.format == "csv"
    assert message.zone is not None and message.zone.key == "Asia/Kolkata"
    resolution = data(resolution="PT1H").query.resolution
    assert resolution is not None and resolution() == HOUR


@pytest.mark.parametrize(
    "name",
    ["", "Mars/Olympus", "/etc/localtime", "../UTC", "Europe", "A" * 5_000, "Europe/\0", "Ëurope", "[1]"],
)
def test_a_time_zone_nobody_knows_is_refused(name: str) -> None:
    with pytest.raises(TimezoneError, match="IANA"):
        data(timezone=name)


def test_the_history_is_read_by_pages() -> None:
    message = history()
    assert (message.limit, message.cursor) == (1000, None)
    assert (message.start, message.duration) == (START, "PT1H")
    assert (message.query.kind, message.query.unit, message.query.addresses) == (None, None, ("Roof 7",))
    following = history(limit="10000", cursor="abc", duration=None, end=END)
    assert (following.limit, following.cursor, following.duration) == (10000, "abc", "PT1H")
    assert history({"limit": 1}, cursor="").limit == 1


@pytest.mark.parametrize("limit", ["", "0", "10001", "-1", "1.5", "x", "1e3", "٥", "[5]", ["5", "6"]])
def test_a_limit_out_of_range_is_refused(limit: Any) -> None:
    with pytest.raises(MessageError, match="limit"):
        history(limit=limit)


@pytest.mark.parametrize("limit", [0, 10_001, True, 5.0, None, []])
def test_a_limit_in_a_body_is_as_strict(limit: object) -> None:
    with pytest.raises(MessageError, match="limit"):
        history({"limit": limit})


def test_the_history_is_of_one_sensor() -> None:
    with pytest.raises(ConnectionGroupError, match="one sensor"):
        history(sensor=["A", "B"])
    with pytest.raises(ConnectionGroupError):
        history(sensor=None)


@pytest.mark.parametrize("cursor", [5, 0, False, [], ["abc"], {}])
def test_a_cursor_is_a_text(cursor: object) -> None:
    with pytest.raises(MessageError, match="cursor"):
        history({"cursor": cursor})
