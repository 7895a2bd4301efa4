"""What touches windows, asked of PostgreSQL in one statement that goes through no more than it may.

Layer: store.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

import psycopg

from gridlore.domain.beliefs import MAX_BLOCK_VALUES, Block
from gridlore.store import amounts
from gridlore.store.columns import pack_bigints
from gridlore.store.interface import Window
from gridlore.store.joining import Row, blocks_from_rows
from gridlore.store.relational import BELIEF_COLUMNS, READ_COLUMNS, START, VALUES

UNCOUNTED = 2048
"""So many blocks are gone through without counting them, which would make PostgreSQL copy each row: those
that are passed over come back too, without their values. A year among four forecasts a day is less; as many
of the longest, with a time for each value, are what one question may bring."""

_Kind = tuple[bool, bool, tuple[str, ...]]
"""What a statement depends on; see ``_kind_of``."""

_WINDOW = (
    "number", "of_sensor", "first", "last", "resolution",
    "of_source", "after", "known_until", "max_values", "whole",
)  # fmt: skip
_ONE_WINDOW = f"(SELECT {', '.join(f'%({name})s::bigint AS {name}' for name in _WINDOW)}) w"
_WINDOWS = f"unnest({', '.join(f'%({name})s::bigint[]' for name in _WINDOW)}) AS w({', '.join(_WINDOW)})"
_GONE_THROUGH = """
    FROM (
        SELECT *{counting} FROM {windows}
        CROSS JOIN LATERAL (SELECT {columns} FROM belief_block b
            WHERE b.sensor_id = w.of_sensor AND b.start > w.after AND b.start < w.last OFFSET 0) b
        LIMIT %(most_through)s + 1
    ) b
    CROSS JOIN LATERAL (SELECT octet_length(b.event_values) / 8 AS count) known
    CROSS JOIN LATERAL (
        SELECT CASE WHEN b.whole = 1 THEN 0 ELSE greatest((b.first - b.start) / b.resolution, 0) END AS first,
            CASE WHEN b.whole = 1 THEN known.count
                ELSE least((b.last - b.start + b.resolution - 1) / b.resolution, known.count) END AS last
    ) cut
"""
"""What may touch windows, and from which value to which it does. ``OFFSET 0``: PostgreSQL must look up the
rows of each window by their key, where it may rather go through a whole table of some ten thousand rows. It
goes through one row more than it may, so that this shows."""
_TOUCHES = "b.start + known.count * b.resolution > b.first"
_LIMITS = {
    "of_source": "coalesce(b.source_id = b.of_source, true)",
    "known_until": """coalesce(
        b.belief_time <= b.known_until,
        greatest(b.start, b.first) + b.resolution - b.belief_horizon <= b.known_until,
        true
    )""",
    "max_values": "known.count <= b.max_values",
    "of_sources": "b.source_id = ANY(%(of_sources)s::bigint[])",
}
"""What else may be asked of a row; only what limits is asked."""
_AS_IT_IS = "b.whole = 1 OR b.start >= b.first AND b.start + known.count * b.resolution <= b.last"
"""Asked of each row first: it takes less than to work out how much of it is to be cut."""
_CUT = "substring(b.{0} FROM (8 * cut.first + 1)::int FOR greatest(8 * (cut.last - cut.first), 0)::int)"
_CUT_COLUMNS = {
    "start": f"CASE WHEN {_AS_IT_IS} THEN b.start ELSE b.start + cut.first * b.resolution END",
    **{
        column: f"CASE {{passing}} WHEN {_AS_IT_IS} THEN b.{column} ELSE {_CUT.format(column)} END"
        for column in ("belief_times", "event_values")
    },
}
_PASSING = "WHEN NOT {touching} THEN NULL"
"""Values of a row that is passed over are not even read."""
_COUNTING = ", row_number() OVER () AS nth"
_READ_UNCOUNTED = f"SELECT {{cut}} {_GONE_THROUGH}"
_TOUCHING = f"{_GONE_THROUGH} WHERE b.nth > %(most_through)s OR {{touching}}"
"""The row that is one too many is among the answers, whatever it says."""
_READ = f"SELECT {{cut}}, b.nth, b.number {_TOUCHING}"
_READ_SOME = f"{_READ} LIMIT %(most)s + 1"
_WEIGH = f"""
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
    asked = _ask_for_windows(windows)
    if source_ids is not None:
        asked["of_sources"] = pack_bigints(source_ids)
    kind = _kind_of(windows, source_ids is not None)
    if len(windows) == 1 and windows[0].count > MAX_BLOCK_VALUES:  # so that more lies in it than before it
        rows = _read_uncounted(cursor, kind, asked, amounts.max_rows(windows))
        if rows is not None:
            return [blocks_from_rows(rows, windows[0])]
    rows = _read_counted(cursor, kind, asked, amounts.max_rows(windows))
    found: list[list[Row]] = [[] for _ in windows]
    for row in rows:
        found[row[-1]].append(row)
    return [blocks_from_rows(some, window) for some, window in zip(found, windows, strict=True)]


