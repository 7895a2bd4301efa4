"""Times in uploaded files: how they are written, on which clock, how far apart, and which are wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gridlore.domain.timing import HOUR, MINUTE
from gridlore.services.upload.choices import choose
from gridlore.services.upload.document import read_document
from gridlore.services.upload.reading import read_rows
from gridlore.services.upload.table import ChoiceError
from tests.services.uploading import METER, NOW, commands, events, read, rows, told


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("soon", 'time "soon" is no time'),
        ("", "the time is missing in column time"),
        ("2025-02-30 00:00", 'time "2025-02-30 00:00" is no time'),
        ("31.13.2025 00:00", 'time "31.13.2025 00:00" is no time'),
        ("2025-01-01 24:30", 'time "2025-01-01 24:30" is no time'),
        ("1800-01-01 00:00", 'time "1800-01-01 00:00" lies outside the years 1900 to 2200'),
        ("2025-01-01 13:00 PM", 'time "2025-01-01 13:00 PM" is no time'),
        ("2025-01-01 00:37", "its interval begins PT7M after one of the sensor's, which last PT15M"),
        ("2027-01-01 00:00", "lies in the future, and cannot have been measured"),
        ("45658", 'time "45658" is no time'),
        ("1.1.2025 10:00" + " " * 90 + "AM", 'time "1.1.2025 10:00'),
    ],
)
def test_what_is_no_time_is_told(cell, problem):
    reading = read(rows("2025-01-01 00:00;1", "2025-01-01 00:15;2", f"{cell};3", "2025-01-01 00:45;4"))
    assert list(told(reading)) == [4]
    assert told(reading)[4].startswith(problem)
    assert reading.good.size == 3


def test_what_clocks_skip_does_not_exist_and_the_day_is_right():
    lines = [f"2025-03-30 {hour:02}:{minute:02};1" for hour in range(24) for minute in (0, 15, 30, 45)]
    reading = read(rows(*lines))
    assert list(told(reading)) == [10, 11, 12, 13]
    assert told(reading)[10] == (
        'time "2025-03-30 02:00" does not exist in Europe/Amsterdam: clocks went forward over it'
    )
    without = read(rows(*lines[:8], *lines[12:]))
    assert told(without) == {}
    assert (without.good.size, without.missing) == (92, 0)


def autumn(*, falling: bool = False) -> list[str]:
    """A day on which clocks go back: 100 quarter hours, in order."""
    start = datetime(2025, 10, 25, 22, tzinfo=UTC)
    lines = []
    for position in range(100):
        offset = 2 if position < 12 else 1
        lines.append(f"{start + timedelta(minutes=15 * position, hours=offset):%Y-%m-%d %H:%M};{position}")
    return lines[::-1] if falling else lines


@pytest.mark.parametrize("falling", [False, True])
def test_hours_that_happen_twice_are_told_apart_by_their_order(falling):
    reading = read(rows(*autumn(falling=falling)))
    assert told(reading) == {}
    assert (reading.good.size, reading.missing) == (100, 0)
    assert list(reading.values[reading.good]) == list(range(100))


def test_an_hour_that_is_there_once_though_it_happens_twice_must_be_decided():
    lines = autumn()
    once = rows(*lines[:12], *lines[16:])
    assert list(told(read(once))) == [10, 11, 12, 13]
    assert "happened twice in Europe/Amsterdam" in told(read(once))[10]
    first, second = read(once, repeated="first"), read(once, repeated="second")
    assert told(first) == told(second) == {}
    at = {name: int(reading.starts[8]) for name, reading in (("first", first), ("second", second))}
    assert at["second"] - at["first"] == HOUR


def test_times_that_state_their_offset_need_no_zone():
    offsets = rows("2025-10-26T02:00+02:00;1", "2025-10-26T02:15+0200;2", "2025-10-26 02:30:00 +02:00;3")
    assert list(events(read(offsets, timezone="Asia/Kolkata"))) == [
        "2025-10-26T00:00",
        "2025-10-26T00:15",
        "2025-10-26T00:30",
    ]


@pytest.mark.parametrize(
    ("lines", "order", "doubtful"),
    [
        (["13/04/2025 00:00;1", "13/04/2025 00:15;1"], "2025-04-12T22:00", False),
        (["04/13/2025 00:00;1", "04/13/2025 00:15;1"], "2025-04-12T22:00", False),
        (["03/04/2025 00:00;1", "03/04/2025 00:15;1"], "2025-04-02T22:00", True),
        (["04.04.2025 00:00;1", "04.04.2025 00:15;1"], "2025-04-03T22:00", False),
    ],
)
def test_whether_days_or_months_come_first_is_seen_or_said_to_be_in_doubt(lines, order, doubtful):
    document = read_document("a.csv", rows(*lines).encode())
    choices, table = choose(document, METER, {})
    assert choices.doubtful_order is doubtful
    assert next(iter(events(read_rows(table, choices, METER, NOW)))) == order


def test_times_may_mark_the_end_of_an_interval():
    lines = rows("2025-01-01 00:15;1", "2025-01-01 00:30;2", "2025-01-01 24:00;3")
    assert list(events(read(lines, marks="end", timezone="UTC"))) == [
        "2025-01-01T00:00",
        "2025-01-01T00:15",
        "2025-01-01T23:45",
    ]


def test_values_of_a_multiple_of_the_interval_are_known_as_such():
    reading = read(rows("2025-01-01 00:00;1", "2025-01-01 01:00;2", "2025-01-01 03:00;3"))
    assert (reading.resolution, reading.missing) == (HOUR, 1)
    sparse = read(rows("2025-01-01 00:00;1", "2025-01-01 01:00;2"), length="sensor")
    assert (sparse.resolution, sparse.missing) == (15 * MINUTE, 3)
    assert read(rows("2025-01-01 00:00;1")).resolution == 15 * MINUTE


@pytest.mark.parametrize("minutes", [5, 20])
def test_rows_closer_than_or_beside_the_sensors_intervals_are_refused_together(minutes):
    lines = [f"2025-01-01 0{i * minutes // 60}:{i * minutes % 60:02};1" for i in range(12)]
    with pytest.raises(ChoiceError, match=f"Most rows are PT{minutes}M apart; this sensor takes .* PT15M"):
        read(rows(*lines))


def test_rows_that_cannot_be_stored_do_not_change_how_long_the_others_last():
    lines = [f"2025-01-01 {hour:02}:00;{'x' if hour % 2 else 1}" for hour in range(10)]
    assert (read(rows(*lines)).resolution, len(told(read(rows(*lines))))) == (HOUR, 5)


@pytest.mark.parametrize("marks", ["start", "end"])
def test_days_last_as_long_as_they_do_on_the_clock(marks):
    days = [f"{day:02}.03.2025;{24 if day != 30 + (marks == 'end') else 23}" for day in range(26, 32)]
    reading = read(rows(*days), marks=marks, unit="MWh per interval")
    assert (told(reading), reading.missing) == ({}, 0)
    assert set(events(reading).values()) == {1}
    made = commands(rows(*days), marks=marks)
    assert sum(len(values) for _, values, _ in made) == 6 * 96 - 4
    assert made[0][0] == ("2025-03-25T23:00" if marks == "start" else "2025-03-24T23:00")


def test_a_row_within_the_interval_of_another_is_told():
    lines = [f"2025-01-01 {hour:02}:00;1" for hour in range(8)]
    assert told(read(rows(*lines[:4], "2025-01-01 03:15;9", *lines[4:]))) == {
        6: "begins PT15M after row 5, whose value lasts PT1H"
    }


def test_rows_need_no_order_and_say_the_same_twice_without_harm():
    lines = ["2025-01-01 00:30;3", "2025-01-01 00:00;1", "2025-01-01 00:15;2", "2025-01-01 00:00;1"]
    reading = read(rows(*lines))
    assert (told(reading), reading.repeated, list(reading.values[reading.good])) == ({}, 1, [1, 2, 3])


def test_two_values_about_one_time_are_told():
    lines = ["2025-01-01 00:00;1", "2025-01-01 00:15;2", "2025-01-01 00:00;7"]
    assert told(read(rows(*lines))) == {4: "says another value about the same time as row 2"}
