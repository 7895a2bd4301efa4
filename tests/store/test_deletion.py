"""What is deleted has never been: every answer is that of a sensor to which it was never posted."""

from __future__ import annotations

import random
import threading
from collections import Counter

import numpy as np
import pytest

from gridlore.domain.audit import AuditEntry
from gridlore.domain.beliefs import Block, make_blocks
from gridlore.domain.commands import Receipt
from gridlore.domain.erasure import Period, Tally, add_tallies, newest_belief
from gridlore.domain.heads import Head
from gridlore.domain.overlay import BeliefFilter, overlay
from gridlore.domain.sensors import Sensor
from gridlore.domain.timing import DAY, HOUR, MINUTE, Grid, Timing
from gridlore.store import deletion
from gridlore.store.compaction import compact_sensor
from gridlore.store.deletion import Selection, count_beliefs, delete_beliefs
from gridlore.store.interface import Store, Window
from gridlore.store.writer import Writer
from tests.store.test_blocks import fill_directory

QUARTER = 15 * MINUTE
SPAN = Grid(0, QUARTER, 1300)
FILTERS = (
    BeliefFilter(),
    BeliefFilter(prior=5 * DAY),
    BeliefFilter(min_horizon=6 * HOUR),
    BeliefFilter(max_horizon=0),
)
WHO = AuditEntry(1, None, "delete data", "sensor", None, "", None, None, actor="ann")

