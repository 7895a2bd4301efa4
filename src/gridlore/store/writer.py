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
from contextlib import suppress

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
from gridlore.store.folding import Folding
from gridlore.store.interface import Store
from gridlore.store.judging import Judging, Outcome
from gridlore.store.lines import MAX_BATCHES, NO_TARGETS, Batch, Lines, by_source, check_nothing, make_batch

log = structlog.get_logger(__name__)

Observer = Callable[[float, int, int], None]
"""Told of each commit: how long it took [s], how many batches and how many candidate blocks it held."""


def ignore_commit(seconds: float, batches: int, blocks: int) -> None:
    """Tell nobody."""


PATIENCE = 25.0
"""How long batches are tried in parts, before those that are left have waited enough. [s]"""

STUCK = 60.0
"""A commit that takes longer is told of: every lock it waits for is given up after 10 s, and it takes half a
minute at worst to look up, judge and fold (ADR 026). [s]"""

RESTING = 0.02
"""How often it is looked whether those have rested who alone wait. [s]"""

LINGER = 0.001
"""How long the writer waits for a further batch, while those that came together last time come again. [s]"""

CAREFUL = 60.0
"""How long each source is looked up by itself after a commit was slow, to learn who is. [s]"""


class Writer:
    """The one thread of this process that writes blocks.

    Parameters
    ----------
    store : Store
    max_queue_bytes : int
        How much may wait, of one source half of it, or less if it is slow (ADR 026); beyond it
        OverloadError. One batch is always taken, however large. [bytes]
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
        self._careful_until = 0.0
        self._folding = Folding()
        self._judging: Judging | None = None
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
        """Commit batches together; when that fails, in halves, as long as that does not take too long."""
        parts = [batches]
        again: dict[int, list[Batch]] = {}
        failed: float | None = None
        while parts:
            part: list[Batch] = []
            for batch in parts.pop():
                earlier = again.get(batch.source_id)
                (part if earlier is None else earlier).append(batch)  # none overtakes one of its source
            if not part:
                continue
            if failed is not None and time.monotonic() - failed > PATIENCE:
                # Whatever was wrong with all of them, it need not be wrong with these.
                for batch in part:
                    batch.done.set_exception(
                        StoreRefusalError("The server is held up. Please send this again.")
                    )
                continue
            outcomes = self._settle(part)
            self._remember()
            if outcomes is None:
                if failed is None:
                    failed = time.monotonic()
                    part = [batch for some in by_source(part) for batch in some]
                middle = len(part) // 2
                parts += (part[middle:], part[:middle])
                continue
            for batch, outcome in zip(part, outcomes, strict=True):
                if outcome is None:
                    again.setdefault(batch.source_id, []).append(batch)
        if again:
            with self._wakeup:
                self._lines.put_back([batch for some in again.values() for batch in some])

    def _settle(self, batches: list[Batch]) -> list[Outcome] | None:
        """Commit batches and tell their senders; None when each half is to be tried by itself."""
        try:
            outcomes = self._commit(batches)
        except Exception as error:  # whatever it was, every caller must hear of it
            is_out_of_reach = isinstance(error, StoreUnavailableError) and not isinstance(
                error, StoreRefusalError
            )
            if len(batches) > 1 and not is_out_of_reach:
                log.warning("commit failed, each half is tried by itself", error=repr(error))
                return None
            if not isinstance(error, GridloreError):
                log.exception("a batch cannot be written")
            outcomes = [without_frames(error)] * len(batches)
        for batch, outcome in zip(batches, outcomes, strict=True):
            if isinstance(outcome, Receipt):
                batch.done.set_result(outcome)
            elif outcome is not None:
                batch.done.set_exception(outcome)
        return outcomes

    def _commit(self, batches: list[Batch]) -> list[Outcome]:
        """Commit batches; if too much is known to look it up for all at once, each source by itself."""
        began = time.monotonic()
        try:
            outcomes = None
            if began > self._careful_until:
                with suppress(PeriodError):
                    outcomes = self._try(batches, apart=False)
            if outcomes is None:
                outcomes = self._try(batches, apart=True)
        finally:
            self._committing = None
        blocks = sum(len(batch.blocks) for batch in batches)
        self._observe(time.monotonic() - began, len(batches), blocks)
        return outcomes

    def _try(self, batches: list[Batch], *, apart: bool) -> list[Outcome]:
        self._committing = time.monotonic()
        self._judging = Judging(batches, self._folding, replace=self._replace, apart=apart)
        try:
            outcomes = write(self._store, self._judging.enter)
        except PeriodError:
            self._careful_until = time.monotonic() + CAREFUL
            raise
        self._judging.is_done = True
        return outcomes

    def _remember(self) -> None:
        """Have who was slow the last time rest; if it is not known who was, look closer for a while."""
        judging, self._judging, now = self._judging, None, time.monotonic()
        if judging is None:
            return
        if not judging.is_apart:
            if judging.is_slow:
                self._careful_until = now + CAREFUL
            return
        for source_id, count, took, is_slow in judging.tell():
            if is_slow:
                with self._wakeup:
                    self._lines.note_slow(source_id, count, took, now)
                log.warning("a source is slow", source_id=source_id, batches=count, seconds=round(took, 1))
            elif judging.is_done:
                self._lines.note_quick(source_id)


def _is_wanted(batch: Batch) -> bool:
    """Whether somebody waits for it still; from now on, it can be given up no more."""
    if batch.done.running():  # it was put back
        return True
    return (batch.done.cancelled() or not batch.done.done()) and batch.done.set_running_or_notify_cancel()
