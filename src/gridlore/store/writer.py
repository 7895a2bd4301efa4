"""Group commit: one thread per process drains a bounded queue of batches into one transaction.

Layer: store. A batch is what one message says: candidate blocks of one source, stored whole or not at
all. Callers get a future, resolved once their batch is durable. One bad batch never sinks its
neighbours; of two that contradict each other the first to arrive wins.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import MappingProxyType

import structlog

from gridlore.domain.beliefs import Block
from gridlore.domain.commands import Receipt, Target
from gridlore.domain.errors import (
    GridloreError,
    OverloadError,
    PeriodError,
    StoreRefusalError,
    StoreUnavailableError,
    without_frames,
)
from gridlore.store.attempts import write
from gridlore.store.interface import Store, WriteTransaction
from gridlore.store.ledger import Ledger

log = structlog.get_logger(__name__)

MAX_BATCHES = 512
"""Batches in one transaction at most, so that nobody waits long for the others' commit."""

MAX_COMMIT_BYTES = 32 * 1024 * 1024
"""What one transaction stores at most, but for one long batch. With its rows, and all that it is compared
with, it takes several times that memory, and a second. [bytes]"""

Observer = Callable[[float, int, int], None]
"""Told of each commit: how long it took [s], how many batches and how many candidate blocks it held."""


def ignore_commit(seconds: float, batches: int, blocks: int) -> None:
    """Tell nobody."""


NO_TARGETS: Mapping[int, Target] = MappingProxyType({})


def check_nothing() -> None:
    """Have nothing against storing a batch."""


APART = 60.0
"""How long the batches of a source are committed by themselves, after one for which there was too much to go
through: that takes a second, and must not be looked for again among all others. [s]"""

PATIENCE = 25.0
"""How long batches are tried in parts, before those that are left have waited enough. [s]"""

STUCK = 30.0
"""A commit that takes longer is told of: every lock it waits for is given up after 10 s. [s]"""

LINGER = 0.001
"""How long the writer waits for a further batch, while those that came together last time come again. [s]"""

BLOCK_OVERHEAD = 512
"""What a queued block costs beside its values. [bytes]"""


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


