"""From rows to blocks; those that follow one another joined into one, if that is asked for.

Layer: store. A year that came by days is so one block instead of 365, each of which would have to be made,
and then joined to the others whenever it is laid over what else is known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gridlore.domain.beliefs import Block
from gridlore.store.codec import unpack_floats, unpack_integers
from gridlore.store.interface import Window
from gridlore.store.relational import (
    TIME,
    TIMES,
    VALUES,
    block_from_row,
    blocks_as_believed,
    blocks_as_stored,
)

Row = tuple[Any, ...]
"""Begins with READ_COLUMNS, or with BELIEF_COLUMNS alone where it may be joined."""

FEW = 32
"""Of so few rows, blocks are made sooner than it is found which follow one another."""

WORTH_JOINING = 4
"""Runs of several rows must have more than this on the average, or each row becomes a block: shorter runs
take longer to make than they save where only the newest of a deep stack are laid."""


def blocks_from_rows(rows: Sequence[Row], window: Window) -> list[Block]:
    """The blocks of what was read of a window, in order of start; joined where it may be, and is worth it."""
    if not window.joined:
        return blocks_as_stored(rows, window.sensor_id, window.resolution)
    if len(rows) > FEW and (joined := _join_rows(rows, window)):
        return joined
    return blocks_as_believed(rows, window.sensor_id, window.resolution)


def _join_rows(rows: Sequence[Row], window: Window) -> list[Block] | None:
    """None if it is not worth it."""
    runs = _find_runs(rows, window.resolution)
    several = sum([len(run) > 1 for run in runs])
    if len(rows) - len(runs) <= (WORTH_JOINING - 1) * several:
        return None
    return [_join_run(run, window) for run in runs]


def _find_runs(rows: Sequence[Row], resolution: int) -> list[list[Row]]:
    """What follows one another without a gap or an overlap, of one source, known in one way.

    Where several blocks start as others end, as when forecasts are made again and again, the nth of these
    follows the nth of those. It is plain Python, for NumPy takes longer to be called than this does.
    """
    runs: list[list[Row]] = []
    ending: dict[object, dict[int, list[Row]]] = {}  # of each kind, the run that ends at a time
    others: dict[object, deque[list[Row]]] = {}  # and those that end at the same
    for row in rows:
        start, source_id, _, horizon, times, values = row[:6]
        kind = (source_id, horizon, times is None)
        ends = ending.get(kind)
        if ends is None:
            ends = ending[kind] = {}
        run = ends.pop(start, None)
        if run is None:
            run = []
            runs.append(run)
        elif others and (waiting := others.get((kind, start))):
            ends[start] = waiting.popleft()
        run.append(row)
        end = start + len(values) // 8 * resolution
        if ends.setdefault(end, run) is not run:
            others.setdefault((kind, end), deque()).append(run)
    return runs


def _join_run(rows: Sequence[Row], window: Window) -> Block:
    packed = [row[VALUES] for row in rows]
    (values,) = unpack_floats([b"".join(packed)])
    first = block_from_row(rows[0], window.sensor_id, window.resolution, values)
    if len(rows) == 1:
        return first
    times = first.belief_times
    if times is not None:
        times = unpack_integers(b"".join([row[TIMES] for row in rows]))
    elif first.belief_time is not None and len({row[TIME] for row in rows}) > 1:
        known = np.array([row[TIME] for row in rows], dtype=np.int64)
        times = known.repeat([len(one) // 8 for one in packed])
    return replace(
        first,
        belief_time=first.belief_time if times is None else None,
        belief_times=times,
    )
