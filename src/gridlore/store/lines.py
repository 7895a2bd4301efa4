"""What waits to be written, in a line for each source: sources take turns, and who was slow rests (ADR 026).

Layer: store. Knows no threads and no clock: the writer sees to that, and says what time it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import MappingProxyType

from gridlore.domain.beliefs import Block
from gridlore.domain.commands import Receipt, Target
from gridlore.domain.errors import OverloadError

MAX_BATCHES = 512
"""Batches in one transaction at most, so that nobody waits long for the others' commit."""

MAX_COMMIT_BYTES = 32 * 1024 * 1024
"""What one transaction stores at most, but for one long batch. With its rows, and all that it is compared
with, it takes several times that memory, and a second. [bytes]"""

BLOCK_OVERHEAD = 512
"""What a queued block costs beside its values. [bytes]"""

APART = 60.0
"""How long a source is committed by itself at least after it was slow. [s]"""

REST, REST_ALONE, LONGEST_REST = 4.0, 1.0, 30.0
"""How many times what it took all who are apart rest after one of them was slow: as long as others wait, and
if others came in the last minute; and how long at most. [s]"""

SHARE, SHARE_APART = 1 / 2, 1 / 8
"""What part of the queue a source may fill, or all who are apart, and what part one of these."""

FRACTIONS = {SHARE: "half", SHARE_APART: "an eighth"}

NEARLY_FULL = 3 / 4
"""What part of the queue may be filled while some rest: beyond it, others would soon be refused."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Candidate blocks of one message, in its order, and who waits for the receipt.

    ``check`` raises when they must not be stored any more. ``size``: what it costs to keep in memory. [bytes]
    """

    blocks: Sequence[Block]
    targets: Mapping[int, Target]
    check: Callable[[], None]
    size: int
    done: Future[Receipt] = field(default_factory=Future)

    @property
    def source_id(self) -> int:
        """Whose it is; 0 if it says nothing."""
        return self.blocks[0].source_id if self.blocks else 0


@dataclass(slots=True)
class _Line:
    """What waits of one source, and how much that is. [bytes]"""

    batches: deque[Batch] = field(default_factory=deque)
    size: int = 0


@dataclass(slots=True)
class _Pace:
    """A source that is apart: until when, and how many of its batches are committed together."""

    until: float
    together: int


NO_TARGETS: Mapping[int, Target] = MappingProxyType({})


def check_nothing() -> None:
    """Have nothing against storing a batch."""


def make_batch(
    blocks: Sequence[Block],
    targets: Mapping[int, Target] = NO_TARGETS,
    check: Callable[[], None] = check_nothing,
) -> Batch:
    """A batch of its size."""
    return Batch(blocks, targets, check, sum([block.values.nbytes + BLOCK_OVERHEAD for block in blocks]))