def _read_uncounted(
    cursor: psycopg.Cursor[Any], kind: _Kind, asked: Mapping[str, object], most: int
) -> list[Row] | None:
    """What touches one window, in order of start; None if that may be much, or stands among much."""
    few = min(UNCOUNTED, amounts.MAX_GONE_THROUGH)
    rows = cursor.execute(_statement(_READ_UNCOUNTED, *kind), {**asked, "most_through": few}).fetchall()
    if len(rows) > few:
        return None
    rows = [row for row in rows if row[VALUES] is not None]
    rows.sort(key=itemgetter(START))  # the database would move whole rows
    return rows if len(rows) <= most else None


def _read_counted(
    cursor: psycopg.Cursor[Any], kind: _Kind, asked: Mapping[str, object], most: int
) -> list[Row]:
    """What touches windows, in order of start; ``most`` rows are not too much, however long they are."""
    asked = {**asked, "most_through": amounts.MAX_GONE_THROUGH, "most": most}
    rows = cursor.execute(_statement(_READ_SOME, *kind), asked).fetchall()
    if len(rows) > most:  # perhaps too much; the driver has all rows before we see the first
        del rows
        ((through, size),) = cursor.execute(_statement(_WEIGH, *kind), asked).fetchall()
        amounts.check_count(through or 0)
        amounts.check_amount(int(size or 0))
        rows = cursor.execute(_statement(_READ, *kind), asked).fetchall()
    amounts.check_count(max([row[-2] for row in rows], default=0))
    rows.sort(key=itemgetter(START))
    return rows


def _kind_of(windows: Sequence[Window], of_sources: bool) -> _Kind:
    """Whether it is one window, whether all may be joined, and what limits any of them."""
    limited = {
        "of_source": any(window.source_id is not None for window in windows),
        "known_until": any(window.known_until is not None for window in windows),
        "max_values": any(window.max_values < MAX_BLOCK_VALUES for window in windows),
        "of_sources": of_sources,
    }
    joined = all(window.joined for window in windows)
    return len(windows) == 1, joined, tuple([name for name, is_limit in limited.items() if is_limit])


@cache
def _statement(template: str, one: bool, joined: bool, limits: tuple[str, ...]) -> str:
    columns = BELIEF_COLUMNS if joined else READ_COLUMNS
    touching = f"({' AND '.join([_TOUCHES, *[_LIMITS[name] for name in limits]])})"
    counted = template is not _READ_UNCOUNTED
    passing = "" if counted else _PASSING.format(touching=touching)
    return template.format(
        cut=", ".join([_CUT_COLUMNS.get(name, f"b.{name}") for name in columns]).format(passing=passing),
        touching=touching,
        columns=", ".join(columns),
        windows=_ONE_WINDOW if one else _WINDOWS,
        counting=_COUNTING if counted else "",
    )


def _ask_for_windows(windows: Sequence[Window]) -> dict[str, object]:
    """The columns of the windows, by name; of one, its cells."""
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
        return dict(zip(_WINDOW, rows[0], strict=True))
    return {name: pack_bigints(cells) for name, cells in zip(_WINDOW, zip(*rows, strict=True), strict=True)}
