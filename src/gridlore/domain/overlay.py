"""Fold belief blocks into one value per event: the newest belief that passes the filters wins.

Layer: domain. Imports NumPy only; knows no SQL, no HTTP and no clock.
All times are int64 microseconds since 1970-01-01T00:00Z (docs/glossary.md).

    block 3 (fixed)        ├──── 7 am ────┤
    block 2 (rolling)   ├ 6h ┼ 6h ┼ 6h ┼ 6h ┤        blocks that do not overlap share a layer;
    block 1 (rolling)   ├ 24h┼ 24h┼ 24h┼ 24h┼ 24h┤   layers are compared event by event
    ────────────────────┴────┴────┴────┴────┴────┴──→ events
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from operator import attrgetter

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

    def admit(self, blocks: Sequence[Block]) -> Sequence[Block]:
        """Those of the blocks that may hold a belief that passes, as their headers alone show."""
        low, high, prior = self.min_horizon, self.max_horizon, self.prior
        if low is not None or high is not None:
            blocks = [
                block
                for block in blocks
                if (horizon := block.belief_horizon) is None
                or ((low is None or horizon >= low) and (high is None or horizon <= high))
            ]
        if isinstance(prior, int):
            blocks = [block for block in blocks if _oldest(block) <= prior]
        return blocks

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


def _oldest(block: Block) -> int:
    """No belief of a block was held before this, as its header alone shows. [µs since epoch]"""
    if block.belief_horizon is not None:
        return block.start + block.resolution - block.belief_horizon
    return NEVER if block.belief_time is None else block.belief_time


EVERYTHING = BeliefFilter()

DEEP = 16
"""Layers of one source that are all laid; of more, only those that can hold anything newer."""

_BY_START = attrgetter("start")


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
    grid_start, grid_end, resolution = grid.start, grid.end, grid.resolution
    for block in only.admit(blocks):
        start = block.start
        if block.resolution != resolution or (start - grid_start) % resolution:
            raise GridError(
                f"a block of source {block.source_id} about sensor {block.sensor_id} starts at "
                f"{format_instant(start)}, which is no event of the sensor's grid"
            )
        if start < grid_end and (start >= grid_start or block.end > grid_start):
            by_source.setdefault(block.source_id, []).append(block)

    def rank(source_id: int) -> int:
        return SOURCE_RANK[sources[source_id].kind] if sources and source_id in sources else 0

    def tie_order(source_id: int) -> tuple[bool, int]:
        return (source_id != own_source_id, source_id)

    ends = grid.event_ends()
    result: Picture | None = None
    for level in sorted({rank(source_id) for source_id in by_source}):
        peers = [source_id for source_id in by_source if rank(source_id) == level]
        best: Picture | None = None
        for source_id in sorted(peers, key=tie_order):
            best = _lay_source(by_source[source_id], grid, ends, only, best)
        if result is None:
            result = best
        elif best is not None:
            missing = np.isnan(result.values)
            for into, from_ in zip(
                (result.values, result.times, result.sources),
                (best.values, best.times, best.sources),
                strict=True,
            ):
                np.copyto(into, from_, where=missing)
    return result if result is not None else Picture.empty(grid.count)


def _lay_source(
    blocks: Sequence[Block], grid: Grid, ends: IntArray, only: BeliefFilter, best: Picture | None
) -> Picture:
    """What one source says, laid upon ``best`` in place; None: upon nothing."""
    layers = split_into_layers(blocks)
    deep = len(layers) > DEEP
    if best is None:
        best = Picture.empty(grid.count) if deep else _lay_first(join_runs(layers.pop(0)), grid, ends, only)
    for layer in _newest_first(layers, grid, only, best) if deep else layers:
        _lay(join_runs(layer), grid, ends, only, best)
    return best


def split_into_layers(blocks: Iterable[Block]) -> list[list[Block]]:
    """Blocks sorted by start into as few layers as there can be, none overlapping in its layer."""
    layers: list[list[Block]] = []
    ends: list[int] = []  # where layers end, in order
    ending: dict[int, list[int]] = {}  # and there, the numbers of those that do, as a heap
    for block in sorted(blocks, key=_BY_START):
        start = block.start
        # To the layer that ended last before it: what follows one another stays together, and can be joined.
        place = bisect_right(ends, start)
        if place:
            numbers = ending[ends[place - 1]]
            number = heappop(numbers)
            if not numbers:
                del ending[ends.pop(place - 1)]
            layers[number].append(block)
        else:
            number = len(layers)
            layers.append([block])
        end = start + block.values.size * block.resolution
        if end in ending:
            heappush(ending[end], number)
        else:
            ending[end] = [number]
            insort(ends, end)
    return layers


def _newest_first(
    layers: Iterable[list[Block]], grid: Grid, only: BeliefFilter, best: Picture
) -> Iterator[list[Block]]:
    """The layers that may hold beliefs newer than those of ``best``, which is to be laid upon meanwhile.

    A thousand beliefs about the same events so cost little more than the newest of them.
    """
    latest = only.prior if isinstance(only.prior, int) else None
    ranked = []
    for number, layer in enumerate(layers):
        newest = max([_newest(block, grid.end) for block in layer])
        ranked.append((newest if latest is None else min(newest, latest), number, layer))
    ranked.sort(reverse=True)
    floor = int(best.times.min())
    for newest, _, layer in ranked:
        if newest <= floor:
            break
        if newest > best.times[_reach(layer, grid)].min():
            yield layer
            floor = int(best.times.min())


def _newest(block: Block, before: int) -> int:
    """No belief of a block about events that end by ``before`` was held after this. [µs since epoch]"""
    if block.belief_horizon is not None:
        return min(block.end, before) - block.belief_horizon
    return int(block.times().max()) if block.belief_time is None else block.belief_time


def _reach(layer: Sequence[Block], grid: Grid) -> slice:
    """Which events of the grid a layer touches, from the first up to the last."""
    low = max(0, (layer[0].start - grid.start) // grid.resolution)
    return slice(low, min(grid.count, (layer[-1].end - grid.start) // grid.resolution))


def join_runs(layer: list[Block]) -> list[Block]:
    """The same beliefs, blocks that follow one another without a gap joined into one where they are all
    rolling with one horizon, or all known at fixed times.

    ``layer`` is of one source, sorted and disjoint.
    """
    joined: list[Block] = []
    run: list[Block] = []
    end = 0
    for block in layer:
        if run and (
            block.start != end
            or block.belief_times is not None
            or run[0].belief_times is not None
            or block.belief_horizon != run[0].belief_horizon
        ):
            joined.append(_join(run))
            run = []
        run.append(block)
        end = block.start + block.values.size * block.resolution
    joined.append(_join(run))
    return joined


def _join(run: list[Block]) -> Block:
    first = run[0]
    if len(run) == 1:
        return first
    values = np.concatenate([block.values for block in run])
    if first.belief_horizon is not None:
        return replace(first, values=values)
    times = np.repeat(
        np.array([block.belief_time for block in run], dtype=np.int64), [block.values.size for block in run]
    )
    return replace(first, values=values, belief_time=None, belief_times=times)


def _lay_first(layer: list[Block], grid: Grid, ends: IntArray, only: BeliefFilter) -> Picture:
    """The same as ``_lay`` upon an empty picture, in less time where one block tells of the whole grid."""
    block = layer[0]
    if len(layer) > 1 or block.start > grid.start or block.end < grid.end:
        best = Picture.empty(grid.count)
        _lay(layer, grid, ends, only, best)
        return best
    values, times = _spread(block, grid, ends, 0, grid.count)
    taken = ~np.isnan(values)
    passed = only.passes(times, ends, slice(0, grid.count))
    if passed is not None:
        taken &= passed
    if taken.all():
        own_times = times if block.belief_times is None else times.copy()
        return Picture(values.copy(), own_times, np.full(grid.count, block.source_id))
    return Picture(
        np.where(taken, values, np.nan), np.where(taken, times, NEVER), np.where(taken, block.source_id, 0)
    )


def _lay(layer: list[Block], grid: Grid, ends: IntArray, only: BeliefFilter, best: Picture) -> None:
    """Put the newer beliefs of a layer (of one source, sorted, disjoint) on ``best``, in place.

    ``ends``: end of each event of ``grid``.
    """
    span = _reach(layer, grid)
    low, high = span.start, span.stop
    if len(layer) == 1:
        values, times = _spread(layer[0], grid, ends, low, high)
    else:
        values, times = np.full(high - low, np.nan), np.full(high - low, NEVER)
        for block in layer:
            first = max(low, (block.start - grid.start) // grid.resolution)
            last = min(high, (block.end - grid.start) // grid.resolution)
            values[first - low : last - low], times[first - low : last - low] = _spread(
                block, grid, ends, first, last
            )
    taken = times > best.times[span]
    taken &= ~np.isnan(values)
    passed = only.passes(times, ends[span], span)
    if passed is not None:
        taken &= passed
    np.copyto(best.values[span], values, where=taken)
    np.copyto(best.times[span], times, where=taken)
    np.copyto(best.sources[span], layer[0].source_id, where=taken)


def _spread(block: Block, grid: Grid, ends: IntArray, first: int, last: int) -> tuple[FloatArray, IntArray]:
    """Values and belief times of a block about the events ``first`` up to ``last`` of the grid."""
    skipped = first - (block.start - grid.start) // grid.resolution
    part = slice(skipped, skipped + last - first)
    if block.belief_times is not None:
        times = block.belief_times[part]
    elif block.belief_horizon is not None:
        times = ends[first:last] - block.belief_horizon
    else:
        times = np.full(last - first, block.belief_time, dtype=np.int64)
    return block.values[part], times
