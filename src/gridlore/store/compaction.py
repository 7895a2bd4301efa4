"""Fold what the writer could not: blocks of interleaved sources, and those that came out of order.

Layer: store. Online and restartable: each step is a transaction of its own that holds one sensor, and what
has been folded stays folded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from gridlore.domain.beliefs import MAX_BLOCK_VALUES
from gridlore.domain.errors import PeriodError
from gridlore.domain.merging import compact_blocks
from gridlore.domain.sensors import Sensor
from gridlore.store.attempts import lock_as_known, write
from gridlore.store.interface import Store, Window, WriteTransaction

STEP = 16 * MAX_BLOCK_VALUES
"""Events looked at in one transaction."""


@dataclass(frozen=True, slots=True)
class CompactionStep:
    """What one transaction did: blocks before and after, of those that start in a stretch of events.

    ``left``: an event about which too much is known to be folded. [µs since epoch]
    """

    before: int
    after: int
    left: int | None = None


def compact_sensor(store: Store, sensor: Sensor) -> Iterator[CompactionStep]:
    """Fold the blocks of one sensor, a stretch of events at a time; no answer changes.

    Raises
    ------
    StoreUnavailableError
        The step that failed has changed nothing, unless the connection was lost at its very commit; or the
        sensor has got another grid since it was looked up. Start again at any time.
    """
    head = store.read_heads([sensor.id]).get(sensor.id)
    if head is None or head.events_start is None or head.events_end is None:
        return
    stretch = STEP * sensor.resolution
    for start in range(head.events_start, head.events_end, stretch):
        window = Window(sensor.id, start, start + stretch, sensor.resolution, starting=True, whole=True)
        yield from _compact_parts(store, sensor, window)


def _compact_parts(store: Store, sensor: Sensor, window: Window) -> Iterator[CompactionStep]:
    """A stretch of events at once, or in parts when too much is known about them."""
    with suppress(PeriodError):
        yield _compact_stretch(store, sensor, window)
        return
    if window.count == 1:
        yield CompactionStep(0, 0, window.start)
        return
    middle = window.start + window.count // 2 * sensor.resolution
    yield from _compact_parts(store, sensor, replace(window, end=middle))
    yield from _compact_parts(store, sensor, replace(window, start=middle))


def _compact_stretch(store: Store, sensor: Sensor, window: Window) -> CompactionStep:
    def fold(transaction: WriteTransaction) -> CompactionStep:
        lock_as_known(transaction, sensor)
        (blocks,) = transaction.read_blocks([window])
        folds = compact_blocks(blocks)
        if folds:
            transaction.delete_blocks([part for fold in folds for part in fold.parts])
            transaction.append_blocks([fold.merged for fold in folds])
        parts = sum(len(fold.parts) for fold in folds)
        return CompactionStep(len(blocks), len(blocks) - parts + len(folds))

    return write(store, fold)
