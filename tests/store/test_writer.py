"""The writer: what is news is stored once, durably, whole or not at all."""

import errno
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from gridlore.domain.beliefs import Block, make_blocks
from gridlore.domain.commands import Receipt
from gridlore.domain.errors import (
    AuthenticationError,
    PeriodError,
    ReplacementError,
    ValuesLimitError,
)
from gridlore.domain.merging import TIERS
from gridlore.domain.overlay import overlay
from gridlore.domain.timing import DAY, HOUR, MINUTE, Grid, Timing
from gridlore.store.amounts import ROW_OVERHEAD
from gridlore.store.compaction import compact_sensor
from gridlore.store.interface import Store, Window
from gridlore.store.ledger import _Shelf
from gridlore.store.postgres import PostgresWriteTransaction
from gridlore.store.sqlite import SQLiteWriteTransaction
from gridlore.store.writer import Writer
from tests.store.test_blocks import fill_directory

QUARTER = 15 * MINUTE
MEASURED = Timing(belief_horizon=0)


def blocks(
    values: list[float], start: int = 0, timing: Timing = MEASURED, sensor: int = 1, source: int = 1
) -> list[Block]:
    grid = Grid(start, QUARTER, len(values))
    return list(make_blocks(sensor, source, grid, np.array(values, dtype=float), timing, recorded_at=1))


def stored(store: Store, sensor: int = 1) -> list[Block]:
    return store.read_blocks([Window(sensor, -100 * DAY, 5000 * DAY, QUARTER)])[0]


def read(store: Store, count: int, sensor: int = 1) -> list[float | None]:
    values = overlay(stored(store, sensor), Grid(0, QUARTER, count)).values
    return [None if np.isnan(value) else float(value) for value in values]


def test_what_is_new_is_stored_and_what_is_not_is_counted(writer: Writer, store: Store) -> None:
    assert writer.submit(blocks([1, 2, 3])).result() == Receipt(3, 0)
    assert writer.submit(blocks([1, 2, 3])).result() == Receipt(0, 3)
    assert writer.submit(blocks([2, 3, 4, 5], QUARTER)).result() == Receipt(2, 2)
    assert read(store, 6) == [1, 2, 3, 4, 5, None]
    assert sum(int((~np.isnan(block.values)).sum()) for block in stored(store)) == 5


def test_a_changed_value_with_the_same_belief_time_is_refused_with_all_of_its_message(
    writer: Writer, store: Store
) -> None:
    writer.submit(blocks([1, 2])).result()
    message = [*blocks([7, 7], sensor=2), *blocks([1, 9, 3])]
    with pytest.raises(ReplacementError, match=r"sensor 1 .*00:15:00Z.* 2\.0 .*00:30:00Z.* 9\.0"):
        writer.submit(message).result()
    assert read(store, 3) == [1, 2, None]
    assert stored(store, 2) == []


def test_what_ends_at_the_epoch_is_compared_too(writer: Writer, store: Store) -> None:
    assert writer.submit(blocks([1.0], -QUARTER)).result(5) == Receipt(1, 0)
    assert writer.submit(blocks([1.0], -QUARTER)).result(5) == Receipt(0, 1)
    with pytest.raises(ReplacementError):
        writer.submit(blocks([2.0], -QUARTER)).result(5)


def test_groups_of_one_message_are_judged_one_after_the_other(writer: Writer, store: Store) -> None:
    twice = [*blocks([1, 2]), *blocks([1, 2])]
    assert writer.submit(twice).result() == Receipt(2, 2)
    with pytest.raises(ReplacementError):
        writer.submit([*blocks([5], DAY), *blocks([6], DAY)]).result()
    assert len(stored(store)) == 1


