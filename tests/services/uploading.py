"""Files to upload, and what is made of them: shared by the tests of uploads."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

from openpyxl import Workbook

from gridlore.domain.sensors import Sensor, SensorKind
from gridlore.domain.timing import MINUTE, Timing, format_instant, to_instant
from gridlore.services.upload.choices import choose
from gridlore.services.upload.document import Document, read_document
from gridlore.services.upload.reading import Reading, read_rows
from gridlore.services.upload.storing import make_commands

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
