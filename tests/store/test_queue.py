"""The writer's queue: how much waits, in which order it is committed, and what becomes of what fails."""

import gc
import weakref
from concurrent.futures import wait
from unittest.mock import Mock

import pytest

from gridlore.domain.commands import Receipt
from gridlore.domain.errors import OverloadError, PeriodError, ReplacementError, StoreRefusalError
from gridlore.domain.timing import DAY, HOUR, Timing
from gridlore.store.amounts import ROW_OVERHEAD
from gridlore.store.interface import Store
from gridlore.store.writer import Batch, Writer, check_nothing
from tests.conftest import wait_for
from tests.store.test_blocks import fill_directory
from tests.store.test_writer import QUARTER, blocks, stored


def test_a_full_queue_refuses_and_what_was_taken_is_stored(store: Store) -> None:
    fill_directory(store)
    writer = Writer(store, max_queue_bytes=3000)
    taken = []
    with pytest.raises(OverloadError, match="more to store than it can queue"):
        for number in range(10_000):
            day = blocks([1.0] * 96, number * DAY, source=1 + number % 2)
            taken.append(writer.submit(day))
    wait(taken)
    writer.close()
    assert {future.result() for future in taken} == {Receipt(96, 0)}
    assert len(stored(store)) <= len(taken)
    with pytest.raises(OverloadError, match="stopping"):
        writer.submit(blocks([1.0]))


def test_one_source_takes_half_of_the_queue_and_others_are_let_in(store: Store) -> None:
    fill_directory(store)
    writer = Writer(store, max_queue_bytes=10_000)
    with store.begin_write() as other:
        other.lock_sensors([1, 2])
        taken = []
        with pytest.raises(OverloadError, match="half of what the server can queue"):
            for number in range(10_000):
                taken.append(writer.submit(blocks([1.0] * 96, number * DAY)))  # noqa: PERF401 - until it raises
        taken.append(writer.submit(blocks([1.0] * 96, sensor=2, source=2)))
    assert len(taken) > 3
    assert all(future.result(10) == Receipt(96, 0) for future in taken)
    writer.close()
    assert writer.queued_bytes == writer.queued_batches == 0


