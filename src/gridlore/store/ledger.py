"""Decide, inside one write transaction, what of each batch is news, and write it.

Layer: store. Batches are entered one after the other, each as if those before it were stored already;
a rejected one leaves no trace.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gridlore.domain.beliefs import MAX_BLOCK_VALUES, Block, split_block
from gridlore.domain.classification import classify
from gridlore.domain.commands import Receipt, Target
from gridlore.domain.errors import (
    GridloreError,
    ReplacementError,
    StoreUnavailableError,
    ValuesLimitError,
)
from gridlore.domain.heads import Head, Latest
from gridlore.domain.merging import Tier, due_tier
from gridlore.domain.timing import NEVER, FloatArray, format_instant
from gridlore.store.amounts import ROW_OVERHEAD
from gridlore.store.folding import Folding
from gridlore.store.interface import Window, WriteTransaction
from gridlore.store.windows import join_windows

MAX_COMPARED = 2_000_000
"""Blocks that those of one message may be near, all together: some seconds of everybody's writer."""

NEAR = 64
"""Events between two that a message is about, up to which what is known of both is read by one question:
twenty thousand runs of a file would bring the same blocks thousands of times."""


def _by_start(block: Block) -> int:
    return block.start


@dataclass(slots=True)
class _Shelf:
    """Known blocks of one sensor and source, in order of start; none ends after ``end``. Those of up to
    1, 2, 4, 8 … values are kept apart, so that few are looked at which end before what is asked about."""

    boards: defaultdict[int, list[Block]] = field(default_factory=lambda: defaultdict(list))
    end: int = NEVER

    def near(self, block: Block) -> list[Block]:
        """Those that touch a block, in order of start, and some that end shortly before it."""
        found: list[Block] = []
        if block.start < self.end:
            for length, board in self.boards.items():
                first = bisect_right(board, block.start - 2**length * block.resolution, key=_by_start)
                found += board[first : bisect_left(board, block.end, key=_by_start)]
        return sorted(found, key=_by_start)

    def add(self, block: Block) -> None:
        board = self.boards[(block.values.size - 1).bit_length()]
        if block.start >= self.end:
            board.append(block)
        else:
            insort(board, block, key=_by_start)
        self.end = max(self.end, block.end)

    def remove(self, gone: Container[int]) -> None:
        """Take out blocks by their identity."""
        for board in self.boards.values():
            board[:] = [known for known in board if id(known) not in gone]


