"""Values as a table: CSV, a row per event.

Layer: web. Columns are made whole and then joined, without a statement for each row.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timezone
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from gridlore.domain.errors import PeriodError
from gridlore.domain.overlay import Picture
from gridlore.domain.timing import Grid, IntArray, format_instants
from gridlore.services.directory import Directory
from gridlore.services.query import Reading

MAX_TABLE_BYTES = 256 * 1024 * 1024
"""Longest table, unpacked: two million rows of the usual length. [bytes]"""
ROWS_AT_ONCE = 2048
"""Rows made in one go, in 5 ms or so: other threads wait for the interpreter as long."""
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
    for pieces in _cut(readings):
        starts = np.concatenate([piece.starts for piece in pieces])
        columns = [format_instants(starts, zone), _write_beliefs(_join(pieces), zone, tell)]
        if several:
            cells = np.array([_write_cell(piece.name) for piece in pieces], dtype=object)
            columns.insert(0, np.repeat(cells, [piece.starts.size for piece in pieces]).tolist())
        parts.append(("\n".join(map(",".join, zip(*columns, strict=True))) + "\n").encode())
        size += len(parts[-1])
        if size > MAX_TABLE_BYTES:
            raise PeriodError(
                f"A table may have at most {MAX_TABLE_BYTES // 2**20} MiB; this one has more. "
                "Ask for a shorter duration, or for fewer sensors at a time."
            )
    return b"".join(parts)


class _Piece(NamedTuple):
    """Consecutive rows of one reading: where their events start, shape (n,), and what is believed."""

    name: str
    starts: IntArray
    picture: Picture


def _cut(readings: Iterable[Reading]) -> Iterator[list[_Piece]]:
    """All rows in order, ``ROWS_AT_ONCE`` together, of however many readings they are."""
    pieces: list[_Piece] = []
    free = ROWS_AT_ONCE
    for reading in readings:
        grid, picture, first = reading.grid, reading.picture, 0
        while first < grid.count:
            end = min(first + free, grid.count)
            starts = Grid(grid.start + first * grid.resolution, grid.resolution, end - first).event_starts()
            rows = slice(first, end)
            part = Picture(picture.values[rows], picture.times[rows], picture.sources[rows])
            pieces.append(_Piece(reading.name, starts, part))
            free -= end - first
            first = end
            if not free:
                yield pieces
                pieces, free = [], ROWS_AT_ONCE
    if pieces:
        yield pieces


def _join(pieces: Sequence[_Piece]) -> Picture:
    return Picture(
        np.concatenate([piece.picture.values for piece in pieces]),
        np.concatenate([piece.picture.times for piece in pieces]),
        np.concatenate([piece.picture.sources for piece in pieces]),
    )


def _write_beliefs(picture: Picture, zone: timezone | ZoneInfo, tell: Mapping[int, str]) -> list[str]:
    """Value, belief time and source of each row, as cells."""
    values = picture.values
    known = ~np.isnan(values)
    ids, which = np.unique(picture.sources[known], return_inverse=True)
    names = np.array([tell.get(int(source_id), "") for source_id in ids], dtype=object)[which]
    numbers = map(repr, (values[known] + 0.0).tolist())
    columns = (numbers, format_instants(picture.times[known], zone), names.tolist())
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
