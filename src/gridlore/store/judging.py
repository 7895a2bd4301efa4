"""Judge the batches of one commit, and tell how long that took for each source (ADR 026).

Layer: store.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from gridlore.domain.commands import Receipt
from gridlore.domain.errors import GridloreError, PeriodError, without_frames
from gridlore.store import amounts
from gridlore.store.folding import Folding
from gridlore.store.interface import WriteTransaction
from gridlore.store.ledger import Ledger
from gridlore.store.lines import Batch

JUDGING = 5.0
"""How long is looked up and judged for one commit; who is left then is among the first of the next. [s]"""

JUDGED = 2.0
"""How long is judged, however long was looked up; the first message is in any case. [s]"""

SLOW, SLOW_PER_BATCH, SLOW_PER_BYTE = 0.5, 0.003, 1 / 2**24
"""What takes longer to look up and judge than this, and this for each batch and byte, is slow for another
reason than that there is much to store. [s]"""

Outcome = Receipt | Exception | None
"""What became of a batch; None if it is to be tried again."""


class Judging:
    """What is decided about some batches within one transaction.

    Parameters
    ----------
    folding : Folding
        See Ledger.
    replace : bool
        Play mode.
    apart : bool
        What is known is looked up for each source by itself, so that it is known who takes long, and for whom
        there is too much to look up.
    """

    def __init__(self, batches: Sequence[Batch], folding: Folding, *, replace: bool, apart: bool) -> None:
        self._batches = batches
        self._folding = folding
        self._replace = replace
        self._sources: dict[int, list[Batch]] = {}  # in the order of their turns
        for batch in batches:
            self._sources.setdefault(batch.source_id, []).append(batch)
        self.is_apart = apart or len(self._sources) == 1
        self.is_done = False
        self._work: dict[int, float] = {}
        self._together = 0.0
        self._refused: dict[int, PeriodError] = {}
        self._ready: set[int] = set()

    def enter(self, transaction: WriteTransaction) -> list[Outcome]:
        """Judge the batches one after the other, and write what is news.

        Raises
        ------
        PeriodError
            Too much is known to look it up for all of them at once.
        """
        self._work = dict.fromkeys(self._sources, 0.0)
        self._refused, self._ready = {}, set()
        blocks = [batch.blocks for batch in self._batches]
        ledger = Ledger(transaction, blocks, self._folding, replace=self._replace)
        until, is_first = time.monotonic() + JUDGING, True
        self._read(ledger, until)
        until = max(until, time.monotonic() + JUDGED)
        outcomes: list[Outcome] = []
        for batch in self._batches:
            source_id, began = batch.source_id, time.monotonic()
            if source_id in self._refused and len(self._sources[source_id]) == 1:
                outcomes.append(self._refused[source_id])
            elif source_id in self._ready and (is_first or began < until):
                outcomes.append(_judge(ledger, batch))
                self._work[source_id] += time.monotonic() - began
                is_first = False
            else:
                outcomes.append(None)
        ledger.write()
        return outcomes

    def _read(self, ledger: Ledger, until: float) -> None:
        """Look up what is known; of some sources only, if it is much, or takes long."""
        if not self.is_apart:
            began = time.monotonic()
            try:
                ledger.read(block for batch in self._batches for block in batch.blocks)
            finally:
                self._together = time.monotonic() - began
            self._ready.update(self._sources)
            return
        size = 0
        for source_id, some in self._sources.items():
            began = time.monotonic()
            if (self._ready or self._refused) and (size > amounts.MAX_READ_BYTES or began > until):
                break
            try:
                size += ledger.read(block for batch in some for block in batch.blocks)
                self._ready.add(source_id)
            except PeriodError as error:
                self._refused[source_id] = without_frames(error)
            finally:
                self._work[source_id] += time.monotonic() - began

    @property
    def is_slow(self) -> bool:
        """Whether it took long as a whole."""
        return _is_slow(self._together + sum(self._work.values()), self._batches)

    def tell(self) -> Iterable[tuple[int, int, float, bool]]:
        """Of each source that was looked up by itself: how many batches it had, how long they took [s], and
        whether that is slow, or they must not be judged together."""
        for source_id, took in self._work.items():
            some = self._sources[source_id]
            is_too_much = source_id in self._refused and len(some) > 1
            if took:
                yield source_id, len(some), took, is_too_much or _is_slow(took, some)


def _is_slow(took: float, batches: Sequence[Batch]) -> bool:
    due = SLOW + SLOW_PER_BATCH * len(batches)
    return took > due and took > due + SLOW_PER_BYTE * sum([batch.size for batch in batches])


def _judge(ledger: Ledger, batch: Batch) -> Receipt | GridloreError:
    try:
        batch.check()
        return ledger.enter(batch.blocks, batch.targets)
    except GridloreError as error:
        return without_frames(error)
