"""Compaction leaves fewer blocks and every belief where it was."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gridlore.domain.addresses import NamingAuthority
from gridlore.domain.beliefs import Block, make_blocks
from gridlore.domain.commands import ReadQuery
from gridlore.domain.overlay import BeliefFilter, overlay
from gridlore.domain.timing import DAY, HOUR, MINUTE, Grid, Timing
from gridlore.services.directory import Directory
from gridlore.services.query import Query
from gridlore.store.amounts import ROW_OVERHEAD
from gridlore.store.compaction import CompactionStep, compact_sensor, count_events
from gridlore.store.interface import Store, Window, WriteTransaction
from gridlore.store.writer import Writer
from tests.store.test_blocks import fill_directory

QUARTER = 15 * MINUTE
SPAN = Grid(0, QUARTER, 4000)
FILTERS = (
    BeliefFilter(),
    BeliefFilter(prior=5 * DAY),
    BeliefFilter(min_horizon=6 * HOUR),
    BeliefFilter(max_horizon=0),
)


def compact(store: Store) -> list[CompactionStep]:
    return list(compact_sensor(store, store.read_directory().sensors[0]))


def ask_at_random(store: Store, chance: random.Random, count: int) -> Callable[[], list[list[np.ndarray]]]:
    """So many queries, and what they answer each time it is called: values, belief times, sources."""
    directory = Directory(store.read_directory(), NamingAuthority())
    sensor, query = directory.sensors[1], Query(store, max_slots=10_000)
    asked = []
    for _ in range(count):
        start = chance.randrange(3000)
        only = BeliefFilter(
            prior=chance.choice([None, chance.randrange(-2, 40) * DAY + chance.randrange(DAY)]),
            min_horizon=chance.choice([None, chance.randrange(-4, 30) * HOUR]),
            max_horizon=chance.choice([None, None, chance.randrange(-4, 30) * HOUR]),
        )
        when = start * QUARTER, (start + chance.choice([1, 20, 96, 3000])) * QUARTER
        sources = chance.choice([None, (1,), (2,)])
        asked.append(
            ReadQuery(sensor.kind, "MW", (directory.address(sensor),), *when, only=only, sources=sources)
        )

    def answer() -> list[list[np.ndarray]]:
        readings = [query.read(directory, directory.users[1], one)[0].picture for one in asked]
        return [[reading.values, reading.times, reading.sources] for reading in readings]

    return answer


def read(store: Store) -> tuple[Counter[tuple[int, int, int, float]], list[np.ndarray], int]:
    (blocks,) = store.read_blocks([Window(1, -10 * DAY, 100 * DAY, QUARTER)])
    beliefs = Counter(
        (block.source_id, int(event), int(time), float(value))
        for block in blocks
        for event, time, value in zip(block.grid.event_starts(), block.times(), block.values, strict=True)
        if not np.isnan(value)
    )
    pictures = [overlay(blocks, SPAN, only) for only in FILTERS]
    return beliefs, [np.stack([p.values, p.times, p.sources]) for p in pictures], len(blocks)


@pytest.mark.parametrize("seed", range(3))
def test_compaction_changes_no_answer_and_leaves_fewer_blocks(
    store: Store, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.compaction.STEP", 700)
    fill_directory(store)
    chance = random.Random(seed)
    writer = Writer(store, max_queue_bytes=100_000_000, replace=True)
    futures = []
    for _ in range(700):
        grid = Grid(chance.randrange(3000) * QUARTER, QUARTER, chance.choice([1, 1, 1, 4, 24, 96]))
        timing = chance.choice(
            [
                Timing(belief_horizon=0),
                Timing(belief_horizon=24 * HOUR),
                Timing(belief_time=grid.start - HOUR),
            ]
        )
        values = np.array([chance.choice([1.0, 2.0, 3.0]) for _ in range(grid.count)])
        futures.append(writer.submit(list(make_blocks(1, chance.choice([1, 2]), grid, values, timing, 1))))
    for future in futures:
        future.result()
    writer.close()
    answer = ask_at_random(store, chance, 50)
    beliefs, pictures, before = read(store)
    answers = answer()
    steps = compact(store)
    assert len(steps) > 3
    assert sum(step.events for step in steps) == count_events(store, store.read_directory().sensors)
    beliefs_after, pictures_after, after = read(store)
    np.testing.assert_equal(answer(), answers)
    assert beliefs_after == beliefs
    np.testing.assert_equal(pictures_after, pictures)
    assert after < before
    assert sum(step.after - step.before for step in steps) == after - before
    for _ in range(5):
        again = compact(store)
    assert all(step.before == step.after for step in again), "it comes to rest"
    assert read(store)[0] == beliefs


def test_compaction_of_single_values_posted_backwards_leaves_a_handful_of_blocks(store: Store) -> None:
    fill_directory(store)
    writer = Writer(store, max_queue_bytes=100_000_000)
    futures = [
        writer.submit(
            list(
                make_blocks(1, source, Grid(n * QUARTER, QUARTER, 1), np.ones(1), Timing(belief_horizon=0), 1)
            )
        )
        for n in reversed(range(2000))
        for source in (1, 2)
    ]
    for future in futures:
        future.result()
    writer.close()
    compact(store)
    assert read(store)[2] == 2


def store_singles(store: Store, count: int) -> None:
    """Values of two senders in turns and in no order, none of them folded."""
    fill_directory(store)
    events = [(n, source) for n in range(count) for source in (1, 2)]
    random.Random(1).shuffle(events)
    with pytest.MonkeyPatch.context() as context:
        context.setattr("gridlore.store.ledger.due_tier", lambda *_: None)
        writer = Writer(store, max_queue_bytes=100_000_000)
        for n, source in events:
            value, timing = np.array([n + source / 10]), Timing(belief_horizon=0)
            writer.submit(list(make_blocks(1, source, Grid(n * QUARTER, QUARTER, 1), value, timing, n)))
        writer.close()


@pytest.mark.parametrize("failing", [1, 3])
def test_a_step_that_fails_changes_nothing_and_the_next_run_does_the_rest(
    store: Store, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    monkeypatch.setattr("gridlore.store.compaction.STEP", 100)
    store_singles(store, 400)
    beliefs, pictures, before = read(store)
    sensor = store.read_directory().sensors[0]
    steps = compact_sensor(store, sensor)
    done = [next(steps) for _ in range(failing - 1)]

    def cut(transaction: WriteTransaction, blocks: Sequence[Block]) -> None:
        raise RuntimeError("the power is cut")

    with monkeypatch.context() as context:
        with store.begin_write() as transaction:
            context.setattr(type(transaction), "append_blocks", cut)
        with pytest.raises(RuntimeError, match="the power is cut"):
            next(steps)
    assert read(store)[2] == before - sum(step.before - step.after for step in done)
    assert read(store)[0] == beliefs
    assert sum(step.events for step in compact(store)) == 400
    beliefs_after, pictures_after, after = read(store)
    assert (beliefs_after, after) == (beliefs, 8)
    np.testing.assert_equal(pictures_after, pictures)
    (blocks,) = store.read_blocks([Window(1, 0, 400 * QUARTER, QUARTER)])
    arrived = [99, 99, 199, 199, 299, 299, 399, 399]
    assert sorted(block.recorded_at for block in blocks) == arrived, "as the last of what was folded"


def test_posts_and_reads_go_on_meanwhile_and_miss_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.compaction.STEP", 20)
    store_singles(store, 400)
    writer = Writer(store, max_queue_bytes=100_000_000)
    begun, ended = threading.Barrier(3, timeout=30), threading.Event()
    posted, counts = [0], []

    def post() -> None:
        while not ended.is_set():
            grid = Grid((posted[0] % 400) * QUARTER, QUARTER, 1)
            value, timing = np.array([1000.0 + posted[0]]), Timing(belief_time=1000 * DAY + posted[0])
            assert writer.submit(list(make_blocks(1, 1, grid, value, timing, 1))).result().stored == 1
            posted[0] += 1
            if posted[0] == 1:
                begun.wait()

    def look() -> None:
        while not ended.is_set():
            at_least = 800 + posted[0]
            seen = read(store)[0].total()
            counts.append((at_least, seen, 800 + posted[0] + 1))
            if len(counts) == 1:
                begun.wait()

    def wait_for_more(posts: int, looks: int) -> None:
        end = time.monotonic() + 30
        while posted[0] == posts or len(counts) == looks:
            assert time.monotonic() < end, "nothing went on meanwhile"
            time.sleep(0.001)

    steps = []
    with ThreadPoolExecutor() as pool:
        going = [pool.submit(post), pool.submit(look)]
        try:
            begun.wait()
            for step in compact_sensor(store, store.read_directory().sensors[0]):
                steps.append(step)
                wait_for_more(posted[0], len(counts))
        finally:
            ended.set()
        for future in going:
            future.result()
    writer.close()
    assert len(steps) == 20 and sum(step.after for step in steps) < sum(step.before for step in steps)
    assert all(least <= seen <= most for least, seen, most in counts), (
        "a read missed something, or saw it twice"
    )
    assert read(store)[0].total() == 800 + posted[0]


def test_what_is_too_much_at_once_is_compacted_in_parts(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.ledger.due_tier", lambda *_: None)
    fill_directory(store)
    writer = Writer(store, max_queue_bytes=100_000_000)
    for n in range(100):
        grid = Grid(n * QUARTER, QUARTER, 1)
        writer.submit(list(make_blocks(1, 1, grid, np.ones(1), Timing(belief_horizon=0), 1)))
    writer.close()
    before = read(store)
    monkeypatch.setattr("gridlore.store.amounts.MAX_READ_BYTES", 60 * (8 + ROW_OVERHEAD))
    sensor = store.read_directory().sensors[0]
    steps = list(compact_sensor(store, sensor))
    assert len(steps) > 1
    assert sum(step.before for step in steps) == before[2]
    monkeypatch.undo()
    after = read(store)
    assert after[0] == before[0]
    assert sum(step.after for step in steps) == after[2] < before[2]


def test_what_is_too_much_about_one_event_is_told_and_the_rest_is_compacted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.ledger.due_tier", lambda *_: None)
    fill_directory(store)
    writer = Writer(store, max_queue_bytes=100_000_000)
    often = [Timing(belief_time=n) for n in range(20)]
    for n, timing in [(50, timing) for timing in often] + [(n, Timing(belief_horizon=0)) for n in range(50)]:
        value = np.array([timing.belief_time or n], dtype=float)
        writer.submit(list(make_blocks(1, 1, Grid(n * QUARTER, QUARTER, 1), value, timing, 1)))
    writer.close()
    before = read(store)
    monkeypatch.setattr("gridlore.store.amounts.MAX_READ_BYTES", 15 * (8 + ROW_OVERHEAD))
    steps = list(compact_sensor(store, store.read_directory().sensors[0]))
    assert [step.left for step in steps if step.left is not None] == [50 * QUARTER]
    monkeypatch.undo()
    after = read(store)
    assert after[0] == before[0]
    assert after[2] < before[2]


def test_a_sensor_without_data_needs_none(store: Store) -> None:
    fill_directory(store)
    assert list(compact_sensor(store, store.read_directory().sensors[0])) == []
