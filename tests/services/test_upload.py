"""Uploaded files: what they are, what their rows say, which rows are wrong and why, and what is posted."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from openpyxl import Workbook

from gridlore.domain.errors import ValuesLimitError
from gridlore.domain.sensors import Direction, Sensor, SensorKind
from gridlore.domain.timing import DAY, HOUR, MINUTE, Timing, format_instant, to_instant
from gridlore.services.upload.choices import choose
from gridlore.services.upload.document import Document, read_document
from gridlore.services.upload.reading import Reading, read_rows
from gridlore.services.upload.storing import make_commands
from gridlore.services.upload.table import ChoiceError, FileError

NOW = to_instant(datetime(2026, 1, 1, tzinfo=UTC))
METER = Sensor(1, SensorKind.CONNECTION, "Meter", "MW", 15 * MINUTE, timezone="Europe/Amsterdam")


def read(text: str | bytes | Document, sensor: Sensor = METER, **given: str) -> Reading:
    """What a file says, with these choices and suggestions for the others."""
    data = text.encode() if isinstance(text, str) else text
    document = data if isinstance(data, Document) else read_document("file.csv", data)
    choices, table = choose(document, sensor, given)
    return read_rows(table, choices, sensor, NOW)


def told(reading: Reading) -> dict[int, str]:
    """What is wrong, by row."""
    return {problem.row: problem.text for problem in reading.problems}


def events(reading: Reading) -> dict[str, float]:
    """Values by the start of their event, in UTC."""
    return {
        format_instant(int(reading.starts[position]))[:16]: float(reading.values[position])
        for position in reading.good
    }


def rows(*lines: str, heading: str = "time;value") -> str:
    return "\n".join([heading, *lines])


def make_workbook(**sheets: list[list[Any]]) -> bytes:
    workbook = Workbook()
    workbook.remove(workbook.active)
    for name, content in sheets.items():
        sheet = workbook.create_sheet(name)
        for row in content:
            sheet.append(row)
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


FOUR = {"2025-01-01T00:00": 1.5, "2025-01-01T00:15": 2, "2025-01-01T00:30": -0.25, "2025-01-01T00:45": 1000}


@pytest.mark.parametrize(
    "text",
    [
        "time,value\n2025-01-01T00:00Z,1.5\n2025-01-01T00:15Z,2\n2025-01-01T00:30Z,-.25\n2025-01-01T00:45Z,1e3",
        "time;value\n2025-01-01 01:00;1,5\n2025-01-01 01:15;2,0\n2025-01-01 01:30;-0,25\n"
        "2025-01-01 01:45;1.000,0",
        "2025-01-01 01:00\t1.5\n2025-01-01 01:15\t2\n2025-01-01 01:30\t−0.25\n2025-01-01 01:45\t1 000",
        'time,value\n"01.01.2025 01:00","1,5"\n01.01.2025 01:15,2\n'
        '01.01.2025 01:30,"-0,25"\n01.01.2025 01:45,1000',
        "sep first|p\n1/1/25 1:00 AM|1.5\n1/1/25 1:15 AM|2\n1/1/25 1:30 AM|-0.25\n1/1/25 1:45 AM|1000",
        "A file of ours\nmade; today\n\nwhen;MW\n2025-01-01T01:00+01:00;1.5\n2025-01-01T01:15+01:00;2\n"
        "2025-01-01T01:30+01:00;-0.25\n2025-01-01T01:45+01:00;1000\n",
        "name;when;kW\na;01/01/2025 01:00 - 01/01/2025 01:15;1500\na;01/01/2025 01:15 - 01:30;2000\n"
        "a;01/01/2025 01:30 - 01:45;-250\na;01/01/2025 01:45 - 02:00;1000000",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_tables_as_programs_of_all_sorts_write_them_say_the_same(text, encoding):
    reading = read(text.replace("−", "-" if encoding == "cp1252" else "−").encode(encoding))
    assert told(reading) == {}
    assert events(reading) == FOUR


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n\n", "\n;;\n"])
def test_lines_may_end_in_any_way_and_empty_ones_do_not_count(ending):
    text = rows(
        "2025-01-01T00:00Z;1.5", "2025-01-01T00:15Z;2", "2025-01-01T00:30Z;-0.25", "2025-01-01T00:45Z;1000"
    )
    assert events(read(text.replace("\n", ending))) == FOUR


def test_a_workbook_says_what_a_text_says():
    content: list[list[Any]] = [["made by hand"], ["time", "MW"]]
    content += [
        [datetime(2025, 1, 1, 1, minute), value]
        for minute, value in zip((0, 15, 30, 45), FOUR.values(), strict=True)
    ]
    document = read_document("C:\\files\\a.xlsx", make_workbook(Data=content, Empty=[], Other=[["x", 1]]))
    assert document.name == "a.xlsx"
    assert [name for name, _ in document.sheets] == ["Data", "Other"]
    assert events(read(document)) == FOUR
    assert told(read(document, sheet="1")) == {1: 'A "x" is no time'}


def test_times_of_a_workbook_are_rounded_to_seconds_and_texts_and_numbers_keep_their_kind():
    start = datetime(2025, 1, 1, 1)
    content = [
        ["t", "v"],
        *[[start + timedelta(minutes=15 * i, microseconds=(-1) ** i * 4000), i] for i in range(50)],
    ]
    reading = read(read_document("a.xlsx", make_workbook(S=content)))
    assert told(reading) == {}
    assert reading.good.size == 50
    assert told(read(read_document("a.xlsx", make_workbook(S=[[start, "1,5"], [start, True]])))) == {
        2: '"TRUE" is no number in column B'
    }


def test_a_formula_that_was_never_computed_is_told_with_its_row():
    content: list[list[Any]] = [["t", "v"], [datetime(2025, 1, 1), 1], [datetime(2025, 1, 1, 0, 15), "=B2*2"]]
    assert told(read(read_document("a.xlsx", make_workbook(S=content)))) == {
        3: 'the formula "=B2*2" has no stored result: open the workbook in Excel and save it in column v'
    }


def test_a_row_that_is_no_number_is_told_by_its_number_and_column():
    lines = [f"2025-01-01 {minutes // 60:02}:{minutes % 60:02};{minutes}" for minutes in range(0, 600, 15)]
    lines[15] = "2025-01-01 03:45;abc"
    reading = read(rows(*lines))
    assert told(reading) == {17: '"abc" is no number in column value'}
    assert reading.good.size == 39


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("1,2,3", '"1,2,3" is no number in column value'),
        ("1.5", '"1.5" is no number with a decimal comma, as the others are in column value'),
        ("inf", '"inf" is no number in column value'),
        ("1e999", '"1e999" is too large for a number in column value'),
        ("0x10", '"0x10" is no number in column value'),
        ("١", '"١" is no number in column value'),
        (
            "=1+1",
            'the formula "=1+1" has no stored result: open the workbook in Excel and save it in column value',
        ),
        ("9" * 80, None),
        ("12 kW", '"12 kW" is no number in column value'),
        ("NaN", None),
        ("n/a", None),
        ("", None),
    ],
)
def test_what_is_no_number_is_told_and_what_says_there_is_none_is_a_gap(cell, problem):
    reading = read(
        rows(
            "2025-01-01 00:00;1,5", "2025-01-01 00:15;2,5", f"2025-01-01 00:30;{cell}", "2025-01-01 00:45;1,5"
        )
    )
    assert told(reading) == ({} if problem is None else {4: problem})
    if problem is None and len(cell) < 4:
        assert (reading.empty, reading.missing) == (1, 1)


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


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("MW", 1000.0),
        ("kW", 1.0),
        ("W", 0.001),
        ("GW", 1e6),
        ("kWh per interval", 4.0),
        ("MWh per interval", 4000.0),
    ],
)
def test_power_and_energy_become_megawatts(unit, expected):
    lines = rows("2025-01-01 00:00;1000", "2025-01-01 00:15;1000")
    assert list(events(read(lines, unit=unit)).values()) == [expected, expected]


@pytest.mark.parametrize(
    ("unit", "quantity", "given", "value", "expected"),
    [
        ("°C", "temperature", "°F", 50.0, 10.0),
        ("°C", "temperature", "K", 283.15, 10.0),
        ("m/s", "wind speed", "km/h", 36.0, 10.0),
        ("kW/m²", "irradiance", "W/m²", 800.0, 0.8),
        ("%", "humidity", "%", 55.0, 55.0),
        ("EUR/MWh", None, "EUR/kWh", 0.05, 50.0),
        ("KRW/kWh", None, "KRW/MWh", 90000.0, 90.0),
    ],
)
def test_weather_and_prices_are_converted_too(unit, quantity, given, value, expected):
    kind = SensorKind.WEATHER if quantity else SensorKind.MARKET
    sensor = Sensor(2, kind, "s", unit, HOUR, quantity=quantity)
    reading = read(rows(f"2025-01-01 00:00;{value}", f"2025-01-01 01:00;{value}"), sensor, unit=given)
    assert list(events(reading).values()) == pytest.approx([expected, expected])


@pytest.mark.parametrize(
    ("heading", "unit"),
    [("Power [kW]", "kW"), ("kWh", "kWh per interval"), ("load (MW)", "MW"), ("value", "MW"), ("P_kW", "kW")],
)
def test_the_unit_in_a_heading_is_suggested(heading, unit):
    document = read_document("a.csv", rows("2025-01-01;1", heading=f"t;{heading}").encode())
    assert choose(document, METER, {})[0].unit == unit


def test_columns_are_found_wherever_they_stand_and_can_be_chosen():
    lines = ["7;2025-01-01 00:00;x;1.5;2024-12-31 12:00", "7;2025-01-01 00:15;x;2.5;2024-12-31 12:00"]
    text = rows(*lines, heading="id;when;note;load;known at")
    choices, _ = choose(read_document("a.csv", text.encode()), METER, {"known": "column"})
    assert (choices.time_column, choices.value_column, choices.belief_column) == (1, 3, 4)
    assert list(events(read(text, value_column="0")).values()) == [7, 7]


@pytest.mark.parametrize(
    ("choice", "value"),
    [
        ("time_column", "9"),
        ("value_column", "-1"),
        ("value_column", "²"),
        ("first_row", "99"),
        ("unit", "kg"),
        ("timezone", "Mars/Base"),
        ("timezone", "../../etc/passwd"),
        ("known", "always"),
        ("decimal", "x"),
        ("delimiter", "a"),
        ("sheet", "3"),
        ("repeated", "third"),
    ],
)
def test_a_choice_that_cannot_be_made_is_told_for_its_field(choice, value):
    with pytest.raises(ChoiceError) as error:
        read(rows("2025-01-01 00:00;1"), **{choice: value})
    assert error.value.field == choice


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


def test_more_values_than_may_be_stored_are_refused_before_memory_is_taken():
    text = rows(*[f"{1900 + year}-01-01;1" for year in range(299)])
    choices, table = choose(read_document("a.csv", text.encode()), METER, {})
    reading = read_rows(table, choices, METER, NOW)
    with pytest.raises(ValuesLimitError, match="At most 1,000,000 values may be stored at once; these are"):
        make_commands(reading, METER, "Meter", choices.timing(NOW), max_values=10**6)


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


@pytest.mark.parametrize(
    ("direction", "value", "problem"),
    [
        (Direction.CONSUMER, "-3", "-3 MW is negative (production), and this is a pure consumer"),
        (Direction.PRODUCER, "3", "3 MW is positive (consumption), and this is a pure producer"),
    ],
)
def test_a_sign_the_sensor_cannot_have_is_told(direction, value, problem):
    sensor = Sensor(1, SensorKind.CONNECTION, "Meter", "MW", 15 * MINUTE, direction=direction)
    assert told(read(rows("2025-01-01 00:00;0", f"2025-01-01 00:15;{value}"), sensor)) == {3: problem}


def commands(text: str, sensor: Sensor = METER, **given: str) -> list[tuple[str, list[float], Timing | None]]:
    choices, table = choose(read_document("a.csv", text.encode()), sensor, given)
    made = make_commands(
        read_rows(table, choices, sensor, NOW), sensor, "Meter", choices.timing(NOW), max_values=10**6
    )
    for command in made:
        assert command.end - command.start == command.groups[0].values.size * 15 * MINUTE
    return [
        (format_instant(command.start)[:16], command.groups[0].values.tolist(), command.timing)
        for command in made
    ]


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