class Ledger:
    """The state of the sensors that a group of batches is about, within one transaction.

    Parameters
    ----------
    batches : sequence of sequences of Block
        All candidates that will be entered: their sensors are locked. What overlaps them is to be read.
    folding : Folding
        Folds near what is written; the same for all commits.
    replace : bool
        Play mode: a different value with the same belief time replaces the old one (ADR 005).
    """

    def __init__(
        self,
        transaction: WriteTransaction,
        batches: Sequence[Sequence[Block]],
        folding: Folding,
        *,
        replace: bool,
    ) -> None:
        self._transaction = transaction
        self._folding = folding
        self._replace = replace
        candidates = [block for batch in batches for block in batch]
        self._heads = transaction.lock_sensors({block.sensor_id for block in candidates})
        self._first_seqs = {head.sensor_id: head.next_seq for head in self._heads.values()}
        self._known_grids = {head.sensor_id: head.grid for head in self._heads.values() if head.grid}
        fresh = [head.sensor_id for head in self._heads.values() if head.events_start is None]
        self._fresh_grids = transaction.read_grids(fresh) if fresh else {}
        self._shelves: defaultdict[tuple[int, int], _Shelf] = defaultdict(_Shelf)
        self._news: list[Block] = []
        self._replaced: list[Block] = []

    def read(self, candidates: Iterable[Block]) -> int:
        """Read what is known of the events that these candidates are about, before they are entered; how much
        that is. [bytes]

        Raises
        ------
        PeriodError
            It is too much.
        """
        windows = [
            Window(
                block.sensor_id,
                block.start,
                block.end,
                block.resolution,
                block.source_id,
                known_until=block.last_known,
                whole=self._replace,
            )
            for block in candidates
            if (known_end := self._heads[block.sensor_id].events_end) is not None and block.start < known_end
        ]
        seen: set[tuple[int, int, int]] = set()
        size = 0
        for blocks in self._transaction.read_blocks(join_windows(windows, NEAR)) if windows else ():
            for block in blocks:
                place = (block.sensor_id, block.seq, block.start)
                if place not in seen:  # a whole block may touch two windows
                    seen.add(place)
                    self._shelves[block.sensor_id, block.source_id].add(block)
                    size += block.values.nbytes + ROW_OVERHEAD
        return size

    def enter(self, candidates: Sequence[Block], targets: Mapping[int, Target]) -> Receipt:
        """Take what is new of one batch; ``targets`` says how its sender knows each sensor.

        Raises
        ------
        ReplacementError
            A value would rewrite history; nothing of the batch is taken.
        ValuesLimitError
            There is too much that it must be compared with.
        StoreUnavailableError
            A sensor has got another grid or unit since its sender's message was read.
        """
        self._check_grids(candidates, targets)
        entered: list[Block] = []
        removed: list[Block] = []
        stored = unchanged = compared = 0
        try:
            for candidate in candidates:
                shelf = self._shelves[candidate.sensor_id, candidate.source_id]
                near = shelf.near(candidate)
                known = [block for block in near if block.end > candidate.start]
                compared += len(near)
                if compared > MAX_COMPARED and not self._replace:
                    raise ValuesLimitError(
                        f"There are too many statements about the same events of "
                        f"{_name(targets, candidate.sensor_id)}, each of which is compared with all others. "
                        "Send them in parts."
                    )
                news = self._judge(candidate, known, targets, entered, removed) if known else candidate
                size = candidate.values.size
                count = size if news is candidate else int((~np.isnan(news.values)).sum())
                stored += count
                unchanged += size - count
                for block in (news,) if count == size <= MAX_BLOCK_VALUES else split_block(news):
                    shelf.add(block)
                    entered.append(block)
        except GridloreError:
            gone = {id(block) for block in entered}
            for touched in {(block.sensor_id, block.source_id) for block in entered}:
                self._shelves[touched].remove(gone)
            raise
        self._news += entered
        self._replaced += removed
        return Receipt(stored, unchanged, len(targets))

    def _check_grids(self, candidates: Iterable[Block], targets: Mapping[int, Target]) -> None:
        for block in candidates:
            grid = (block.resolution, block.start % block.resolution)
            fresh = self._fresh_grids.get(block.sensor_id)
            if fresh is None:
                is_right = self._known_grids.get(block.sensor_id, grid) == grid
            else:
                target = targets.get(block.sensor_id)
                is_right = fresh == (*grid, fresh[2] if target is None else target.unit)
            if not is_right:
                name = _name(targets, block.sensor_id)
                raise StoreUnavailableError(f"{name} has just been changed. Please send this again.")

    def _judge(
        self,
        candidate: Block,
        known: Sequence[Block],
        targets: Mapping[int, Target],
        entered: list[Block],
        removed: list[Block],
    ) -> Block:
        """The candidate with holes where it is no news, beside the blocks ``known`` that it touches."""
        verdict = classify(candidate, known)
        if verdict.replaces.any():
            if not self._replace:
                name = _name(targets, candidate.sensor_id)
                raise _replacement_error(name, candidate, verdict.held, int(np.argmax(verdict.replaces)))
            for block in known:
                self._punch(block, candidate, verdict.replaces, entered, removed)
        if not verdict.unchanged.any():
            return candidate
        return candidate.with_holes(verdict.unchanged)

    def _punch(
        self,
        block: Block,
        candidate: Block,
        replaces: np.typing.NDArray[np.bool_],
        entered: list[Block],
        removed: list[Block],
    ) -> None:
        """Take the beliefs that ``candidate`` replaces out of a known block (play mode)."""
        events = candidate.grid.event_starts()[replaces]
        times = candidate.times()[replaces]
        index = (events - block.start) // block.resolution
        inside = (index >= 0) & (index < block.values.size)
        index, times = index[inside], times[inside]
        index = index[block.times()[index] == times]
        holes = np.zeros(block.values.size, dtype=np.bool_)
        holes[index] = True
        if not holes.any():
            return
        shelf = self._shelves[block.sensor_id, block.source_id]
        shelf.remove({id(block)})
        if block.seq:
            removed.append(block)
        for pending in (entered, self._news):
            pending[:] = [other for other in pending if other is not block]
        for rest in split_block(replace(block.with_holes(holes), seq=0)):
            shelf.add(rest)
            entered.append(rest)

    def write(self) -> None:
        """Store the news of all entered batches, fold small neighbours, and save the heads."""
        if self._replaced:
            self._transaction.delete_blocks(self._replaced)
        if not self._news:
            return
        numbered = [self._number(block) for block in self._news]
        self._transaction.append_blocks(numbered)
        self._folding.fold(self._transaction, numbered, self._due_tiers())
        self._transaction.save_heads(
            head for head in self._heads.values() if head.next_seq != self._first_seqs[head.sensor_id]
        )

    def _number(self, block: Block) -> Block:
        head = self._heads[block.sensor_id]
        self._heads[block.sensor_id] = _advance(head, block)
        return block.numbered(head.next_seq)

    def _due_tiers(self) -> dict[int, Tier]:
        """For sensors whose small blocks are to be folded now: which of them."""
        tiers: dict[int, Tier] = {}
        for sensor_id, first_seq in self._first_seqs.items():
            if tier := due_tier(first_seq - 1, self._heads[sensor_id].next_seq - 1):
                tiers[sensor_id] = tier
        return tiers


