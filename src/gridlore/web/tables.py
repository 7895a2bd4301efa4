"""Values as a table: CSV, a row per event.

Layer: web. Columns are made whole and joined row by row, without a loop over them in Python.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import timezone
from zoneinfo import ZoneInfo

import numpy as np

from gridlore.domain.errors import PeriodError
from gridlore.domain.timing import FloatArray, IntArray, format_instants
from gridlore.services.directory import Directory
from gridlore.services.query import Reading

MAX_TABLE_BYTES = 256 * 1024 * 1024
"""Longest table, unpacked: two million rows of the usual length. [bytes]"""
ROWS_AT_ONCE = 2048
"""Rows made in one go, in about 5 ms: other threads wait for the interpreter as long."""
UNKNOWN = ",,"
"""What stands after the event's start where nothing is known."""


def write_csv(
    directory: Directory,
    readings: Sequence[Reading],
    zone: timezone | ZoneInfo,
    *,
    heading: str | None = None,
) -> bytes:
    """A row per event slot; value, belief time and source are empty where nothing is known.

    The readings' names stand in a column of their own under ``heading``; without one, only when there are
    several, under "sensor".

    Raises
    ------
    PeriodError
        It becomes longer than ``MAX_TABLE_BYTES``.
    """
    several = heading is not None or len(readings) > 1
    names = [heading or "sensor"] if several else []
    parts = [_write_line([*names, "event_start", "value", "belief_time", "source"])]
    tell = {source.id: _write_cell(source.name) for source in directory.sources.values()}
    size = 0
    for reading in readings:
        name = f"{_write_cell(reading.name)}," if several else ""
        starts, picture = reading.grid.event_starts(), reading.picture
        for first in range(0, starts.size, ROWS_AT_ONCE):
            rows = slice(first, first + ROWS_AT_ONCE)
            known = _write_known(picture.values[rows], picture.times[rows], picture.sources[rows], zone, tell)
            lines = map(",".join, zip(format_instants(starts[rows], zone), known, strict=True))
            parts.append((name + f"\n{name}".join(lines) + "\n").encode())
            size += len(parts[-1])
            if size > MAX_TABLE_BYTES:
                raise PeriodError(
                    f"A table may have at most {MAX_TABLE_BYTES // 2**20} MiB; this one has more. "
                    "Ask for a shorter duration, or for fewer sensors at a time."
                )
    return b"".join(parts)


def _write_known(
    values: FloatArray,
    times: IntArray,
    source_ids: IntArray,
    zone: timezone | ZoneInfo,
    tell: Mapping[int, str],
) -> list[str]:
    """Value, belief time and source of each row, as cells."""
    known = ~np.isnan(values)
    ids, which = np.unique(source_ids[known], return_inverse=True)
    names = np.array([tell.get(int(source_id), "") for source_id in ids], dtype=object)[which]
    columns = (map(repr, (values[known] + 0.0).tolist()), format_instants(times[known], zone), names.tolist())
    cells = np.full(values.size, UNKNOWN, dtype=object)
    cells[known] = [*map(",".join, zip(*columns, strict=True))]
    written: list[str] = cells.tolist()
    return written


def _write_line(cells: Sequence[str]) -> bytes:
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerow(cells)
    return table.getvalue().encode()


def _write_cell(text: str) -> str:
    """A text as a cell among others, kept from being read as a formula by spreadsheets."""
    harmless = f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
    return _write_line(["", harmless]).decode()[1:-1]