class Lines:
    """The queue of the writer.

    Parameters
    ----------
    max_bytes : int
        How much may wait. One batch is always taken, however large. [bytes]
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.count = 0
        self.size = 0
        self._lines: dict[int, _Line] = {}
        self._paces: dict[int, _Pace] = {}
        self._rest_until = self._rest_alone_until = 0.0
        self._others_came = 0.0
        self._is_turn_of_apart = False

    def add(self, batch: Batch) -> None:
        """Put a batch at the end of its source's line.

        Raises
        ------
        OverloadError
            There is no room for it.
        """
        if self.count and self.size + batch.size > self.max_bytes:
            raise OverloadError("The server has more to store than it can queue. Please send this again.")
        line = self._lines.get(batch.source_id)
        share = SHARE
        if batch.source_id in self._paces:
            share = SHARE_APART
            most = self.max_bytes * SHARE_APART
            apart = sum([min(other.size, most) for one, other in self._lines.items() if one in self._paces])
            if line is not None and apart + batch.size > self.max_bytes * SHARE:
                raise OverloadError(
                    "Those whose messages take long to compare have filled their part of the queue. "
                    "Please send this again."
                )
        if line is not None and line.size + batch.size > self.max_bytes * share:
            raise OverloadError(
                f"What you have sent already is {FRACTIONS[share]} of what the server can queue. "
                "Please send this again."
            )
        if line is None:
            line = self._lines[batch.source_id] = _Line()
        line.batches.append(batch)
        self._grow(line, 1, batch.size)

    def put_back(self, batches: Sequence[Batch]) -> None:
        """Put batches that were taken before all that waits of their sources, which come first, but for those
        apart."""
        for some in by_source(batches):
            line = self._lines.setdefault(some[0].source_id, _Line())
            line.batches.extendleft(reversed(some))
            self._grow(line, len(some), sum([batch.size for batch in some]))
        first = {
            batch.source_id: self._lines[batch.source_id]
            for batch in batches
            if batch.source_id not in self._paces
        }
        self._lines = first | {one: line for one, line in self._lines.items() if one not in first}

    def take(self, now: float) -> list[Batch]:
        """The next batches to commit together; none if none wait, or all rest. ``now``: monotonic. [s]"""
        apart = self._find_apart(now) if self._paces else {}
        others = [source_id for source_id in self._lines if source_id not in apart]
        if others:
            self._others_came = now
        rest_until = self._rest_until if others else self._rest_alone_until
        is_nearly_full = self.size > self.max_bytes * NEARLY_FULL
        has_rested = now >= rest_until or now > self._others_came + APART or is_nearly_full
        self._is_turn_of_apart = has_rested and not (self._is_turn_of_apart and others)
        if apart and self._is_turn_of_apart:
            source_id, pace = next(iter(apart.items()))
            return self._collect([source_id], pace.together)
        return self._collect(others, MAX_BATCHES)

    def _find_apart(self, now: float) -> dict[int, _Pace]:
        """Those who are apart, in the order of their lines. After their time they stay so until nothing of
        them waits any more, or as much is committed together as of others."""
        for source_id, pace in list(self._paces.items()):
            if now > pace.until and (source_id not in self._lines or pace.together == MAX_BATCHES):
                del self._paces[source_id]
        return {one: self._paces[one] for one in self._lines if one in self._paces}

    def note_slow(self, source_id: int, batches: int, took: float, now: float) -> None:
        """Hear that so many batches of a source took so long to judge, or must not be judged together. [s]"""
        self._paces[source_id] = _Pace(now + APART, max(1, batches // 4))
        self._rest_until = max(self._rest_until, now + min(REST * took, LONGEST_REST))
        self._rest_alone_until = max(self._rest_alone_until, now + min(REST_ALONE * took, LONGEST_REST))

    def note_quick(self, source_id: int) -> None:
        """Hear that the batches of a source that were judged last did not take long."""
        if pace := self._paces.get(source_id):
            pace.together = min(2 * pace.together, MAX_BATCHES)

    def _collect(self, source_ids: Iterable[int], most: int) -> list[Batch]:
        """Batches of these sources in turn, round after round, as many as fit one commit."""
        batches: list[Batch] = []
        together, turns = 0, deque(source_ids)
        while turns and len(batches) < most:
            source_id = turns.popleft()
            line = self._lines[source_id]
            together += line.batches[0].size
            if batches and together > MAX_COMMIT_BYTES:
                break
            batch = line.batches.popleft()
            batches.append(batch)
            self._grow(line, -1, -batch.size)
            del self._lines[source_id]
            if line.batches:
                self._lines[source_id] = line  # behind the others
                turns.append(source_id)
        return batches

    def _grow(self, line: _Line, count: int, size: int) -> None:
        line.size += size
        self.size += size
        self.count += count


def by_source(batches: Sequence[Batch]) -> list[list[Batch]]:
    """The batches of each source together and in their order, those of whom there are fewest first."""
    found: dict[int, list[Batch]] = {}
    for batch in batches:
        found.setdefault(batch.source_id, []).append(batch)
    return sorted(found.values(), key=len)
