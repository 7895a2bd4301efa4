"""From rows to blocks; those that follow one another joined into one, if that is asked for.

Layer: store. A year that came by days is so one block instead of 365, each of which would have to be made,
and then joined to the others whenever it is laid over what else is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from gridlore.domain.beliefs import Block
from gridlore.domain.timing import NEVER, FloatArray, IntArray
from gridlore.store.codec import unpack_floats, unpack_integers
from gridlore.store.interface import Window
from gridlore.store.relational import BLOCK_COLUMNS, block_from_row, blocks_as_stored

_START, _, _SOURCE, _ARRIVED, _TIME, _HORIZON, _TIMES, _VALUES = range(1, len(BLOCK_COLUMNS))

Row = tuple[Any, ...]
"""What is read of a block, in the order of BLOCK_COLUMNS."""

FEW = 32
"""Of so few rows, blocks are made sooner than it is found which follow one another."""

WORTH_JOINING = 4
"""Runs of several rows must have more than this on the average, or each row becomes a block: shorter runs
take longer to make than they save where only the newest of a deep stack are laid."""

_AT_ONCE, _EACH = NEVER, NEVER + 1
"""In the place of a horizon: all values are known at one time, or each at its own."""


def blocks_from_rows(rows: Sequence[Row], window: Window) -> list[Block]:
    """The blocks of what was read of a window, in order of start; joined where it may be, and is worth it."""
    if window.joined and len(rows) > FEW and (joined := _join_rows(rows, window.resolution)):
        return joined
    return blocks_as_stored(rows, window.resolution)


def _join_rows(rows: Sequence[Row], resolution: int) -> list[Block] | None:
    """None if it is not worth it, or they are not on one grid, which is for others to tell."""
    starts = _integers([row[_START] for row in rows])
    events, between = np.divmod(starts - starts[0], resolution)
    if between.any():
        return None
    sizes = _integers([len(row[_VALUES]) for row in rows]) // 8
    known = [
        _EACH if row[_TIMES] is not None else _AT_ONCE if row[_HORIZON] is None else row[_HORIZON]
        for row in rows
    ]
    kinds = _number_kinds(_integers([row[_SOURCE] for row in rows]), _integers(known))
    order, firsts = _find_runs(events, sizes, kinds)
    several = np.count_nonzero(np.diff(firsts, append=len(rows)) > 1)
    if len(rows) - firsts.size <= (WORTH_JOINING - 1) * several:
        return None
    rows, sizes = [rows[place] for place in order.tolist()], sizes[order]
    (values,) = unpack_floats([b"".join([row[_VALUES] for row in rows])])
    ends = [0, *np.cumsum(sizes).tolist()]
    return [
        _join_run(rows[first:last], sizes[first:last], resolution, values[ends[first] : ends[last]])
        for first, last in pairwise([*firsts.tolist(), len(rows)])
    ]


def _integers(numbers: Sequence[int]) -> IntArray:
    return np.fromiter(numbers, np.int64, len(numbers))


def _number_kinds(sources: IntArray, known: IntArray) -> IntArray:
    """One number, from 0, for those of one source that are known alike; shape (n,)."""
    _, of_source = np.unique(sources, return_inverse=True)
    ways, of_way = np.unique(known, return_inverse=True)
    return of_source * ways.size + of_way


def _find_runs(starts: IntArray, sizes: IntArray, kinds: IntArray) -> tuple[IntArray, IntArray]:
    """In which order blocks follow one another, and at which places therein another run begins.

    A run is of one kind, without a gap or an overlap. Where several blocks start as others end, as when
    forecasts are made again and again, the nth of these follows the nth of those.

    Parameters
    ----------
    starts, sizes, kinds : int64 array, shape (n,)
        The first event of each block, counted from the first of all; how many there are; of which kind it is.
    """
    span = int(starts.max() + sizes.max()) + 1
    begins, ends = kinds * span + starts, kinds * span + starts + sizes
    by_start, by_end = np.argsort(begins, kind="stable"), np.argsort(ends, kind="stable")
    begins, ends = begins[by_start], ends[by_end]
    places = np.arange(starts.size)
    follower = np.searchsorted(begins, ends) + places - np.searchsorted(ends, ends)
    follows = follower < places.size
    follows[follows] = begins[follower[follows]] == ends[follows]
    first = places.copy()
    first[by_start[follower[follows]]] = by_end[follows]
    while (nearer := first[first] != first).any():
        first[nearer] = first[first[nearer]]
    order = np.lexsort((starts, first))
    first = first[order]
    return order, np.flatnonzero(np.diff(first, prepend=-1))


def _join_run(rows: Sequence[Row], sizes: IntArray, resolution: int, values: FloatArray) -> Block:
    first = block_from_row(rows[0], resolution, values)
    if len(rows) == 1:
        return first
    times = first.belief_times
    if times is not None:
        times = unpack_integers(b"".join([row[_TIMES] for row in rows]))
    elif first.belief_time is not None and len({row[_TIME] for row in rows}) > 1:
        times = np.repeat(_integers([row[_TIME] for row in rows]), sizes)
    return replace(
        first,
        belief_time=first.belief_time if times is None else None,
        belief_times=times,
        recorded_at=max([row[_ARRIVED] for row in rows]),
    )
