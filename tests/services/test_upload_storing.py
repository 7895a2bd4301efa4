"""What is posted of an uploaded file: in which runs, and as known when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gridlore.domain.errors import ValuesLimitError
from gridlore.domain.sensors import Sensor, SensorKind
from gridlore.domain.timing import DAY, HOUR, MINUTE, Timing, to_instant
from gridlore.services.upload.choices import choose
from gridlore.services.upload.document import read_document
from gridlore.services.upload.reading import read_rows
from gridlore.services.upload.storing import make_commands
from gridlore.services.upload.table import ChoiceError, FileError
from tests.services.uploading import METER, NOW, commands, read, rows, told


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"known": "time"}, "belief_time"),
        ({"known": "time", "belief_time": "yesterday"}, "belief_time"),
        ({"known": "time", "belief_time": "2025-03-30T02:30"}, "belief_time"),
        ({"known": "horizon", "ahead": "0"}, "ahead"),
        ({"known": "horizon", "ahead": "-3"}, "ahead"),
        ({"known": "horizon", "ahead": "a day"}, "ahead"),
        ({"known": "horizon", "ahead": ""}, "ahead"),
        ({"known": "horizon", "ahead": "9999999999"}, "ahead"),
    ],
)
def test_when_a_forecast_was_made_must_be_said(given, field):
    choices, _ = choose(read_document("a.csv", rows("2025-01-01;1").encode()), METER, given)
    with pytest.raises(ChoiceError) as error:
        choices.timing(NOW)
    assert error.value.field == field


def test_more_values_than_may_be_stored_are_refused_before_memory_is_taken():
    text = rows(*[f"{1900 + year}-01-01;1" for year in range(299)])
    choices, table = choose(read_document("a.csv", text.encode()), METER, {})
    reading = read_rows(table, choices, METER, NOW)
    with pytest.raises(ValuesLimitError, match="At most 1,000,000 values may be stored at once; these are"):
        make_commands(reading, METER, "Meter", choices.timing(NOW), max_values=10**6)


def test_each_run_without_a_gap_becomes_a_command():
    lines = rows("2025-01-01T00:00Z;1", "2025-01-01T00:15Z;2", "2025-01-01T00:30Z;", "2025-01-01T00:45Z;4")
    measured = Timing(belief_horizon=0)
    assert commands(lines) == [("2025-01-01T00:00", [1, 2], measured), ("2025-01-01T00:45", [4], measured)]


def test_when_values_were_known_is_as_chosen():
    lines = rows("2025-01-01T00:00Z;1", "2025-01-01T00:15Z;2")
    at = to_instant(datetime(2024, 12, 31, 11, tzinfo=UTC))
    assert [
        commands(lines, **given)[0][2]
        for given in (
            {"known": "now"},
            {"known": "time", "belief_time": "2024-12-31T12:00"},
            {"known": "horizon", "ahead": "1,5", "ahead_unit": "days"},
        )
    ] == [Timing(belief_time=NOW), Timing(belief_time=at), Timing(belief_horizon=36 * HOUR)]


def test_a_column_of_belief_times_makes_runs_by_time_or_by_horizon_whichever_are_fewer():
    runs = rows(
        "2025-01-01T00:00Z;1;2024-12-31T12:00Z",
        "2025-01-01T00:15Z;2;2024-12-31T12:00Z",
        "2025-01-01T00:00Z;3;2024-12-31T18:00Z",
        "2025-01-01T00:15Z;4;2024-12-31T18:00Z",
        heading="time;value;issued",
    )
    assert [(values, timing) for _, values, timing in commands(runs, known="column")] == [
        ([1, 2], Timing(belief_time=to_instant(datetime(2024, 12, 31, 12, tzinfo=UTC)))),
        ([3, 4], Timing(belief_time=to_instant(datetime(2024, 12, 31, 18, tzinfo=UTC)))),
    ]
    rolling = rows(
        *[f"2025-01-01T0{i}:00Z;{i};2024-12-31T0{i}:15Z" for i in range(9)], heading="time;value;issued"
    )
    hourly = Sensor(1, SensorKind.CONNECTION, "Meter", "MW", HOUR)
    choices, table = choose(read_document("a.csv", rolling.encode()), hourly, {"known": "column"})
    [command] = make_commands(read_rows(table, choices, hourly, NOW), hourly, "Meter", None, max_values=99)
    assert command.timing == Timing(belief_horizon=DAY + 45 * MINUTE)


def test_belief_times_that_happen_twice_are_not_guessed():
    text = rows("2025-11-01T00:00Z;1;2025-10-26 02:30", heading="time;value;issued")
    assert "happened twice" in told(read(text, known="column"))[2]
    assert told(read(text, known="column", repeated="second")) == {}


def test_forecasts_made_after_the_fact_are_counted():
    reading = read(rows("2025-01-01T00:00Z;1", "2025-01-01T00:15Z;2"))
    assert reading.count_late(Timing(belief_time=to_instant(datetime(2025, 1, 1, 0, 15, tzinfo=UTC)))) == 1
    assert reading.count_late(Timing(belief_horizon=HOUR)) == 0


def test_scattered_rows_are_refused_rather_than_posted_one_by_one():
    events = [datetime(2020, 1, 1) + timedelta(hours=i) for i in range(25_000)]
    beliefs = [datetime(2019, 1, 1) + timedelta(minutes=i * i % 90001) for i in range(25_000)]
    lines = [f"{event:%Y-%m-%d %H:%M};1;{belief}" for event, belief in zip(events, beliefs, strict=True)]
    text = rows(*lines, heading="t;v;known")
    with pytest.raises(FileError, match="more than 20,000 runs"):
        commands(text, known="column", length="sensor", timezone="UTC")