def test_a_rejected_message_does_not_disturb_those_committed_with_it(writer: Writer, store: Store) -> None:
    futures = [writer.submit(blocks([number % 2], number // 2 * QUARTER)) for number in range(200)]
    wait(futures)
    failed = [number for number, future in enumerate(futures) if future.exception()]
    assert failed == list(range(1, 200, 2))
    assert read(store, 100) == [0.0] * 100


def test_the_head_knows_span_newest_belief_and_newest_measurement(writer: Writer, store: Store) -> None:
    writer.submit(blocks([1, 2, 3], DAY)).result()
    writer.submit(blocks([8, 9], 2 * DAY, Timing(belief_time=DAY))).result()
    head = store.read_heads([1])[1]
    assert (head.events_start, head.events_end, head.next_seq) == (DAY, 2 * DAY + 2 * QUARTER, 3)
    assert head.latest is not None and head.measured is not None
    assert (head.latest.event_start, head.latest.value, head.latest.belief_time) == (
        2 * DAY + QUARTER,
        9,
        DAY,
    )
    assert (head.measured.event_start, head.measured.value) == (DAY + 2 * QUARTER, 3)
    writer.submit(blocks([5], DAY + 2 * QUARTER, Timing(belief_horizon=-HOUR), source=2)).result()
    measured = store.read_heads([1])[1].measured
    assert measured is not None and (measured.value, measured.source_id) == (5, 2)


def test_long_posts_are_split_and_read_back_whole(writer: Writer, store: Store) -> None:
    values = np.random.default_rng(1).normal(size=35_040)
    assert writer.submit(blocks(values.tolist())).result() == Receipt(35_040, 0)
    assert max(block.values.size for block in stored(store)) <= 2048
    assert read(store, 35_040) == values.tolist()
    assert writer.submit(blocks(values.tolist())).result() == Receipt(0, 35_040)


def test_single_values_are_folded_into_few_blocks(
    writer: Writer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.folding.SLOW_TO_FIND", 60.0)
    count = 600
    futures: list[Future[Receipt]] = []
    for number in range(count):
        futures.append(writer.submit(blocks([float(number)], number * QUARTER)))
        if number % 3 == 0:
            futures[-1].result()
    assert {future.result() for future in futures} == {Receipt(1, 0)}
    assert read(store, count) == [float(number) for number in range(count)]
    assert len(stored(store)) < 60
    assert TIERS[0].period == 16


def test_sensors_that_are_due_together_are_folded_together(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three sensors, and no more questions to the store than for one."""
    asked: list[int] = []
    for kind in (SQLiteWriteTransaction, PostgresWriteTransaction):
        monkeypatch.setattr(kind, "read_blocks", counting(asked, kind.read_blocks))
    fill_directory(store)
    writer = Writer(store, max_queue_bytes=10_000_000)
    for number in range(16):
        message = [
            block
            for sensor in (1, 2, 3)
            for block in blocks([float(number)], number * QUARTER, sensor=sensor)
        ]
        assert writer.submit(message).result() == Receipt(3, 0)
    writer.close()
    assert asked == [3]
    for sensor in (1, 2, 3):
        assert read(store, 16, sensor) == [float(number) for number in range(16)]
        assert len(stored(store, sensor)) <= 2


@pytest.mark.parametrize(("bound", "value"), [("FOLDING", -1.0), ("MAX_FOLDED", 15)])
def test_what_would_take_long_to_fold_is_left_to_compaction(
    writer: Writer, store: Store, monkeypatch: pytest.MonkeyPatch, bound: str, value: float
) -> None:
    monkeypatch.setattr(f"gridlore.store.folding.{bound}", value)
    for number in range(40):
        assert writer.submit(blocks([float(number)], number * QUARTER)).result() == Receipt(1, 0)
    assert read(store, 40) == [float(number) for number in range(40)]
    assert len(stored(store)) == 40
    list(compact_sensor(store, store.read_directory().sensors[0]))
    assert read(store, 40) == [float(number) for number in range(40)]
    assert len(stored(store)) == 1


def counting(asked: list[int], original: Callable[..., Any]) -> Callable[..., Any]:
    """``read_blocks`` of a transaction, which notes for how many windows it was called."""

    def read_blocks(transaction: Any, windows: Sequence[Window]) -> Any:
        asked.append(len(windows))
        return original(transaction, windows)

    return read_blocks


def test_folding_keeps_every_belief_time(
    writer: Writer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.folding.SLOW_TO_FIND", 60.0)
    for number in range(64):
        arrival = Timing(belief_time=number * QUARTER + 7 * number)
        writer.submit(blocks([float(number)], number * QUARTER, arrival)).result()
    times = {
        int(time): float(value)
        for block in stored(store)
        for time, value in zip(block.times(), block.values, strict=True)
    }
    assert times == {number * QUARTER + 7 * number: float(number) for number in range(64)}
    assert len(stored(store)) <= 8
    assert writer.submit(blocks([3.0], 3 * QUARTER, Timing(belief_time=3 * QUARTER + 21))).result().unchanged


def test_of_forecasts_far_ahead_what_is_about_the_events_of_a_message_counts_alone(
    writer: Writer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in range(20):
        writer.submit(blocks([day] * 9600, day * DAY, Timing(belief_time=day * DAY))).result(5)
    monkeypatch.setattr("gridlore.store.amounts.MAX_READ_BYTES", 21 * (96 * 8 + 2048 + ROW_OVERHEAD))
    again = blocks([19.0] * 96, 40 * DAY, Timing(belief_time=20 * DAY))
    assert writer.submit(again).result(5) == Receipt(0, 96)
    news = blocks([20.0] * 96, 40 * DAY, Timing(belief_time=20 * DAY))
    assert writer.submit(news).result(5) == Receipt(96, 0)
    late = blocks([3.0] * 9600, 3 * DAY, Timing(belief_time=3 * DAY + 1))
    with pytest.raises(PeriodError):
        writer.submit(late).result(5)
    monkeypatch.setattr("gridlore.store.amounts.MAX_READ_BYTES", 4 * (9600 * 8 + 2 * 2048 + 6 * ROW_OVERHEAD))
    assert writer.submit(late).result(5) == Receipt(0, 9600)


@pytest.mark.parametrize("rounds", [40])
def test_of_two_writers_racing_exactly_one_wins(store: Store, rounds: int) -> None:
    fill_directory(store)
    writers = [Writer(store, max_queue_bytes=10_000_000) for _ in range(2)]
    barrier = threading.Barrier(2)
    outcomes: list[list[Receipt | BaseException | None]] = [[], []]

    def race(me: int) -> None:
        for number in range(rounds):
            barrier.wait()
            future = writers[me].submit(blocks([float(me)], number * QUARTER))
            wait([future])
            outcomes[me].append(future.exception() or future.result())

    threads = [threading.Thread(target=race, args=(me,)) for me in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for writer in writers:
        writer.close()
    for first, second in zip(*outcomes, strict=True):
        assert sorted([type(first).__name__, type(second).__name__]) == ["Receipt", "ReplacementError"]
    winners = [float(isinstance(second, Receipt)) for second in outcomes[1]]
    assert read(store, rounds) == winners


def test_in_play_mode_a_new_value_takes_the_place_of_the_old(store: Store) -> None:
    fill_directory(store)
    writer = Writer(store, max_queue_bytes=10_000_000, replace=True)
    writer.submit(blocks([1, 2, 3, 4])).result()
    writer.submit(blocks([0, 0], timing=Timing(belief_time=-HOUR))).result()
    assert writer.submit(blocks([2, 9, 3])).result() == Receipt(2, 1)
    writer.close()
    assert read(store, 4) == [2, 9, 3, 4]
    beliefs = [
        (int(event), int(time))
        for block in stored(store)
        for event, time, value in zip(block.grid.event_starts(), block.times(), block.values, strict=True)
        if not np.isnan(value)
    ]
    assert len(beliefs) == len(set(beliefs)) == 6


def test_a_message_is_checked_while_its_sensors_are_held_and_refused_alone(
    writer: Writer, store: Store
) -> None:
    checked = threading.Event()

    def refuse() -> None:
        checked.set()
        raise AuthenticationError

    with store.begin_write() as other:
        other.lock_sensors([1])
        futures = [
            writer.submit(blocks([1])),
            writer.submit(blocks([2, 2], QUARTER), {}, refuse),
            writer.submit(blocks([3], 2 * QUARTER)),
        ]
        assert not checked.wait(0.3), "somebody else holds the sensor, so it is not stored yet"
    assert futures[0].result(5) == futures[2].result(5) == Receipt(1, 0)
    assert isinstance(futures[1].exception(5), AuthenticationError)
    assert read(store, 3) == [1, None, 3]


def test_a_message_that_must_be_compared_with_too_much_is_refused_whole(
    writer: Writer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.ledger.MAX_COMPARED", 5)
    often = [block for time in range(5) for block in blocks([time], timing=Timing(belief_time=-DAY + time))]
    with pytest.raises(ValuesLimitError, match="Send them in parts"):
        writer.submit(often).result(5)
    assert read(store, 1) == [None]
    assert writer.submit(often[:3]).result(5) == Receipt(3, 0)


@pytest.mark.parametrize("seed", range(20))
def test_a_shelf_finds_every_block_that_touches_another(seed: int) -> None:
    chance = random.Random(seed)
    shelf, known = _Shelf(), list[Block]()
    for _ in range(60):
        values = [1.0] * chance.choice([1, 1, 2, 3, 4, 5, 63, 64, 65, 2048])
        (block,) = blocks(values, chance.randrange(-3000, 3000) * QUARTER)
        shelf.add(block)
        known.append(block)
        if chance.random() < 0.1:
            shelf.remove({id(known.pop(chance.randrange(len(known))))})
    for _ in range(60):
        (asked,) = blocks([1.0] * chance.choice([1, 5, 100]), chance.randrange(-3100, 5100) * QUARTER)
        near = shelf.near(asked)
        touching = sorted(id(one) for one in known if one.start < asked.end and one.end > asked.start)
        assert sorted(id(block) for block in near if block.end > asked.start) == touching
        assert all(one.start <= after.start for one, after in pairwise(near))
        assert all(block.end + block.values.size * QUARTER > asked.start for block in near)


def test_only_what_touches_a_message_is_compared_with_it_however_long_others_are(
    writer: Writer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One long block, and single values beside each of those sent: one comparison each."""
    monkeypatch.setattr("gridlore.store.folding.FOLDING", -1.0)
    assert writer.submit(blocks([1.0] * 200, timing=Timing(belief_time=-DAY))).result(5) == Receipt(200, 0)
    for number in range(40):
        single = blocks([number + 2.0], 4 * number * QUARTER, Timing(belief_time=-HOUR))
        assert writer.submit(single).result(5) == Receipt(1, 0)
    message = [
        block for number in range(40) for block in blocks([7.0], (4 * number + 1) * QUARTER, Timing(-QUARTER))
    ]
    monkeypatch.setattr("gridlore.store.ledger.MAX_COMPARED", 39)
    with pytest.raises(ValuesLimitError, match="Send them in parts"):
        writer.submit(message).result(5)
    assert read(store, 3) == [2, 1, 1]
    monkeypatch.setattr("gridlore.store.ledger.MAX_COMPARED", 40)
    assert writer.submit(message).result(5) == Receipt(40, 0)
    assert read(store, 3) == [2, 7, 1]


def test_of_a_message_about_which_too_much_is_known_nothing_is_stored_and_others_go_on(
    writer: Writer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for time in range(10):
        writer.submit(blocks([time] * 4, timing=Timing(belief_time=-DAY + time))).result(5)
    monkeypatch.setattr("gridlore.store.amounts.MAX_READ_BYTES", 9 * (8 + ROW_OVERHEAD))
    with store.begin_write() as other:
        other.lock_sensors([1, 2])
        deep = writer.submit(blocks([5], timing=Timing(belief_time=-HOUR)))
        beside = writer.submit(blocks([6], sensor=2))
    assert isinstance(deep.exception(5), PeriodError)
    assert beside.result(5) == Receipt(1, 0)
    monkeypatch.undo()
    assert read(store, 1) == [9]
    assert writer.submit(blocks([5], timing=Timing(belief_time=-HOUR))).result(5) == Receipt(1, 0)


class Silent:
    """A log on a full disk."""

    def __getattr__(self, name: str) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_log_that_cannot_be_written_leaves_nobody_waiting(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.writer.log", Silent())
    with monkeypatch.context() as broken:
        broken.setattr("gridlore.store.writer.write", lambda *_: 1 / 0)
        with pytest.raises(OSError, match="No space"):
            writer.submit(blocks([1])).result(5)
    assert writer.trouble() is None
    assert writer.submit(blocks([1])).result(5) == Receipt(1, 0)
    writer.close()
    assert "has ended" in str(writer.trouble())