def test_sources_take_turns(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridlore.store.writer.MAX_COMMIT_BYTES", 1_000)
    fill_directory(store)
    writer = Writer(store, max_queue_bytes=10_000_000)
    order: list[int] = []
    with store.begin_write() as other:
        other.lock_sensors([1])
        for number in range(6):
            future = writer.submit(blocks([1.0] * 96, number * DAY))
            future.add_done_callback(lambda _: order.append(1))
        wait_for(lambda: writer.queued_batches == 5)
        for number in range(2):
            future = writer.submit(blocks([1.0] * 96, number * DAY, source=2))
            future.add_done_callback(lambda _: order.append(2))
    writer.close()
    assert order == [1, 1, 2, 1, 2, 1, 1, 1]


def test_one_bad_message_among_many_costs_a_few_commits(
    writer: Writer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for time in range(10):
        writer.submit(blocks([time] * 4, timing=Timing(belief_time=-DAY + time))).result(5)
    monkeypatch.setattr("gridlore.store.amounts.MAX_READ_BYTES", 9 * (8 + ROW_OVERHEAD))
    tried: list[int] = []
    commit = writer._commit

    def counting(batches: list[Batch]) -> object:
        tried.append(len(batches))
        return commit(batches)

    monkeypatch.setattr(writer, "_commit", counting)
    batches = [Batch(blocks([1], n * DAY, sensor=2), {}, check_nothing, 1) for n in range(63)]
    bad = Batch(blocks([5], timing=Timing(belief_time=-HOUR)), {}, check_nothing, 1)
    writer._write([*batches[:20], bad, *batches[20:]])
    assert isinstance(bad.done.exception(5), PeriodError)
    assert all(batch.done.result(5) == Receipt(1, 0) for batch in batches)
    assert len(tried) == 13


def test_of_a_group_that_fails_those_who_sent_least_are_tried_first(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[list[int]] = []

    def fail(batches: list[Batch]) -> object:
        tried.append([batch.source_id for batch in batches])
        raise PeriodError("too much")

    monkeypatch.setattr(writer, "_commit", fail)
    sources = [1, 2, 1, 1, 3, 1, 1, 1]
    batches = [
        Batch(blocks([1], n * DAY, source=source), {}, check_nothing, 1) for n, source in enumerate(sources)
    ]
    writer._write(batches)
    assert tried[:3] == [sources, [2, 3, 1, 1], [2, 3]]
    assert [batch.done.exception(5) is not None for batch in batches] == [True] * 8


@pytest.mark.parametrize(
    ("apart", "groups"), [(60, [[2], [1], [2], [1], [2, 2]]), (0, [[2], [1, 2, 1, 2, 2]])]
)
def test_who_sent_what_takes_long_to_refuse_is_committed_apart_from_others_for_a_while(
    store: Store, apart: float, groups: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.writer.APART", apart)
    fill_directory(store)
    writer = Writer(store, max_queue_bytes=10_000_000)
    for time in range(10):
        writer.submit(blocks([time] * 4, timing=Timing(belief_time=-DAY + time))).result(5)
    monkeypatch.setattr("gridlore.store.amounts.MAX_READ_BYTES", 9 * (8 + ROW_OVERHEAD))
    deep = blocks([5], timing=Timing(belief_time=-HOUR))
    assert isinstance(writer.submit(deep).exception(5), PeriodError)
    tried: list[list[int]] = []
    commit = writer._commit

    def remembering(batches: list[Batch]) -> object:
        tried.append([batch.source_id for batch in batches])
        return commit(batches)

    monkeypatch.setattr(writer, "_commit", remembering)

    with store.begin_write() as other:
        other.lock_sensors([1, 2])
        held = writer.submit(blocks([1], DAY, sensor=2, source=2))
        wait_for(held.running)
        bad = [writer.submit(deep) for _ in range(2)]
        good = [writer.submit(blocks([1], day * DAY, sensor=2, source=2)) for day in (2, 3, 4)]
    assert [type(future.exception(10)) for future in bad] == [PeriodError] * 2
    assert [future.result(10) for future in (held, *good)] == [Receipt(1, 0)] * 4
    assert tried[: len(groups)] == groups
    writer.close()


def test_what_is_refused_keeps_nothing_of_what_was_read(writer: Writer) -> None:
    writer.submit(blocks([1.0, 2.0])).result(5)
    other = blocks([3.0, 2.0])
    kept = weakref.ref(other[0].values)
    gc.disable()
    try:
        refused = writer.submit(other)
        error = refused.exception(5)
        assert isinstance(error, ReplacementError)
        del other
        wait_for(lambda: kept() is None)
    finally:
        gc.enable()


def test_closing_commits_what_is_queued(store: Store) -> None:
    fill_directory(store)
    writer = Writer(store, max_queue_bytes=10_000_000)
    futures = [writer.submit(blocks([1.0] * 96, number * DAY)) for number in range(100)]
    writer.close()
    assert all(future.done() and future.result().stored == 96 for future in futures)


def test_a_commit_holds_so_many_bytes_or_one_long_message(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.writer.MAX_COMMIT_BYTES", 2_000)
    fill_directory(store)
    commits: list[int] = []
    writer = Writer(
        store, max_queue_bytes=10_000_000, observe=lambda _, batches, blocks: commits.append(batches)
    )
    with store.begin_write() as other:
        other.lock_sensors([1])
        futures = [writer.submit(blocks([1.0] * 400, number * 10 * DAY)) for number in range(4)]
        futures += [writer.submit(blocks([1.0], number * DAY, sensor=2)) for number in range(7)]
    assert all(future.result(10).stored for future in futures)
    writer.close()
    assert commits == [1, 1, 1, 1, 3, 3, 1]
    assert writer.queued_bytes == 0


def test_who_is_not_tried_in_time_hears_that_it_may_come_again_and_not_what_was_wrong_with_others(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.writer.PATIENCE", 0)
    monkeypatch.setattr("gridlore.store.writer.write", Mock(side_effect=PeriodError("too much")))
    batches = [Batch(blocks([1], number * QUARTER), {}, check_nothing, 1) for number in range(2)]
    writer._write(batches)
    assert [type(batch.done.exception(5)) for batch in batches] == [StoreRefusalError] * 2


def test_a_commit_that_does_not_end_is_told_of(
    writer: Writer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.writer.STUCK", 0.1)
    with store.begin_write() as other:
        other.lock_sensors([1])
        future = writer.submit(blocks([1]))
        wait_for(lambda: "has not finished a commit" in (writer.trouble() or ""))
    assert future.result(5) == Receipt(1, 0)
    wait_for(lambda: writer.trouble() is None)


def test_the_writer_goes_on_when_all_that_waited_was_given_up(writer: Writer, store: Store) -> None:
    with store.begin_write() as other:
        other.lock_sensors([1])
        first = writer.submit(blocks([1.0]))
        wait_for(first.running)
        given_up = writer.submit(blocks([2.0], DAY))
        assert given_up.cancel()
    assert first.result(10) == Receipt(1, 0)
    wait_for(lambda: writer.queued_batches == 0)
    assert writer.submit(blocks([3.0], 2 * DAY)).result(10) == Receipt(1, 0)
    assert writer.trouble() is None
