"""What the pages of an upload show: the choices there are, the first rows as read, the rows that are wrong.

Layer: web.
"""

from __future__ import annotations

import hashlib
from dataclasses import astuple
from typing import Any
from zoneinfo import ZoneInfo

from gridlore.domain.sensors import Sensor
from gridlore.domain.timing import to_datetime
from gridlore.services.upload.choices import (
    SPANS,
    Choices,
    list_headings,
    list_timezones,
    name_column,
)
from gridlore.services.upload.document import Document
from gridlore.services.upload.reading import Reading
from gridlore.services.upload.table import Table, show_cell
from gridlore.services.upload.units import list_conversions
from gridlore.web.ui.wording import tell_resolution

PREVIEWED = 8
"""Rows shown as read, from the first on; problems are shown besides."""
TOLD_PROBLEMS = 25

DELIMITERS = ((";", "semicolon ;"), (",", "comma ,"), ("\t", "tab"), ("|", "bar |"))


def digest(choices: Choices) -> str:
    """Short text that changes when a choice does."""
    return hashlib.sha256(repr(astuple(choices)).encode()).hexdigest()[:16]


def tell_rows(count: int) -> str:
    """How many rows.

    >>> tell_rows(1), tell_rows(1200)
    ('1 row', '1,200 rows')
    """
    return f"{count:,} row{'' if count == 1 else 's'}"


def tell_moment(instant: int, zone: str) -> str:
    """A time in full, with its offset from UTC, so that no day or clock change is left to guess.

    >>> tell_moment(0, "Europe/Amsterdam")
    'Thu 1 Jan 1970 01:00 +01:00'
    """
    moment = to_datetime(instant, ZoneInfo(zone))
    offset = f"{moment:%z}"
    return f"{moment:%a} {moment.day} {moment:%b %Y %H:%M} {offset[:3]}:{offset[3:5]}"


def describe_choices(document: Document, table: Table, choices: Choices, sensor: Sensor) -> dict[str, Any]:
    """What can be chosen, and what is."""
    headings = list_headings(table, choices.first_row)
    columns = [(column, name_column(headings, column)) for column in range(table.width)]
    left = [column for column, _ in columns if column not in {choices.time_column, choices.value_column}]
    return {
        "file_name": document.name,
        "choices": choices,
        "sheets": [(position, name) for position, (name, _) in enumerate(document.sheets)],
        "columns": columns,
        "belief_guess": left[0] if left else choices.time_column,
        "delimiters": DELIMITERS if document.text is not None else (),
        "units": [(conversion.unit, conversion.unit) for conversion in list_conversions(sensor)],
        "spans": list(SPANS),
        "timezones": list_timezones(),
        "raw": _preview_raw(table, choices),
    }


def describe_reading(reading: Reading, table: Table, choices: Choices, sensor: Sensor) -> dict[str, Any]:
    """What the file says, in words."""
    problems = {problem.row: problem.text for problem in reading.problems}
    zone = choices.timezone
    return {
        "reading": reading,
        "count": int(reading.good.size),
        "bad_rows": tell_rows(len(problems)),
        "problems": list(problems.items())[:TOLD_PROBLEMS],
        "more_problems": max(0, len(problems) - TOLD_PROBLEMS),
        "rows": _preview(reading, table, choices, sensor, problems),
        "period": None if reading.period is None else [tell_moment(edge, zone) for edge in reading.period],
        "days": None if reading.period is None else _days(reading.period, sensor.timezone),
        "lasting": tell_resolution(reading.resolution),
        "own": tell_resolution(sensor.resolution),
        "factor": reading.resolution // sensor.resolution,
    }


def _days(period: tuple[int, int], zone: str) -> tuple[str, str]:
    """First and last calendar day of a period, on the clock of a zone."""
    first, last = (to_datetime(instant, ZoneInfo(zone)) for instant in (period[0], period[1] - 1))
    return first.date().isoformat(), last.date().isoformat()


def _preview_raw(table: Table, choices: Choices) -> list[tuple[int, str, str]]:
    """Number, time and value of the first rows, as they stand in the file."""
    first = next(i for i, number in enumerate(table.numbers) if number >= choices.first_row)
    return [
        (
            table.numbers[row],
            show_cell(table.cell(row, choices.time_column)),
            show_cell(table.cell(row, choices.value_column)),
        )
        for row in range(first, min(len(table.rows), first + PREVIEWED))
    ]


def _preview(
    reading: Reading, table: Table, choices: Choices, sensor: Sensor, problems: dict[int, str]
) -> list[dict[str, object]]:
    first = next(i for i, number in enumerate(table.numbers) if number >= choices.first_row)
    kept = set(map(int, reading.good))
    rows: list[dict[str, object]] = []
    for position in range(min(PREVIEWED, reading.rows.size)):
        number, row = int(reading.rows[position]), first + position
        problem = problems.get(number)
        belief = None
        if reading.belief_times is not None and choices.belief_column is not None:
            belief = show_cell(table.cell(row, choices.belief_column))
        rows.append(
            {
                "number": number,
                "time_cell": show_cell(table.cell(row, choices.time_column)),
                "value_cell": show_cell(table.cell(row, choices.value_column)),
                "belief_cell": belief,
                "problem": problem,
                "time": None if problem else tell_moment(int(reading.starts[position]), choices.timezone),
                "value": f"{float(reading.values[position]) + 0.0:.10g}" if position in kept else None,
                "belief": None
                if problem or reading.belief_times is None
                else tell_moment(int(reading.belief_times[position]), choices.timezone),
                "unit": sensor.unit,
            }
        )
    return rows
