"""What waits to be written, in a line for each source: sources take turns, and who was slow rests (ADR 026).

Layer: store. Knows no threads and no clock: the writer holds its lock, and says what time it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Mapping, Sequence
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
"""How long a source is committed by itself after it was slow. [s]"""

REST, REST_ALONE = 4.0, 1.0
"""How many times what a slow commit took those who are apart rest: as long as others wait, and in any case,
since others may come."""


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
        How much may wait, of one source half of it. One batch is always taken, however large. [bytes]
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.count = 0
        self.size = 0
        self._lines: dict[int, _Line] = {}
        self._paces: dict[int, _Pace] = {}
        self._rest_until = self._rest_alone_until = 0.0
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
        if line is not None and line.size + batch.size > self.max_bytes // 2:
            raise OverloadError(
                "What you have sent already is half of what the server can queue. Please send this again."
            )
        if line is None:
            line = self._lines[batch.source_id] = _Line()
        line.batches.append(batch)
        self._grow(line, 1, batch.size)

    def put_back(self, batches: Sequence[Batch]) -> None:
        """Put batches of one source that were taken before all that waits of it."""
        line = self._lines.setdefault(batches[0].source_id, _Line())
        for batch in reversed(batches):
            line.batches.appendleft(batch)
            self._grow(line, 1, batch.size)

    def take(self, now: float) -> list[Batch]:
        """The next batches to commit together; none if none wait, or all rest. ``now``: monotonic. [s]"""
        apart = [source_id for source_id in self._lines if source_id in self._paces] if self._paces else []
        if len(apart) < len(self._lines):
            self._is_turn_of_apart = not self._is_turn_of_apart and now >= self._rest_until
            if not apart or not self._is_turn_of_apart:
                return self._collect(apart, MAX_BATCHES)
        elif not apart or now < self._rest_alone_until:
            return []
        others = self._lines.keys() - {apart[0]}
        return self._collect(others, self._paces[apart[0]].together)

    def note_slow(self, batches: Sequence[Batch], took: float, now: float) -> None:
        """Hear that these, of one source, took so long by themselves. [s]"""
        self._paces[batches[0].source_id] = _Pace(now + APART, max(1, len(batches) // 4))
        self._rest_until, self._rest_alone_until = now + REST * took, now + REST_ALONE * took

    def note_quick(self, batches: Sequence[Batch], now: float) -> None:
        """Hear that these did not take long."""
        if not self._paces:
            return
        for source_id in {batch.source_id for batch in batches} & self._paces.keys():
            pace = self._paces[source_id]
            pace.together = min(2 * pace.together, MAX_BATCHES)
            if now > pace.until:
                del self._paces[source_id]

    def _collect(self, passed: Container[int], most: int) -> list[Batch]:
        """Batches of the sources in turn, but for those that are passed over."""
        batches: list[Batch] = []
        together = 0
        while len(batches) < most:
            source_id = next((one for one in self._lines if one not in passed), None)
            if source_id is None:
                break
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