def _name(targets: Mapping[int, Target], sensor_id: int) -> str:
    """What the sender calls a sensor."""
    target = targets.get(sensor_id)
    return f"sensor {sensor_id}" if target is None else target.name


def _advance(head: Head, block: Block) -> Head:
    """The head once ``block`` has been stored."""
    latest = _belief(block, block.values.size - 1)
    measured: Latest | None = None
    if block.belief_horizon is not None:
        if block.belief_horizon <= 0:
            measured = latest
    else:
        after = np.flatnonzero(~np.isnan(block.values) & (block.times() >= block.grid.event_ends()))
        if after.size:
            measured = _belief(block, int(after[-1]))
    start, end = block.start, latest.event_start + block.resolution
    if head.events_start is not None and head.events_end is not None:
        start, end = min(start, head.events_start), max(end, head.events_end)
    return Head(
        head.sensor_id,
        head.next_seq + 1,
        start,
        end,
        _newest(head.latest, latest),
        _newest(head.measured, measured),
    )


def _belief(block: Block, index: int) -> Latest:
    event_start = block.start + index * block.resolution
    if block.belief_horizon is not None:
        belief_time = event_start + block.resolution - block.belief_horizon
    elif block.belief_time is not None:
        belief_time = block.belief_time
    else:
        belief_time = int(block.times()[index])
    return Latest(event_start, block.values.item(index), belief_time, block.source_id)


def _newest(old: Latest | None, new: Latest | None) -> Latest | None:
    """The belief about the later event, or the later one about the same; of two such, the new one."""
    if old is None or new is None:
        return new or old
    if new.event_start != old.event_start:
        return new if new.event_start > old.event_start else old
    return new if new.belief_time >= old.belief_time else old


def _replacement_error(name: str, block: Block, held: FloatArray, index: int) -> ReplacementError:
    event = format_instant(block.start + index * block.resolution)
    known_at = format_instant(int(block.times()[index]))
    return ReplacementError(
        f"This would rewrite history: for {name} and the event at {event} you stated "
        f"{float(held[index])!r} as known at {known_at}, and now state {float(block.values[index])!r} with "
        "the same belief time. To correct a value, send it with a later belief time: a smaller `horizon` "
        "(for measurements a more negative one, such as -PT10M), or a later `prior`."
    )
