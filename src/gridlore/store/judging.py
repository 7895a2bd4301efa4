"""Judge the batches of one commit, and tell how long that took for each source (ADR 026).

Layer: store.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Sequence

from gridlore.domain.commands import Receipt
from gridlore.domain.errors import GridloreError, PeriodError, without_frames
from gridlore.store import amounts
from gridlore.store.interface import WriteTransaction
from gridlore.store.ledger import Ledger
from gridlore.store.lines import Batch, by_source

JUDGING = 5.0
"""How long is looked up, and then judged, for one commit; whose turn has not come by then waits for the next.
[s]"""

SLOW, SLOW_PER_BYTE = 0.5, 1 / 2**24
"""What takes longer to look up and judge than this, and this for each byte, is slow for another reason than
that there is much to store. [s]"""

Outcome = Receipt | Exception | None
"""What became of a batch; None if it is to be tried again."""


class Judging:
    """What is decided about some batches within one transaction.

    Parameters
    ----------
    replace : bool
        Play mode.
    apart : bool
        What is known is looked up for each source by itself, so that it is known who takes long, and for whom
        there is too much to look up.
    """

    def __init__(self, batches: Sequence[Batch], *, replace: bool, apart: bool) -> None:
        self._batches = batches
        self._replace = replace
        self._sources = {some[0].source_id: some for some in by_source(batches)}
        self.is_apart = apart or len(self._sources) == 1
        self._work: dict[int, float] = {}
        self._together = 0.0
        self._refused: dict[int, PeriodError] = {}

    def enter(self, transaction: WriteTransaction) -> list[Outcome]:
        """Judge the batches one after the other, and write what is news.

        Raises
        ------
        PeriodError
            Too much is known to look it up for all of them at once.
        """
        self._work = dict.fromkeys(self._sources, 0.0)
        self._refused = {}
        ledger = Ledger(transaction, [batch.blocks for batch in self._batches], replace=self._replace)
        ready = self._read(ledger)
        outcomes: list[Outcome] = []
        until = time.monotonic() + JUDGING
        for batch in self._batches:
            source_id, began = batch.source_id, time.monotonic()
            if (error := self._refused.get(source_id)) is not None and len(self._sources[source_id]) == 1:
                outcomes.append(without_frames(error))
            elif source_id not in ready or (began > until and outcomes):
                outcomes.append(None)
            else:
                outcomes.append(_judge(ledger, batch))
                self._work[source_id] += time.monotonic() - began
        ledger.write()
        return outcomes

    def _read(self, ledger: Ledger) -> Container[int]:
        """Look up what is known, and for whom that was done: for some only, if it is much, or takes long."""
        began = time.monotonic()
        if not self.is_apart:
            ledger.read(block for batch in self._batches for block in batch.blocks)
            self._together = time.monotonic() - began
            return self._sources
        ready: set[int] = set()
        size, until = 0, began + JUDGING
        for source_id, some in self._sources.items():
            if size > amounts.MAX_READ_BYTES or began > until:
                break
            try:
                size += ledger.read(block for batch in some for block in batch.blocks)
                ready.add(source_id)
            except PeriodError as error:
                self._refused[source_id] = error
            now = time.monotonic()
            self._work[source_id] += now - began
            began = now
        return ready

    @property
    def is_slow(self) -> bool:
        """Whether it took long as a whole."""
        return _is_slow(self._together + sum(self._work.values()), self._batches)

    def tell(self) -> Iterable[tuple[int, int, float, bool]]:
        """Of each source that was looked up by itself: how many batches it had, how long they took [s], and
        whether that is slow, or they must not be judged together."""
        for source_id, some in self._sources.items():
            took = self._work[source_id]
            yield source_id, len(some), took, source_id in self._refused or _is_slow(took, some)


def _is_slow(took: float, batches: Sequence[Batch]) -> bool:
    return took > SLOW and took > SLOW + SLOW_PER_BYTE * sum([batch.size for batch in batches])


def _judge(ledger: Ledger, batch: Batch) -> Receipt | GridloreError:
    try:
        batch.check()
        return ledger.enter(batch.blocks, batch.targets)
    except GridloreError as error:
        return without_frames(error)
