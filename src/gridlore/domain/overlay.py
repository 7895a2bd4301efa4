"""Fold belief blocks into one value per event: the newest belief that passes the filters wins.

Layer: domain. Imports NumPy only; knows no SQL, no HTTP and no clock.
All times are int64 microseconds since 1970-01-01T00:00Z (docs/glossary.md).

    block 3 (fixed)        ├──── 7 am ────┤
    block 2 (rolling)   ├ 6h ┼ 6h ┼ 6h ┼ 6h ┤        blocks that do not overlap share a layer;
    block 1 (rolling)   ├ 24h┼ 24h┼ 24h┼ 24h┼ 24h┤   layers are compared event by event
    ────────────────────┴────┴────┴────┴────┴────┴──→ events
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridlore.domain.beliefs import Block
from gridlore.domain.errors import GridError
from gridlore.domain.sensors import SOURCE_RANK, Source
from gridlore.domain.timing import NEVER, FloatArray, Grid, IntArray, format_instant


@dataclass(frozen=True, slots=True)
class BeliefFilter:
    """Which beliefs count.

    ``prior``: held at or before this instant (an array of shape (N,) gives each event its own)
    [µs since epoch]. ``min_horizon``: held at least that long before the event's end [µs].
    ``max_horizon``: held at most that long before the event's end; 0 means after the fact [µs].
    """

    prior: int | IntArray | None = None
    min_horizon: int | None = None
    max_horizon: int | None = None

    def excludes(self, block: Block) -> bool:
        """Whether no belief of this block can pass, as its header alone shows."""
        if block.belief_horizon is not None:
            if self.min_horizon is not None and block.belief_horizon < self.min_horizon:
                return True
            if self.max_horizon is not None and block.belief_horizon > self.max_horizon:
                return True
        return (
            block.belief_time is not None and isinstance(self.prior, int) and block.belief_time > self.prior
        )

    def passes(self, times: IntArray, ends: IntArray, span: slice) -> NDArray[np.bool_] | None:
        """Which beliefs held at ``times`` about events ending at ``ends`` count; None means all.

        ``span`` says where in the grid these events lie, for a ``prior`` of shape (N,).
        """
        passed: NDArray[np.bool_] | None = None
        if self.prior is not None:
            prior = self.prior if isinstance(self.prior, int) else self.prior[span]
            passed = times <= prior
        if self.min_horizon is not None:
            ahead = ends - times >= self.min_horizon
            passed = ahead if passed is None else passed & ahead
        if self.max_horizon is not None:
            after = ends - times <= self.max_horizon
            passed = after if passed is None else passed & after
        return passed


EVERYTHING = BeliefFilter()


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One belief per event.

    ``values``: float64 (N,), NaN where nobody held a belief. ``times``: int64 (N,), when the belief was
    held, NEVER where none was [µs since epoch]. ``sources``: int64 (N,), who held it, 0 where nobody did.
    """

    values: FloatArray
    times: IntArray
    sources: IntArray

    @classmethod
    def empty(cls, count: int) -> Picture:
        """Nobody believes anything about any of ``count`` events."""
        return cls(np.full(count, np.nan), np.full(count, NEVER), np.zeros(count, dtype=np.int64))


