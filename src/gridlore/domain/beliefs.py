"""Belief blocks: runs of equidistant values about one sensor, from one source, known at stated times.

Layer: domain. All times are int64 microseconds since 1970-01-01T00:00Z.

A block's beliefs were held at one of

* ``belief_time``: all at one time,
* ``belief_horizon``: each event that long before its own end (rolling),
* ``belief_times``: each at its own time (after merging).

A value may be NaN: a hole, nothing is said about that event. One source never holds two beliefs about
one event with the same belief time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from gridlore.domain.timing import FloatArray, Grid, IntArray, Timing

MAX_BLOCK_VALUES = 2048
"""Bound on a block's length: blocks that touch [a, b) start at or after a − 2048 × resolution."""

MAX_HOLE = 16
"""Longest run of holes kept inside a block; a longer one costs more than a second block."""


@dataclass(slots=True, eq=False)
class Block:
    """A run of beliefs. Never changed once made; not declared frozen because that triples the time it takes
    to make one, and reading a year makes hundreds.

    Parameters
    ----------
    values : float64 array, shape (n,)
        In the sensor's unit; NaN is a hole.
    belief_time, belief_horizon : int, optional
        See the module. [µs since epoch], [µs]
    belief_times : int64 array, shape (n,), optional
        See the module; exactly one of the three is given. [µs since epoch]
    recorded_at : int
        When it arrived; of a merged block, when its last part did; 0 where it was not read. [µs since epoch]
    seq : int
        Position in the sensor's order of arrival; 0 until it is stored, and where it was not read.
    """

    sensor_id: int
    source_id: int
    start: int
    resolution: int
    values: FloatArray
    belief_time: int | None = None
    belief_horizon: int | None = None
    belief_times: IntArray | None = None
    recorded_at: int = 0
    seq: int = 0

    @property
    def end(self) -> int:
        """End of the last event. [µs since epoch]"""
        return self.start + self.values.size * self.resolution

    @property
    def grid(self) -> Grid:
        """The events this block is about."""
        return Grid(self.start, self.resolution, self.values.size)

    @property
    def last_known(self) -> int:
        """When the last of its beliefs was known. [µs since epoch]"""
        if self.belief_time is not None:
            return self.belief_time
        if self.belief_horizon is not None:
            return self.end - self.belief_horizon
        return int(self.times().max())

    def times(self) -> IntArray:
        """Belief time of each value, shape (n,). [µs since epoch]"""
        if self.belief_times is not None:
            return self.belief_times
        if self.belief_horizon is not None:
            return self.grid.event_ends() - self.belief_horizon
        return np.full(self.values.size, self.belief_time, dtype=np.int64)

    def cut(self, first: int, last: int) -> Block:
        """The part of this block from value ``first`` up to but without ``last``."""
        times = None if self.belief_times is None else self.belief_times[first:last]
        start = self.start + first * self.resolution
        return replace(self, start=start, values=self.values[first:last], belief_times=times)

    def numbered(self, seq: int) -> Block:
        """This block at its place in the order of arrival."""
        return Block(
            self.sensor_id,
            self.source_id,
            self.start,
            self.resolution,
            self.values,
            self.belief_time,
            self.belief_horizon,
            self.belief_times,
            self.recorded_at,
            seq,
        )

    def with_holes(self, holes: np.typing.NDArray[np.bool_]) -> Block:
        """This block without the beliefs where ``holes``, shape (n,), is true."""
        return replace(self, values=np.where(holes, np.nan, self.values))


def make_blocks(
    sensor_id: int, source_id: int, grid: Grid, values: FloatArray, timing: Timing, recorded_at: int
) -> Iterator[Block]:
    """The blocks that say ``values`` about the events of ``grid``, known as ``timing`` says.

    A timing that states both a time and a horizon gives a rolling block for the events whose horizon
    comes first, and one with a fixed time for the rest. A single value has one belief time, which is
    also a rolling horizon: it is made rolling, so that neighbours fold.

    Parameters
    ----------
    values : float64 array, shape (grid.count,)
    """
    rolling = 0 if timing.belief_horizon is None else grid.count
    if timing.belief_time is not None and timing.belief_horizon is not None:
        last_rolling_end = timing.belief_time + timing.belief_horizon
        rolling = min(grid.count, max(0, (last_rolling_end - grid.start) // grid.resolution))
    if rolling:
        yield Block(
            sensor_id,
            source_id,
            grid.start,
            grid.resolution,
            values[:rolling],
            belief_horizon=timing.belief_horizon,
            recorded_at=recorded_at,
        )
    if rolling < grid.count:
        single = timing.belief_time is not None and rolling == grid.count - 1
        yield Block(
            sensor_id,
            source_id,
            grid.start + rolling * grid.resolution,
            grid.resolution,
            values[rolling:],
            belief_time=None if single else timing.belief_time,
            belief_horizon=grid.end - (timing.belief_time or 0) if single else None,
            recorded_at=recorded_at,
        )


def split_block(block: Block) -> Iterator[Block]:
    """The same beliefs in blocks fit to store: no hole at an end, no long hole inside, none too long."""
    known = np.flatnonzero(~np.isnan(block.values))
    if known.size == block.values.size <= MAX_BLOCK_VALUES:
        yield block
        return
    if known.size == 0:
        return
    breaks = np.flatnonzero(np.diff(known) > MAX_HOLE + 1)
    firsts = [int(known[0]), *(int(known[i + 1]) for i in breaks)]
    lasts = [*(int(known[i]) + 1 for i in breaks), int(known[-1]) + 1]
    for first, last in zip(firsts, lasts, strict=True):
        for piece in range(first, last, MAX_BLOCK_VALUES):
            yield block.cut(piece, min(piece + MAX_BLOCK_VALUES, last))
