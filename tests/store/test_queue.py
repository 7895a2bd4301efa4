"""The writer's queue: how much waits, in which order it is committed, and what becomes of what fails."""

import gc
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import wait
from time import monotonic, sleep
from typing import Any
from unittest.mock import Mock

import pytest

from gridlore.domain.beliefs import Block
from gridlore.domain.commands import Receipt
from gridlore.domain.errors import OverloadError, PeriodError, ReplacementError, StoreRefusalError
from gridlore.domain.timing import DAY, HOUR, Timing
from gridlore.store.amounts import ROW_OVERHEAD
from gridlore.store.interface import Store, WriteTransaction
from gridlore.store.ledger import Ledger
from gridlore.store.lines import Batch, make_batch
from gridlore.store.writer import Writer
from tests.conftest import wait_for
from tests.store.test_blocks import fill_directory
from tests.store.test_lines import messages
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
    monkeypatch.setattr("gridlore.store.lines.MAX_COMMIT_BYTES", 1_000)
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
    tried = remember_groups(writer, monkeypatch)
    batches = [make_batch(blocks([1], n * DAY, sensor=2)) for n in range(63)]
    bad = make_batch(blocks([5], timing=Timing(belief_time=-HOUR)))
    writer._write([*batches[:20], bad, *batches[20:]])
    assert writer.submit(blocks([1], 99 * DAY, sensor=2)).result(5) == Receipt(1, 0)
    assert isinstance(bad.done.exception(5), PeriodError)
    assert all(batch.done.result(5) == Receipt(1, 0) for batch in batches)
    assert len(tried) < 30