Beliefs = Counter[tuple[int, int, int, float]]


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few blocks in a transaction, so that a deletion takes many."""
    monkeypatch.setattr(deletion, "BLOCKS", 8)


def stored(store: Store, sensor_id: int) -> list[Block]:
    return store.read_blocks([Window(sensor_id, -10 * DAY, 100 * DAY, QUARTER)])[0]


def beliefs_in(blocks: list[Block]) -> Beliefs:
    return Counter(
        (block.source_id, int(event), int(time), float(value))
        for block in blocks
        for event, time, value in zip(block.grid.event_starts(), block.times(), block.values, strict=True)
        if not np.isnan(value)
    )


def answers(blocks: list[Block]) -> list[np.ndarray]:
    pictures = [overlay(blocks, SPAN, only) for only in FILTERS]
    return [np.stack([p.values, p.times, p.sources]) for p in pictures]


def check_invariants(store: Store, sensor_id: int) -> None:
    """What every reader relies on (docs/storage-format.md), and a head that knows its blocks."""
    blocks = stored(store, sensor_id)
    assert len({block.seq for block in blocks}) == len(blocks)
    assert not [block for block in blocks if np.isnan(block.values[[0, -1]]).any()]
    assert max(beliefs_in(blocks).values(), default=1) == 1
    head = store.read_heads([sensor_id])[sensor_id]
    latest, measured = (newest_belief(blocks, None, measured=which) for which in (False, True))
    assert head == Head(
        sensor_id,
        head.next_seq,
        min((block.start for block in blocks), default=None),
        max((block.end for block in blocks), default=None),
        latest and latest[1],
        measured and measured[1],
    )
    assert all(block.seq < head.next_seq for block in blocks)


def delete(store: Store, selection: Selection) -> dict[int, Tally]:
    counted = count_beliefs(store, selection)
    deleted: dict[int, Tally] = {}
    for step in delete_beliefs(store, selection, WHO):
        check_invariants(store, selection.sensor.id)
        add_tallies(deleted, step)
    assert deleted == counted, "a dry run counts what will be deleted"
    assert count_beliefs(store, selection) == {}
    return deleted


def random_post(chance: random.Random) -> tuple[int, Grid, np.ndarray, Timing]:
    grid = Grid(chance.randrange(1200) * QUARTER, QUARTER, chance.choice([1, 1, 1, 4, 24, 96]))
    source = chance.choice([1, 2])
    # Of two sources that believe something since one moment the last to arrive is the newest, which a folded
    # block does not know any more: here no two do.
    apart = source * MINUTE
    timing = chance.choice(
        [
            Timing(belief_horizon=-apart),
            Timing(belief_horizon=24 * HOUR + apart),
            Timing(belief_time=grid.start - HOUR - apart),
        ]
    )
    return source, grid, np.array([chance.choice([1.0, 2.0, 3.0]) for _ in range(grid.count)]), timing


def parts_outside(grid: Grid, values: np.ndarray, period: Period) -> list[tuple[Grid, np.ndarray]]:
    starts = grid.event_starts()
    sides = (starts < period.start, starts >= period.end)
    return [
        (Grid(int(starts[side][0]), QUARTER, int(side.sum())), values[side]) for side in sides if side.any()
    ]


@pytest.mark.parametrize("seed", range(3))
def test_after_a_deletion_all_is_as_if_it_had_never_been_posted(store: Store, seed: int) -> None:
    fill_directory(store)
    chance = random.Random(seed)
    period = Period(chance.randrange(400) * QUARTER, chance.randrange(600, 1300) * QUARTER + 1)
    sources = chance.choice([None, {1: "user1"}, {2: "user2"}])
    writer = Writer(store, max_queue_bytes=100_000_000, replace=True)
    futures = []
    for _ in range(250):
        source, grid, values, timing = random_post(chance)
        futures.append(writer.submit(list(make_blocks(1, source, grid, values, timing, 1))))
        spared = sources is not None and source not in sources
        for part, kept in [(grid, values)] if spared else parts_outside(grid, values, period):
            futures.append(writer.submit(list(make_blocks(2, source, part, kept, timing, 1))))
    for future in futures:
        future.result()
    writer.close()
    sensors = store.read_directory().sensors
    everything = beliefs_in(stored(store, 1))
    deleted = delete(store, Selection(sensors[0], period, sources))
    left = beliefs_in(stored(store, 1))
    gone = everything - left
    assert not left - everything
    assert sum(tally.count for tally in deleted.values()) == gone.total() > 0
    assert left == beliefs_in(stored(store, 2))
    for one, other in zip(answers(stored(store, 1)), answers(stored(store, 2)), strict=True):
        np.testing.assert_array_equal(one, other)
    heads = store.read_heads([1, 2])
    assert heads[1]._replace(sensor_id=2, next_seq=0) == heads[2]._replace(next_seq=0)


def test_nothing_escapes_that_is_folded_between_two_steps(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.deletion.BLOCKS", 2)
    fill_directory(store)
    writer = Writer(store, max_queue_bytes=100_000_000)

    def post(event: int, horizon: int) -> None:
        grid = Grid(event * QUARTER, QUARTER, 1)
        values = np.full(1, float(event + horizon))
        writer.submit(list(make_blocks(1, 1, grid, values, Timing(belief_horizon=horizon), 1))).result()

    for event, horizon in ((0, DAY), (0, HOUR), (40, HOUR)):
        post(event, horizon)
    sensor = store.read_directory().sensors[0]
    selection = Selection(sensor, Period(-DAY, 100 * DAY), {1: "user1"})
    steps = delete_beliefs(store, selection, WHO)
    assert next(steps)[1].count == 2
    post(1, DAY)
    assert [step.after for step in compact_sensor(store, sensor)] == [1]
    for _ in steps:
        pass
    writer.close()
    assert count_beliefs(store, selection) == {}


def test_every_step_is_recorded_with_who_what_and_how_many(store: Store) -> None:
    fill_directory(store)
    writer = Writer(store, max_queue_bytes=100_000_000)
    for day in range(20):
        grid = Grid(day * DAY, QUARTER, 96)
        writer.submit(list(make_blocks(1, 1, grid, np.ones(96), Timing(belief_horizon=0), 1))).result()
    writer.close()
    selection = Selection(store.read_directory().sensors[0], Period(DAY, 19 * DAY), {1: "user1"})
    delete(store, selection)
    entries = store.read_audit(100)
    assert sum(int((entry.before or {})["values"]) for entry in entries) == 18 * 96
    assert {entry.actor for entry in entries} == {"ann"}
    assert entries[0].title == "connection CS 1"
    assert (entries[0].before or {})["by source"].startswith("user1: ")
    assert len(stored(store, 1)) == 2


def test_what_was_deleted_may_be_posted_again_also_all_of_a_sensor(store: Store) -> None:
    fill_directory(store)
    writer = Writer(store, max_queue_bytes=100_000_000)
    blocks = list(make_blocks(1, 1, Grid(0, QUARTER, 5000), np.arange(5000.0), Timing(belief_horizon=0), 1))
    assert writer.submit(blocks).result() == Receipt(5000, 0)
    sensor = store.read_directory().sensors[0]
    assert delete(store, Selection(sensor, Period(-DAY, 100 * DAY)))[1].count == 5000
    assert store.read_heads([1])[1].events_start is None
    assert writer.submit(blocks).result() == Receipt(5000, 0)
    delete(store, Selection(sensor, Period(QUARTER, 2 * QUARTER)))
    assert writer.submit(blocks).result() == Receipt(1, 4999)
    writer.close()
    check_invariants(store, 1)


def test_posts_while_a_deletion_runs_are_kept_outside_it_and_leave_no_half(store: Store) -> None:
    fill_directory(store)
    writer = Writer(store, max_queue_bytes=100_000_000)
    for day in range(60):
        grid = Grid(day * DAY, QUARTER, 96)
        writer.submit(list(make_blocks(1, 1, grid, np.ones(96), Timing(belief_horizon=0), 1))).result()
    sensor: Sensor = store.read_directory().sensors[0]
    go, stop = threading.Event(), threading.Event()

    def post() -> None:
        event = 0
        while not stop.is_set():
            grid = Grid(60 * DAY + event * QUARTER, QUARTER, 1)
            writer.submit(list(make_blocks(1, 2, grid, np.ones(1), Timing(belief_horizon=0), 1))).result()
            event += 1
            go.set()
        posted.append(event)

    posted: list[int] = []
    thread = threading.Thread(target=post)
    thread.start()
    try:
        go.wait(10)
        for _ in delete_beliefs(store, Selection(sensor, Period(10 * DAY, 50 * DAY)), WHO):
            pass
    finally:
        stop.set()
    thread.join()
    writer.close()
    check_invariants(store, 1)
    left = beliefs_in(stored(store, 1))
    assert Counter(source for source, *_ in left) == {1: 20 * 96, 2: posted[0]}
    assert not [event for source, event, *_ in left if source == 1 and 10 * DAY <= event < 50 * DAY]
