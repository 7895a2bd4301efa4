"""Fold what the writer could not: blocks of interleaved sources, and those that came out of order.

Layer: store. Online and restartable: each step is a transaction of its own that holds one sensor, and what
has been folded stays folded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    """What one transaction did: blocks before and after, of those that start in a stretch of ``events``.

    ``left``: an event about which too much is known to be folded. [µs since epoch]
    """

    events: int
    before: int
    after: int
    left: int | None = None


def count_events(store: Store, sensors: Sequence[Sensor]) -> int:
    """How many events the steps of compacting these sensors will come to."""
    heads = store.read_heads([sensor.id for sensor in sensors])
    return sum(
        (head.events_end - head.events_start) // sensor.resolution
        for sensor in sensors
        if (head := heads.get(sensor.id)) and head.events_start is not None and head.events_end is not None
    )


def compact_sensor(store: Store, sensor: Sensor) -> Iterator[CompactionStep]:
    """Fold the blocks of one sensor, a stretch of events at a time.

    No value, belief time or source that is read changes; ``recorded_at`` does, which a folded block has of
    its last part.

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
        end = min(start + stretch, head.events_end)
        window = Window(sensor.id, start, end, sensor.resolution, starting=True, whole=True)
        yield from _compact_parts(store, sensor, window)


def _compact_parts(store: Store, sensor: Sensor, window: Window) -> Iterator[CompactionStep]:
    """A stretch of events at once, or in parts when too much is known about them."""
    try:
        step = _compact_stretch(store, sensor, window)
    except PeriodError:
        pass
    else:
        yield step
        return
    if window.count == 1:
        yield CompactionStep(1, 0, 0, window.start)
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
        return CompactionStep(window.count, len(blocks), len(blocks) - parts + len(folds))

    return write(store, fold)
