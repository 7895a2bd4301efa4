"""Delete beliefs for good: about the events of a period, of one sensor, of some sources or all (ADR 017).

Layer: store. Online and restartable: from the newest blocks to the oldest, each step is a transaction of its
own that holds the sensor, leaves its head right, and is in the record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gridlore.domain.audit import AuditEntry
from gridlore.domain.beliefs import MAX_BLOCK_VALUES, Block
from gridlore.domain.erasure import Erasure, Period, Ranked, Tally, add_tallies, erase, newest_belief
from gridlore.domain.heads import Head, Latest
from gridlore.domain.sensors import Sensor
from gridlore.domain.timing import format_instant
from gridlore.store.attempts import lock_as_known, write
from gridlore.store.interface import BlockKey, BlockPage, Store, WriteTransaction

BLOCKS = 1024
"""Blocks looked at in one transaction."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which beliefs: about events of ``sensor`` that begin in ``period``; ``sources`` has the name of each
    source that is meant by id, None: all of them."""

    sensor: Sensor
    period: Period
    sources: Mapping[int, str] | None = None

    @property
    def source_ids(self) -> frozenset[int] | None:
        """Ids of the sources that are meant."""
        return None if self.sources is None else frozenset(self.sources)

    @property
    def floor(self) -> int:
        """No block that begins before it touches the period. [µs since epoch]"""
        return self.period.start - MAX_BLOCK_VALUES * self.sensor.resolution


def count_beliefs(store: Store, selection: Selection) -> dict[int, Tally]:
    """What of each source would be deleted; changes nothing."""
    tallies: dict[int, Tally] = {}
    key = BlockKey(selection.period.end, 0)
    while True:
        page = store.read_page(_page(selection.sensor, key))
        add_tallies(tallies, erase(page, selection.period, selection.source_ids).tallies)
        if len(page) < BLOCKS or page[-1].start <= selection.floor:
            return tallies
        key = BlockKey.of(page[-1])


def delete_beliefs(store: Store, selection: Selection, entry: AuditEntry) -> Iterator[dict[int, Tally]]:
    """Delete what is selected; what each step deleted, by source id.

    Parameters
    ----------
    entry : AuditEntry
        Who does this. Each step that deletes something is recorded with how much it was.

    Raises
    ------
    StoreUnavailableError
        The step that failed has changed nothing, unless the connection was lost at its very commit, and those
        before it are done; or the sensor has got another grid since it was looked up. Start again at any
        time.
    """
    key: BlockKey | None = BlockKey(selection.period.end, 0)
    while key is not None:
        tallies, key = _step(store, selection, entry, key)
        yield tallies


def _step(
    store: Store, selection: Selection, entry: AuditEntry, key: BlockKey
) -> tuple[dict[int, Tally], BlockKey | None]:
    """One transaction: what it deleted, and before which block to go on; None when nothing is left."""

    def delete(transaction: WriteTransaction) -> tuple[Sequence[Block], dict[int, Tally]]:
        head = lock_as_known(transaction, selection.sensor)
        page = transaction.read_page(_page(selection.sensor, key))
        erasure = erase(page, selection.period, selection.source_ids)
        if erasure.erased:
            _carry_out(transaction, selection, head, erasure)
            transaction.record(_tell(entry, selection, erasure.tallies))
        return page, erasure.tallies

    page, tallies = write(store, delete)
    is_last = len(page) < BLOCKS or page[-1].start <= selection.floor
    return tallies, None if is_last else _go_on(page)


def _go_on(page: Sequence[Block]) -> BlockKey:
    """Before which block to go on behind a page.

    All that begin with the last one are looked at once more: one that was to come may be folded meanwhile,
    and stand higher in the order of arrival. Not where the whole page begins there: it would come again.
    """
    last = page[-1]
    return BlockKey.of(last) if page[0].start == last.start else BlockKey(last.start + 1, 0)


def _page(sensor: Sensor, before: BlockKey) -> BlockPage:
    return BlockPage(sensor.id, sensor.resolution, before, BLOCKS)


def _carry_out(transaction: WriteTransaction, selection: Selection, head: Head, erasure: Erasure) -> None:
    transaction.delete_blocks(erasure.erased)
    next_seq, left = head.next_seq, []
    for block in erasure.left:
        if not block.seq:
            block, next_seq = block.numbered(next_seq), next_seq + 1  # noqa: PLW2901
        left.append(block)
    if left:
        transaction.append_blocks(left)
    transaction.save_heads([_head_after(transaction, selection, head._replace(next_seq=next_seq))])


def _head_after(transaction: WriteTransaction, selection: Selection, head: Head) -> Head:
    """The head once blocks have been taken out."""

    def is_gone(latest: Latest | None) -> bool:
        return (
            latest is not None
            and selection.period.start <= latest.event_start < selection.period.end
            and (selection.sources is None or latest.source_id in selection.sources)
        )

    sensor = selection.sensor
    if is_gone(head.latest):
        latest = _find_newest(transaction, sensor, head.latest, measured=False)
        end = None if latest is None else latest.event_start + sensor.resolution
        head = head._replace(latest=latest, events_end=end)
    if is_gone(head.measured):
        head = head._replace(measured=_find_newest(transaction, sensor, head.measured, measured=True))
    return head._replace(events_start=transaction.first_start(sensor.id))


def _find_newest(
    transaction: WriteTransaction, sensor: Sensor, gone: Latest | None, *, measured: bool
) -> Latest | None:
    """The newest belief now that ``gone``, which was the newest, may be gone."""
    if gone is None:
        return None
    key = BlockKey(gone.event_start + sensor.resolution, 0)
    best: Ranked | None = None
    while True:
        page = transaction.read_page(_page(sensor, key))
        best = newest_belief(page, best, measured=measured)
        # No block further back is about an event that begins later than this.
        if len(page) < BLOCKS or (
            best is not None and best[1].event_start >= page[-1].start + MAX_BLOCK_VALUES * sensor.resolution
        ):
            return None if best is None else best[1]
        key = BlockKey.of(page[-1])


def _tell(entry: AuditEntry, selection: Selection, tallies: Mapping[int, Tally]) -> AuditEntry:
    total = sum(tally.count for tally in tallies.values())
    start = min(tally.start for tally in tallies.values())
    end = max(tally.end for tally in tallies.values())
    names = selection.sources or {}
    sources = ", ".join(
        f"{names.get(source_id, f'source {source_id}')}: {tally.count}"
        for source_id, tally in tallies.items()
    )
    before = {
        "values": str(total),
        "by source": sources,
        "events from": format_instant(start),
        "events until": format_instant(end),
    }
    sensor = selection.sensor
    return replace(
        entry, subject="sensor", subject_id=sensor.id, title=f"{sensor.kind} {sensor.name}", before=before
    )