def test_of_a_group_that_fails_those_who_sent_least_are_tried_first(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[list[int]] = []

    def fail(batches: list[Batch]) -> object:
        tried.append([batch.source_id for batch in batches])
        raise PeriodError("too much")

    monkeypatch.setattr(writer, "_commit", fail)
    sources = [1, 2, 1, 1, 3, 1, 1, 1]
    batches = [make_batch(blocks([1], n * DAY, source=source)) for n, source in enumerate(sources)]
    writer._write(batches)
    assert tried[:3] == [sources, [2, 3, 1, 1], [2, 3]]
    assert [batch.done.exception(5) is not None for batch in batches] == [True] * 8


@pytest.fixture
def writer_of_three(store: Store) -> Iterator[Writer]:
    """A writer where three sources are known."""
    fill_directory(store, sources=3)
    writer = Writer(store, max_queue_bytes=10_000_000)
    yield writer
    writer.close()


def remember_groups(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The sources of all batches of each commit that is tried from now on."""
    tried: list[list[int]] = []
    commit = writer._commit

    def remembering(batches: list[Batch]) -> object:
        tried.append([batch.source_id for batch in batches])
        return commit(batches)

    monkeypatch.setattr(writer, "_commit", remembering)
    return tried


def slow_down(monkeypatch: pytest.MonkeyPatch, source: int) -> None:
    """Have each batch of a source take 0.2 s to judge, which is slow."""
    monkeypatch.setattr("gridlore.store.judging.SLOW", 0.1)
    enter = Ledger.enter

    def enter_slowly(ledger: Ledger, candidates: Sequence[Block], *more: Any) -> Receipt:
        if candidates[0].source_id == source:
            sleep(0.2)
        return enter(ledger, candidates, *more)

    monkeypatch.setattr(Ledger, "enter", enter_slowly)


def test_who_was_slow_in_a_group_is_found_whenever_it_comes_again_and_rests(
    writer_of_three: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = writer_of_three
    slow_down(monkeypatch, 3)
    for sources in ((1, 2, 3), (1, 2), (1, 2, 3, 3)):
        writer._write(messages(*sources))
    lines, now = writer._lines, monotonic()

    def take(later: float) -> list[int]:
        return [batch.source_id for batch in lines.take(now + later)]

    for batch in messages(1, 3, 3, 2, 3):
        lines.add(batch)
    assert [take(0), take(0)] == [[1, 2], []]
    assert take(0.5) == [3], "nobody else waits"
    for batch in messages(1, 3, 2):
        lines.add(batch)
    assert take(0.5) == [1, 2]
    for batch in messages(1, 2):
        lines.add(batch)
    assert [take(30), take(30), take(30), take(30)] == [[3], [1, 2], [3], [3]]


def test_sources_for_whom_there_is_too_much_hold_up_nobody_and_keep_their_order(
    writer_of_three: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, read = writer_of_three, Ledger.read

    def refuse_several(ledger: Ledger, candidates: Iterable[Block]) -> int:
        asked = list(candidates)
        if [block.source_id for block in asked].count(3) > 1:
            raise PeriodError("too much")
        return read(ledger, asked)

    monkeypatch.setattr(Ledger, "read", refuse_several)
    tried = remember_groups(writer, monkeypatch)
    batches, order = messages(*[3] * 8, 1, 2, 2), list[int]()
    for number, batch in enumerate(batches):
        batch.done.add_done_callback(lambda _, number=number: order.append(number))
    writer._write(batches)
    assert (tried, order) == ([[3] * 8 + [1, 2, 2]], [8, 9, 10])
    assert writer.submit(blocks([1], 99 * DAY, source=2)).result(10) == Receipt(1, 0)
    assert [batch.done.result(10) for batch in batches] == [Receipt(1, 0)] * 11
    assert order[3:] == list(range(8))
    assert all(set(group) in ({3}, {2}) for group in tried[1:])


def test_one_commit_judges_for_so_long_and_what_is_left_waits_for_the_next(
    writer_of_three: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = writer_of_three
    slow_down(monkeypatch, 3)
    monkeypatch.setattr("gridlore.store.judging.JUDGING", 0.1)
    monkeypatch.setattr("gridlore.store.judging.JUDGED", 0.0)
    batches = messages(1, 3, 2, 3, 1)
    writer._write(batches)
    assert [batch.done.done() for batch in batches] == [True, True, False, False, False]
    assert writer.submit(blocks([1], 99 * DAY)).result(10) == Receipt(1, 0)
    assert [batch.done.result(10) for batch in batches] == [Receipt(1, 0)] * 5


def test_what_was_looked_up_is_judged_though_that_took_all_the_time(
    writer_of_three: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, read = writer_of_three, Ledger.read

    def read_slowly(ledger: Ledger, candidates: Iterable[Block]) -> int:
        sleep(0.2)
        return read(ledger, candidates)

    monkeypatch.setattr("gridlore.store.judging.JUDGING", 0.3)
    monkeypatch.setattr("gridlore.store.judging.SLOW", 0.1)
    monkeypatch.setattr(Ledger, "read", read_slowly)
    for settled in ([True, True, True], [True, True, False]):  # together at first, then one by one
        batches = messages(1, 2, 3)
        writer._write(batches)
        assert [batch.done.done() for batch in batches] == settled


def test_closing_commits_what_must_not_be_looked_up_together(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_directory(store)
    writer = Writer(store, max_queue_bytes=10_000_000)
    read = Ledger.read

    def refuse_several(ledger: Ledger, candidates: Iterable[Block]) -> int:
        asked = list(candidates)
        if len(asked) > 1:
            raise PeriodError("too much")
        return read(ledger, asked)

    monkeypatch.setattr(Ledger, "read", refuse_several)
    with store.begin_write() as other:
        other.lock_sensors([1])
        futures = [writer.submit(blocks([1], number * DAY)) for number in range(9)]
    writer.close()
    assert [future.result(0) for future in futures] == [Receipt(1, 0)] * 9


def test_of_sources_looked_up_one_by_one_no_more_is_in_memory_than_of_all_together(
    writer_of_three: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = writer_of_three
    for time in range(10):
        for source in (1, 2, 3):
            said = blocks([time] * 4, source=source, timing=Timing(belief_time=-DAY + time))
            writer.submit(said).result(5)
    monkeypatch.setattr("gridlore.store.amounts.MAX_READ_BYTES", 15 * (8 + ROW_OVERHEAD))
    news = Timing(belief_time=-HOUR)
    batches = [make_batch(blocks([5], source=source, timing=news)) for source in (1, 2, 3)]
    writer._write(batches)
    assert [batch.done.done() for batch in batches] == [True, True, False]
    writer.submit(blocks([1], 99 * DAY)).result(10)
    assert [batch.done.result(10) for batch in batches] == [Receipt(1, 0)] * 3


def test_what_takes_long_to_fold_is_not_tried_by_every_post(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr("gridlore.store.folding._find", lambda transaction, windows: asked.append(1))
    monkeypatch.setattr("gridlore.store.folding.USUAL_TO_FIND", -60.0)
    for sensor, slow, questions in ((1, -0.1, 2), (2, 60.0, 6)):
        monkeypatch.setattr("gridlore.store.folding.SLOW_TO_FIND", slow)
        for number in range(64):
            writer.submit(blocks([1], number * QUARTER, sensor=sensor)).result(5)
        assert len(asked) == questions


def test_a_commit_that_failed_does_not_make_a_source_quicker(
    writer: Writer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(store: Store, enter: Callable[[WriteTransaction], object]) -> object:
        with store.begin_write() as transaction:
            enter(transaction)
            raise StoreRefusalError("held up")

    writer._lines.note_slow(1, 1, 0.0, monotonic())
    with monkeypatch.context() as failing:
        failing.setattr("gridlore.store.writer.write", fail)
        for _ in range(2):  # when the second is answered, all is done about the first
            assert isinstance(writer.submit(blocks([1])).exception(5), StoreRefusalError)
        assert writer._lines._paces[1].together == 1
    assert writer.submit(blocks([1])).result(5) == Receipt(1, 0)
    wait_for(lambda: writer._lines._paces[1].together == 2)


def test_one_message_that_is_refused_at_once_is_not_slow(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ledger, "read", Mock(side_effect=PeriodError("too much")))
    for _ in range(2):
        assert isinstance(writer.submit(blocks([1])).exception(5), PeriodError)
    assert not writer._lines._paces


def test_waiting_for_others_is_not_slow(
    writer: Writer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.judging.SLOW", 0.4)
    with store.begin_write() as other:
        other.lock_sensors([1])
        held = writer.submit(blocks([1.0]))
        sleep(0.5)
    assert held.result(10) == Receipt(1, 0)
    writer.submit(blocks([1.0], DAY)).result(10)
    assert not writer._lines._paces


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
    monkeypatch.setattr("gridlore.store.lines.MAX_COMMIT_BYTES", 2_000)
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
    batches = [make_batch(blocks([1], number * QUARTER)) for number in range(2)]
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
