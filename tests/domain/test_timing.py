"""Instants, spans, grids and zones: round trips, and counting by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import isodate
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridlore.domain.sensors import Sensor, SensorKind
from gridlore.domain.timing import (
    DAY,
    EARLIEST,
    HOUR,
    LATEST,
    MINUTE,
    SECOND,
    Grid,
    Timing,
    format_instant,
    format_instants,
    format_span,
    standard_offset,
    to_datetime,
    to_instant,
)

INSTANTS = st.integers(EARLIEST, LATEST)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
CHANGING = [
    "Europe/Amsterdam",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Africa/Casablanca",
    "Pacific/Apia",
]
"""Zones whose clocks are put forward and back, by an hour, by half of one, and once by a day."""
SPANS = st.integers(-400 * DAY, 400 * DAY)


@given(INSTANTS, ZONES)
def test_an_instant_written_on_any_clock_reads_back_the_same(instant, zone):
    assert to_instant(datetime.fromisoformat(format_instant(instant, zone))) == instant


@given(INSTANTS, ZONES)
def test_an_instant_is_the_same_on_every_clock(instant, zone):
    moment = to_datetime(instant, zone)
    assert moment.utcoffset() == zone.utcoffset(None)
    assert to_instant(moment) == instant


@given(
    st.lists(INSTANTS | INSTANTS.map(lambda instant: instant // MINUTE * MINUTE)),
    ZONES | st.sampled_from([UTC, *map(ZoneInfo, CHANGING)]),
)
def test_many_instants_are_written_as_each_of_them(instants: list[int], zone: timezone | ZoneInfo) -> None:
    written = format_instants(np.array(instants, dtype=np.int64), zone)
    assert written == [format_instant(instant, zone) for instant in instants]


@pytest.mark.parametrize("name", CHANGING)
def test_every_quarter_of_a_year_is_written_on_the_clock_of_its_zone(name: str) -> None:
    quarters = to_instant(datetime(2024, 1, 1, tzinfo=UTC)) + np.arange(366 * 96) * (15 * MINUTE)
    zone = ZoneInfo(name)
    assert format_instants(quarters, zone) == [format_instant(int(quarter), zone) for quarter in quarters]


def test_instants_in_utc_end_in_z():
    assert format_instant(to_instant(datetime(2023, 5, 6, 7, 8, 9, tzinfo=UTC))) == "2023-05-06T07:08:09Z"
    assert format_instant(1) == "1970-01-01T00:00:00.000001Z"


def test_the_years_1900_to_2200_are_within_bounds():
    assert (format_instant(EARLIEST), format_instant(LATEST)) == (
        "1900-01-01T00:00:00Z",
        "2200-01-01T00:00:00Z",
    )


@given(SPANS)
def test_a_span_written_as_a_duration_reads_back_the_same(span):
    assert isodate.parse_duration(format_span(span)) == timedelta(microseconds=span)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (0, "PT0S"),
        (5 * MINUTE, "PT5M"),
        (HOUR, "PT1H"),
        (DAY, "P1D"),
        (-DAY - 2 * HOUR, "-P1DT2H"),
        (SECOND // 4, "PT0.25S"),
        (HOUR + 1, "PT1H0.000001S"),
    ],
)
def test_spans_read_as_people_write_them(span, text):
    assert format_span(span) == text


@pytest.mark.parametrize("year", [1985, 2005, 2024])
@pytest.mark.parametrize(
    ("zone", "offset"),
    [
        ("UTC", 0),
        ("Europe/Amsterdam", HOUR),
        ("Europe/Dublin", 0),
        ("Australia/Adelaide", 9 * HOUR + 30 * MINUTE),
        ("America/St_Johns", -3 * HOUR - 30 * MINUTE),
        ("Asia/Kolkata", 5 * HOUR + 30 * MINUTE),
        ("Asia/Kathmandu", 5 * HOUR + 45 * MINUTE),
    ],
)
def test_standard_time_is_winter_time_on_both_hemispheres(zone, offset, year):
    if (zone, year) == ("Asia/Kathmandu", 1985):
        offset = 5 * HOUR + 30 * MINUTE  # the quarter was added in 1986
    assert standard_offset(zone, year) == offset


@given(st.integers(-500, 500), st.integers(1, 300), st.integers(1, 40), st.integers(-60, 60))
def test_a_grid_covers_just_the_events_that_overlap_the_period(start, length, resolution, offset):
    grid = Grid.covering(start, start + length, resolution, offset)
    starts = [
        t for t in range(start - resolution, start + length + resolution) if (t - offset) % resolution == 0
    ]
    touching = [t for t in starts if t < start + length and t + resolution > start]
    assert grid.event_starts().tolist() == touching
    assert grid.event_ends().tolist() == [t + resolution for t in touching]
    assert grid.end == touching[-1] + resolution


def test_a_period_within_one_event_is_that_event():
    assert Grid.covering(12, 17, 10) == Grid(10, 10, 1)


def test_a_period_on_the_grid_is_not_widened():
    assert Grid.covering(10, 30, 10) == Grid(10, 10, 2)


def test_a_sensor_in_another_zone_has_its_own_hours():
    offset = standard_offset("Asia/Kolkata", 2024) % HOUR
    sensor = Sensor(1, SensorKind.CONNECTION, "Pump", "MW", HOUR, grid_offset=-offset % HOUR)
    midnight = to_instant(datetime.fromisoformat("2024-02-03T00:00:00+05:30"))
    assert sensor.grid(midnight, midnight + DAY) == Grid(midnight, HOUR, 24)
    assert sensor.grid(midnight + 30 * MINUTE, midnight + HOUR).start == midnight


def test_a_timing_that_states_nothing_is_refused():
    with pytest.raises(ValueError, match="belief time"):
        Timing()
