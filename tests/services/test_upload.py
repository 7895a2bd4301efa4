"""Uploaded tables: what their rows say, in which units, and which rows are wrong and why."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from gridlore.domain.sensors import Direction, Sensor, SensorKind
from gridlore.domain.timing import HOUR, MINUTE
from gridlore.services.upload.choices import choose
from gridlore.services.upload.document import read_document
from gridlore.services.upload.table import ChoiceError
from tests.services.uploading import METER, events, make_workbook, read, rows, told

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
    ("direction", "value", "problem"),
    [
        (Direction.CONSUMER, "-3", "-3 MW is negative (production), and this is a pure consumer"),
        (Direction.PRODUCER, "3", "3 MW is positive (consumption), and this is a pure producer"),
    ],
)
def test_a_sign_the_sensor_cannot_have_is_told(direction, value, problem):
    sensor = Sensor(1, SensorKind.CONNECTION, "Meter", "MW", 15 * MINUTE, direction=direction)
    assert told(read(rows("2025-01-01 00:00;0", f"2025-01-01 00:15;{value}"), sensor)) == {3: problem}
