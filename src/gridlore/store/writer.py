"""Group commit: one thread per process drains a bounded queue of batches into one transaction.

Layer: store. A batch is what one message says: candidate blocks of one source, stored whole or not at
all. Callers get a future, resolved once their batch is durable. One bad batch never sinks its
neighbours; of two that contradict each other the first to arrive wins.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future

import structlog

from gridlore.domain.beliefs import Block
from gridlore.domain.commands import Receipt, Target
from gridlore.domain.errors import (
    GridloreError,
    OverloadError,
    StoreRefusalError,
    StoreUnavailableError,
    without_frames,
)
from gridlore.store.attempts import write
from gridlore.store.interface import Store, WriteTransaction
from gridlore.store.ledger import Ledger
from gridlore.store.lines import MAX_BATCHES, NO_TARGETS, Batch, Lines, by_source, check_nothing, make_batch

log = structlog.get_logger(__name__)

Observer = Callable[[float, int, int], None]
"""Told of each commit: how long it took [s], how many batches and how many candidate blocks it held."""


def ignore_commit(seconds: float, batches: int, blocks: int) -> None:
    """Tell nobody."""


PATIENCE = 25.0
"""How long batches are tried in parts, before those that are left have waited enough. [s]"""

STUCK = 30.0
"""A commit that takes longer is told of: every lock it waits for is given up after 10 s. [s]"""

RESTING = 0.02
"""How often it is looked whether those have rested who alone wait. [s]"""

LINGER = 0.001
"""How long the writer waits for a further batch, while those that came together last time come again. [s]"""

SLOW, SLOW_PER_BYTE = 1.0, 1 / 2**24
"""A group that takes longer to look up and judge than this, and this for each byte, is slow for another
reason than that there is much to store. [s]"""

CAUTION = 9.0
"""How many times what it took to commit each source of a group by itself, to find who is slow, that is not
done again for no other reason."""


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
        self._replace = replace
        self._lines = Lines(max_queue_bytes)
        self._wakeup = threading.Condition()
        self._wanted = 1
        self._closing = False
        self._committing: float | None = None
        self._worked = 0.0
        self._is_suspicious = False
        self._cautious_from = 0.0
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
            The queue is full. (The future may hold ReplacementError, ValuesLimitError, PeriodError,
            StoreUnavailableError or what ``check`` raised; nothing is stored then.)
        """
        batch = make_batch(blocks, targets, check)
        with self._wakeup:
            if self._closing:
                raise OverloadError("The server is stopping. Please send this again in a moment.")
            self._lines.add(batch)
            if self._lines.count >= self._wanted:
                self._wakeup.notify()
        return batch.done

    @property
    def max_queue_bytes(self) -> int:
        """How much may wait. [bytes]"""
        return self._lines.max_bytes

    @property
    def queued_bytes(self) -> int:
        """How much waits. [bytes]"""
        return self._lines.size

    @property
    def queued_batches(self) -> int:
        """How many batches wait."""
        return self._lines.count

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
            batches = [batch for batch in batches if _is_wanted(batch)]
            try:
                self._write(batches)
            except Exception as error:  # noqa: BLE001 - nobody must wait for ever, and the thread must go on
                for batch in batches:
                    if not batch.done.done():
                        batch.done.set_exception(error)
            together = max(1, len(batches) + self._lines.count)  # all of them may have been given up
            del batches  # or they would stay until the next ones come

    def _gather(self, together: int) -> list[Batch]:
        """The next batches to commit; none when the writer is to stop.

        Clients that wait for their answers post again as soon as they have them. So as many as were here
        ``together`` are waited for, as long as they keep coming: one commit for all of them costs hardly
        more than one for the first, which would hold up the others.
        """
        with self._wakeup:
            self._wanted = min(together, MAX_BATCHES)
            while self._lines.count < self._wanted and not self._closing:
                here = self._lines.count
                self._wakeup.wait(LINGER if self._wanted > 1 else None)
                if self._lines.count == here:
                    self._wanted = 1
            self._wanted = 1
            while not (batches := self._lines.take(time.monotonic() if not self._closing else math.inf)):
                if not self._lines.count:
                    break
                self._wakeup.wait(RESTING)
            return batches

    def _write(self, batches: list[Batch]) -> None:
        """Commit batches together. When that fails, or the last time it took too long and it is not known by
        whom, in parts: of each source, and of one source in halves, as long as that does not take too long.
        """
        parts = [batches] if batches else []
        began = time.monotonic()
        since: float | None = None
        if is_cautious := self._is_suspicious:
            self._is_suspicious, since = False, began
            parts = by_source(batches)[::-1]
        while parts:
            part = parts.pop()
            if since is not None and time.monotonic() - since > PATIENCE:
                _refuse(part)
                continue
            is_settled = self._settle(part)
            is_slow = self._worked > SLOW + SLOW_PER_BYTE * sum([batch.size for batch in part])
            sources = by_source(part) if is_slow or not is_settled else []
            if is_slow and len(sources) == 1:
                self._note_slow(part)
            elif is_slow:
                self._is_suspicious = is_settled and time.monotonic() > self._cautious_from
            else:
                self._lines.note_quick(part, time.monotonic())
            if is_settled:
                continue
            if since is None:
                since = time.monotonic()
            if is_slow and len(sources) > 1:
                parts += sources[::-1]
            elif is_slow:
                with self._wakeup:
                    self._lines.put_back(part)  # the others first
            else:
                ordered = [batch for some in sources for batch in some]
                middle = len(ordered) // 2
                parts += (ordered[middle:], ordered[:middle])
        if is_cautious:
            now = time.monotonic()
            self._cautious_from = now + CAUTION * (now - began)

    def _note_slow(self, batches: Sequence[Batch]) -> None:
        """Have the one who sent these rest."""
        self._lines.note_slow(batches, self._worked, time.monotonic())
        log.warning("a source is slow", source_id=batches[0].source_id, seconds=round(self._worked, 1))

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
            held_since = time.monotonic()
            try:
                ledger.read()
                outcomes = [_judge(ledger, batch) for batch in batches]
                ledger.write()
            finally:
                self._worked = time.monotonic() - held_since  # without waiting for locks, and for the disk
            return outcomes

        self._worked = 0.0
        began = self._committing = time.monotonic()
        try:
            outcomes = write(self._store, enter)
        finally:
            self._committing = None
        blocks = sum(len(batch.blocks) for batch in batches)
        self._observe(time.monotonic() - began, len(batches), blocks)
        return outcomes


def _is_wanted(batch: Batch) -> bool:
    """Whether somebody waits for it still; from now on, it can be given up no more."""
    if batch.done.running():  # it was put back
        return True
    return (batch.done.cancelled() or not batch.done.done()) and batch.done.set_running_or_notify_cancel()


def _refuse(batches: Sequence[Batch]) -> None:
    """Have their senders come again: whatever was wrong with others, it need not be wrong with these."""
    for batch in batches:
        batch.done.set_exception(StoreRefusalError("The server is held up. Please send this again."))


def _judge(ledger: Ledger, batch: Batch) -> Receipt | GridloreError:
    try:
        batch.check()
        return ledger.enter(batch.blocks, batch.targets)
    except GridloreError as error:
        return without_frames(error)
