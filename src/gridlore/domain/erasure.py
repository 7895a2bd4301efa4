"""Take the beliefs about some events out of blocks, and nothing else.

Layer: domain. Imports NumPy only.

    block        ├──┬──┬──┬──┬──┬──┬──┬──┤        values:  8
    period             ├────────────┤             events that begin in it: 4
    what stays   ├──┬──┤            ├──┬──┤       two blocks, of 2 values each
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from gridlore.domain.beliefs import Block, split_block
from gridlore.domain.heads import Latest


@dataclass(frozen=True, slots=True)
class Period:
    """Events that begin in ``start <= t < end``. [µs since epoch]"""

    start: int
    end: int

    def indices(self, block: Block) -> tuple[int, int]:
        """First and last (exclusive) index of a block's values about them; first >= last: none."""
        first = max(0, -((block.start - self.start) // block.resolution))
        last = min(block.values.size, -((block.start - self.end) // block.resolution))
        return first, last


@dataclass(frozen=True, slots=True)
class Tally:
    """How many beliefs, and the span of the events they are about. [µs since epoch]"""

    count: int
    start: int
    end: int

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.count + other.count, min(self.start, other.start), max(self.end, other.end))


def add_tallies(into: dict[int, Tally], more: dict[int, Tally]) -> None:
    """Count ``more``, by source id, in ``into``."""
    for source_id, tally in more.items():
        into[source_id] = into[source_id] + tally if source_id in into else tally


@dataclass(slots=True)
class Erasure:
    """``erased``: blocks that go; ``left``: what of them stays (the first piece of a block with its ``seq``,
    others with 0); ``tallies``: what is gone, by source id."""

    erased: list[Block] = field(default_factory=list)
    left: list[Block] = field(default_factory=list)
    tallies: dict[int, Tally] = field(default_factory=dict)


def erase(blocks: Iterable[Block], period: Period, source_ids: frozenset[int] | None = None) -> Erasure:
    """Take the beliefs about the events of a period out of blocks of one sensor.

    Parameters
    ----------
    source_ids : set of int, optional
        Only those of these sources.
    """
    result = Erasure()
    for block in blocks:
        first, last = period.indices(block)
        if first >= last or (source_ids is not None and block.source_id not in source_ids):
            continue
        known = np.flatnonzero(~np.isnan(block.values[first:last]))
        if not known.size:
            continue
        start = block.start + (first + int(known[0])) * block.resolution
        end = block.start + (first + int(known[-1]) + 1) * block.resolution
        add_tallies(result.tallies, {block.source_id: Tally(int(known.size), start, end)})
        sides = (side for side in ((0, first), (last, block.values.size)) if side[0] < side[1])
        pieces = [piece for side in sides for piece in split_block(block.cut(*side))]
        result.erased.append(block)
        result.left += [replace(piece, seq=0) if number else piece for number, piece in enumerate(pieces)]
    return result


Ranked = tuple[tuple[int, int, int], Latest]
"""A belief, after what it is compared by: event start, belief time, order of arrival."""


def newest_belief(blocks: Iterable[Block], best: Ranked | None, *, measured: bool) -> Ranked | None:
    """The newest belief about the newest event, of ``best`` and those of ``blocks``; on a tie the one that
    arrived last. ``measured``: only of those held after the fact."""
    for block in blocks:
        known = ~np.isnan(block.values)
        if measured:
            known &= block.times() >= block.grid.event_ends()
        places = np.flatnonzero(known)
        if not places.size:
            continue
        place = int(places[-1])
        event, time = block.start + place * block.resolution, int(block.times()[place])
        rank = (event, time, block.seq)
        if best is None or rank > best[0]:
            best = rank, Latest(event, float(block.values[place]), time, block.source_id)
    return best