def overlay(
    blocks: Sequence[Block],
    grid: Grid,
    only: BeliefFilter = EVERYTHING,
    *,
    sources: Mapping[int, Source] | None = None,
    own_source_id: int | None = None,
) -> Picture:
    """The belief that counts about each event of ``grid``.

    Of several sources the kind trusted most is taken (users, schedulers, forecasters, scripts); within
    a kind the most recent belief; on a tie the asking user's own source, then the lower source id.

    Parameters
    ----------
    blocks : sequence of Block
        Beliefs about one sensor, in any order.
    grid : Grid
        The events asked for; ``grid.count`` is N.
    only : BeliefFilter
        Which beliefs count.
    sources : mapping from source id to Source, optional
        Their kinds; without it all are of one kind.
    own_source_id : int, optional
        The source that wins a tie.

    Raises
    ------
    GridError
        A block has another resolution, or its start falls between events.
    """
    by_source: dict[int, list[Block]] = {}
    for block in blocks:
        if block.resolution != grid.resolution or (block.start - grid.start) % grid.resolution:
            raise GridError(
                f"block {block.seq} of sensor {block.sensor_id} starts at {format_instant(block.start)}, "
                "which is no event of the sensor's grid"
            )
        if block.start < grid.end and block.end > grid.start and not only.excludes(block):
            by_source.setdefault(block.source_id, []).append(block)

    def rank(source_id: int) -> int:
        return SOURCE_RANK[sources[source_id].kind] if sources and source_id in sources else 0

    def tie_order(source_id: int) -> tuple[bool, int]:
        return (source_id != own_source_id, source_id)

    result: Picture | None = None
    for level in sorted({rank(source_id) for source_id in by_source}):
        best = Picture.empty(grid.count)
        fresh = True
        peers = [source_id for source_id in by_source if rank(source_id) == level]
        for source_id in sorted(peers, key=tie_order):
            for layer in split_into_layers(by_source[source_id]):
                _lay(layer, grid, only, best, fresh=fresh)
                fresh = False
        if result is None:
            result = best
        else:
            missing = np.isnan(result.values)
            for into, from_ in zip(
                (result.values, result.times, result.sources),
                (best.values, best.times, best.sources),
                strict=True,
            ):
                np.copyto(into, from_, where=missing)
    return result if result is not None else Picture.empty(grid.count)


def split_into_layers(blocks: Iterable[Block]) -> list[list[Block]]:
    """Blocks sorted by start into as few layers as first fit finds, none overlapping in its layer."""
    layers: list[list[Block]] = []
    ends: list[int] = []
    for block in sorted(blocks, key=lambda block: block.start):
        for index, end in enumerate(ends):
            if block.start >= end:
                layers[index].append(block)
                ends[index] = block.end
                break
        else:
            layers.append([block])
            ends.append(block.end)
    return layers


def _lay(layer: list[Block], grid: Grid, only: BeliefFilter, best: Picture, *, fresh: bool) -> None:
    """Put the newer beliefs of a layer (of one source, sorted, disjoint) on ``best``, in place.

    ``fresh``: ``best`` is still empty, so the layer is written straight into it.
    """
    resolution, count = grid.resolution, grid.count
    low = max(0, (layer[0].start - grid.start) // resolution)
    high = min(count, (layer[-1].end - grid.start) // resolution)
    span = slice(low, high)
    if fresh:
        values, times = best.values[span], best.times[span]
    else:
        values, times = np.full(high - low, np.nan), np.full(high - low, NEVER)
    ends = np.arange(grid.start + (low + 1) * resolution, grid.start + high * resolution + 1, resolution)
    for block in layer:
        first = (block.start - grid.start) // resolution - low
        skipped = max(0, -first)
        here = slice(first + skipped, min(first + block.values.size, high - low))
        length = here.stop - here.start
        values[here] = block.values[skipped : skipped + length]
        if block.belief_horizon is not None:
            np.subtract(ends[here], block.belief_horizon, out=times[here])
        elif block.belief_times is not None:
            times[here] = block.belief_times[skipped : skipped + length]
        elif block.belief_time is not None:
            times[here] = block.belief_time
    source_id = layer[0].source_id
    passed = only.passes(times, ends, span)
    known = ~np.isnan(values)
    taken = known if passed is None else known & passed
    if fresh:
        left_out = ~taken
        values[left_out], times[left_out] = np.nan, NEVER
    else:
        taken &= times > best.times[span]
        np.copyto(best.values[span], values, where=taken)
        np.copyto(best.times[span], times, where=taken)
    np.copyto(best.sources[span], source_id, where=taken)