class Writer:
    """The one thread of this process that writes blocks.

    Parameters
    ----------
    store : Store
    max_queue_bytes : int
        How much may wait, of one source half of it; beyond it OverloadError. One batch is always taken,
        however large. [bytes]
    replace : bool
        Play mode: a different value with the same belief time replaces the old one.
    observe : function
        Called in the writer's thread after each commit.
    """

    def __init__(
        self,
        store: Store,
        *,
        max_queue_bytes: int,
        replace: bool = False,
        observe: Observer = ignore_commit,
    ) -> None:
        self._store = store
        self._observe = observe
        self._max_queue_bytes = max_queue_bytes
        self._replace = replace
        self._lines: dict[int, _Line] = {}
        self._queued_batches = 0
        self._queued_bytes = 0
        self._wakeup = threading.Condition()
        self._wanted = 1
        self._closing = False
        self._committing: float | None = None
        self._apart: dict[int, float] = {}
        self._thread = threading.Thread(target=self._run, name="gridlore-writer", daemon=True)
        self._thread.start()

    def submit(
        self,
        blocks: Sequence[Block],
        targets: Mapping[int, Target] = NO_TARGETS,
        check: Callable[[], None] = check_nothing,
    ) -> Future[Receipt]:
        """Queue the blocks of one message; the future holds the receipt once they are durable.

        Parameters
        ----------
        targets : mapping
            How the sender knows each sensor, by id.
        check : function
            Asked in the writer's thread once the sensors are held, perhaps more than once. What a message
            says is stored later than it was sent, as much later as the database makes the writer wait.

        Raises
        ------
        OverloadError
            The queue is full. (The future may hold ReplacementError, StoreUnavailableError or what ``check``
            raised; nothing is stored then.)
        """
        size = sum([block.values.nbytes + BLOCK_OVERHEAD for block in blocks])
        batch = Batch(blocks, targets, check, size)
        with self._wakeup:
            if self._closing:
                raise OverloadError("The server is stopping. Please send this again in a moment.")
            if self._queued_batches and self._queued_bytes + size > self._max_queue_bytes:
                raise OverloadError("The server has more to store than it can queue. Please send this again.")
            line = self._lines.get(batch.source_id)
            if line is None:
                line = self._lines[batch.source_id] = _Line()
            elif line.size + size > self._max_queue_bytes // 2:
                raise OverloadError(
                    "What you have sent already is half of what the server can queue. Please send this again."
                )
            line.batches.append(batch)
            line.size += size
            self._queued_batches += 1
            self._queued_bytes += size
            if self._queued_batches >= self._wanted:
                self._wakeup.notify()
        return batch.done

    @property
    def max_queue_bytes(self) -> int:
        """How much may wait. [bytes]"""
        return self._max_queue_bytes

    @property
    def queued_bytes(self) -> int:
        """How much waits. [bytes]"""
        return self._queued_bytes

    @property
    def queued_batches(self) -> int:
        """How many batches wait."""
        return self._queued_batches

    def trouble(self) -> str | None:
        """Why nothing is written any more, if that is so."""
        if not self._thread.is_alive():
            return "is not written any more: its thread has ended"
        began = self._committing
        if began is not None and time.monotonic() - began > STUCK:
            return f"has not finished a commit for more than {STUCK:g} s"
        return None

    def close(self) -> None:
        """Take no more, commit what is queued, and stop."""
        with self._wakeup:
            self._closing = True
            self._wakeup.notify()
        self._thread.join()

    def _run(self) -> None:
        together = 1
        while batches := self._gather(together):
            # What was given up meanwhile, as when the server stops: nobody was told, and nothing is stored.
            batches = [batch for batch in batches if batch.done.set_running_or_notify_cancel()]
            try:
                self._write(batches)
            except Exception as error:  # noqa: BLE001 - nobody must wait for ever, and the thread must go on
                for batch in batches:
                    if not batch.done.done():
                        batch.done.set_exception(error)
            together = max(1, len(batches) + self._queued_batches)  # all of them may have been given up
            del batches  # or they would stay until the next ones come

    def _gather(self, together: int) -> list[Batch]:
        """The next batches to commit; none when the writer is to stop.

        Clients that wait for their answers post again as soon as they have them. So as many as were here
        ``together`` are waited for, as long as they keep coming: one commit for all of them costs hardly
        more than one for the first, which would hold up the others.
        """
        with self._wakeup:
            self._wanted = min(together, MAX_BATCHES)
            while self._queued_batches < self._wanted and not self._closing:
                here = self._queued_batches
                self._wakeup.wait(LINGER if self._wanted > 1 else None)
                if self._queued_batches == here:
                    self._wanted = 1
            self._wanted = 1
            batches: list[Batch] = []
            size, now = 0, time.monotonic()
            while self._lines and len(batches) < MAX_BATCHES:
                source_id, line = next(iter(self._lines.items()))
                batch = line.batches[0]
                size += batch.size
                is_apart = self._apart.get(source_id, 0) > now
                if batches and (is_apart or size > MAX_COMMIT_BYTES):
                    break
                batches.append(line.batches.popleft())
                line.size -= batch.size
                self._queued_batches -= 1
                self._queued_bytes -= batch.size
                del self._lines[source_id]
                if line.batches:
                    self._lines[source_id] = line  # behind the others: sources take turns
                if is_apart:
                    break
        return batches

    def _write(self, batches: list[Batch]) -> None:
        """Commit batches together; when that fails, in halves, as long as that does not take too long."""
        parts = [batches]
        failed: float | None = None
        while parts:
            part = parts.pop()
            if not part:
                continue
            if failed is not None and time.monotonic() - failed > PATIENCE:
                # Whatever was wrong with all of them, it need not be wrong with these.
                for batch in part:
                    batch.done.set_exception(
                        StoreRefusalError("The server is held up. Please send this again.")
                    )
            elif not self._settle(part):
                if failed is None:
                    failed = time.monotonic()
                    part = _by_source(part)
                middle = len(part) // 2
                parts += (part[middle:], part[:middle])

    def _settle(self, batches: list[Batch]) -> bool:
        """Commit batches and tell their senders; False when each half is to be tried by itself."""
        try:
            outcomes = self._commit(batches)
        except Exception as error:  # whatever it was, every caller must hear of it
            is_out_of_reach = isinstance(error, StoreUnavailableError) and not isinstance(
                error, StoreRefusalError
            )
            if len(batches) > 1 and not is_out_of_reach:
                log.warning("commit failed, each half is tried by itself", error=repr(error))
                return False
            if not isinstance(error, GridloreError):
                log.exception("a batch cannot be written")
            if isinstance(error, PeriodError):
                self._apart.update((batch.source_id, time.monotonic() + APART) for batch in batches)
            for batch in batches:
                batch.done.set_exception(without_frames(error))
            return True
        for batch, outcome in zip(batches, outcomes, strict=True):
            if isinstance(outcome, Receipt):
                batch.done.set_result(outcome)
            else:
                batch.done.set_exception(outcome)
        return True

    def _commit(self, batches: list[Batch]) -> list[Receipt | GridloreError]:
        def enter(transaction: WriteTransaction) -> list[Receipt | GridloreError]:
            ledger = Ledger(transaction, [batch.blocks for batch in batches], replace=self._replace)
            outcomes = [_judge(ledger, batch) for batch in batches]
            ledger.write()
            return outcomes

        began = self._committing = time.monotonic()
        try:
            outcomes = write(self._store, enter)
        finally:
            self._committing = None
        blocks = sum(len(batch.blocks) for batch in batches)
        self._observe(time.monotonic() - began, len(batches), blocks)
        return outcomes


def _by_source(batches: Sequence[Batch]) -> list[Batch]:
    """The batches of each source together and in their order, those of whom there are fewest first."""
    found: dict[int, list[Batch]] = {}
    for batch in batches:
        found.setdefault(batch.source_id, []).append(batch)
    return [batch for some in sorted(found.values(), key=len) for batch in some]


def _judge(ledger: Ledger, batch: Batch) -> Receipt | GridloreError:
    try:
        batch.check()
        return ledger.enter(batch.blocks, batch.targets)
    except GridloreError as error:
        return without_frames(error)
