"""Compaction leaves fewer blocks and every belief where it was."""

import random
from collections import Counter

import numpy as np
import pytest

from gridlore.domain.beliefs import make_blocks
from gridlore.domain.overlay import BeliefFilter, overlay
from gridlore.domain.timing import DAY, HOUR, MINUTE, Grid, Timing
from gridlore.store.amounts import ROW_OVERHEAD
from gridlore.store.compaction import compact_sensor
from gridlore.store.interface import Store, Window
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
def test_compaction_changes_no_answer_and_leaves_fewer_blocks(store: Store, seed: int) -> None:
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
    sensor = store.read_directory().sensors[0]
    beliefs, pictures, before = read(store)
    steps = list(compact_sensor(store, sensor))
    beliefs_after, pictures_after, after = read(store)
    assert beliefs_after == beliefs
    for picture, picture_after in zip(pictures, pictures_after, strict=True):
        np.testing.assert_array_equal(picture, picture_after)
    assert after < before
    assert sum(step.after - step.before for step in steps) == after - before
    for _ in range(5):
        again = list(compact_sensor(store, sensor))
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
    for _ in compact_sensor(store, store.read_directory().sensors[0]):
        pass
    assert read(store)[2] == 2


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
