"""What touches windows, asked of PostgreSQL in one statement that goes through no more than it may.

Layer: store.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from operator import itemgetter
from typing import Any

import psycopg

from gridlore.domain.beliefs import Block
from gridlore.store import amounts
from gridlore.store.columns import pack_bigints
from gridlore.store.interface import Window
from gridlore.store.joining import Row, blocks_from_rows
from gridlore.store.relational import BLOCK_COLUMNS

_WINDOW = (
    "number", "of_sensor", "first", "last", "resolution",
    "of_source", "after", "known_until", "max_values", "whole",
)  # fmt: skip
_ONE_WINDOW = f"(SELECT {', '.join(f'%s::bigint AS {name}' for name in _WINDOW)}) w"
_WINDOWS = f"unnest({', '.join(['%s::bigint[]'] * len(_WINDOW))}) AS w({', '.join(_WINDOW)})"
_TOUCHING = """
    FROM (
        SELECT *, row_number() OVER () AS nth FROM {windows}
        CROSS JOIN LATERAL (SELECT * FROM belief_block b
            WHERE b.sensor_id = w.of_sensor AND b.start > w.after AND b.start < w.last OFFSET 0) b
        LIMIT %s
    ) b
    CROSS JOIN LATERAL (SELECT octet_length(b.event_values) / 8 AS count) known
    CROSS JOIN LATERAL (
        SELECT CASE WHEN b.whole = 1 THEN 0 ELSE greatest((b.first - b.start) / b.resolution, 0) END AS first,
            CASE WHEN b.whole = 1 THEN known.count
                ELSE least((b.last - b.start + b.resolution - 1) / b.resolution, known.count) END AS last
    ) cut
    WHERE b.nth > %s OR (
        b.start + known.count * b.resolution > b.first
        AND coalesce(b.source_id = b.of_source, true)
        AND coalesce(
            b.belief_time <= b.known_until,
            greatest(b.start, b.first) + b.resolution - b.belief_horizon <= b.known_until,
            true
        )
        AND known.count <= b.max_values
        AND coalesce(b.source_id = ANY(%s::bigint[]), true)
    )
"""
"""What touches windows, and from which value to which it does. A row that ends before its window is passed
over here, and its values are not read. ``OFFSET 0``: PostgreSQL must look up the rows of each window by their
key, where it may rather go through a whole table of some ten thousand rows. It goes through one row more than
it may, which then is among the answers, whatever it says."""
_AS_IT_IS = """
    CASE WHEN b.whole = 1 OR b.start >= b.first AND b.start + known.count * b.resolution <= b.last THEN"""
"""Asked of each row first: it takes less than to work out how much of it is to be cut."""
_CUT_COLUMNS = {
    "start": f"{_AS_IT_IS} b.start ELSE b.start + cut.first * b.resolution END",
    **{
        column: f"{_AS_IT_IS} b.{column} ELSE substring(b.{column} "
        "FROM (8 * cut.first + 1)::int FOR greatest(8 * (cut.last - cut.first), 0)::int) END"
        for column in ("belief_times", "event_values")
    },
}
_COLUMNS = ", ".join(_CUT_COLUMNS.get(column, f"b.{column}") for column in BLOCK_COLUMNS)
_READ_BLOCKS = f"SELECT b.nth, b.number, {_COLUMNS} {_TOUCHING} LIMIT %s"
_WEIGH_BLOCKS = f"""
    SELECT max(b.nth), sum((cut.last - cut.first) * CASE WHEN b.belief_times IS NULL THEN 8 ELSE 16 END
        + (known.count - cut.last + cut.first) * 8 / {amounts.PASSED_OVER} + {amounts.ROW_OVERHEAD})
    {_TOUCHING}
"""


def read_blocks(
    cursor: psycopg.Cursor[Any], windows: Sequence[Window], source_ids: Collection[int] | None = None
) -> list[list[Block]]:
    """What touches each window, in order of start unless it may be joined.

    Raises
    ------
    PeriodError
        It is too much, or stands among too much.
    """
    if not windows:
        return []
    place, asked = _ask_for_windows(windows)
    most_through = amounts.MAX_GONE_THROUGH
    of_sources = None if source_ids is None else pack_bigints(source_ids)
    parameters = (*asked, most_through + 1, most_through, of_sources)
    statement = _READ_BLOCKS.format(windows=place)
    most = amounts.max_rows(windows)
    rows = cursor.execute(statement, (*parameters, most + 1)).fetchall()
    if len(rows) > most:  # perhaps too much; the driver has all rows before we see the first
        ((through, size),) = cursor.execute(_WEIGH_BLOCKS.format(windows=place), parameters).fetchall()
        amounts.check_count(through or 0)
        amounts.check_amount(int(size or 0))
        rows = cursor.execute(statement, (*parameters, None)).fetchall()
    amounts.check_count(max([row[0] for row in rows], default=0))
    rows.sort(key=itemgetter(3))  # by start; the database would move whole rows
    found: list[list[Row]] = [[] for _ in windows]
    for row in rows:
        found[row[1]].append(row[2:])
    return [blocks_from_rows(some, window) for some, window in zip(found, windows, strict=True)]


def _ask_for_windows(windows: Sequence[Window]) -> tuple[str, tuple[object, ...]]:
    """The relation of the windows, and its parameters."""
    rows = [
        (
            number,
            window.sensor_id,
            window.start,
            window.end,
            window.resolution,
            window.source_id,
            window.after,
            window.known_until,
            window.max_values,
            int(window.whole),
        )
        for number, window in enumerate(windows)
    ]
    if len(rows) == 1:
        return _ONE_WINDOW, rows[0]
    return _WINDOWS, tuple([pack_bigints(column) for column in zip(*rows, strict=True)])
