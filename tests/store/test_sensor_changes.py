"""A sensor's grid and its first values are not changed at the same time, whichever process comes first."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gridlore.domain.audit import AuditEntry
from gridlore.domain.beliefs import make_blocks
from gridlore.domain.commands import Receipt, Target
from gridlore.domain.erasure import Period
from gridlore.domain.errors import SensorInUseError, StoreUnavailableError
from gridlore.domain.heads import Head
from gridlore.domain.sensors import Sensor
from gridlore.domain.timing import MINUTE, Grid, Timing
from gridlore.store.compaction import compact_sensor
from gridlore.store.deletion import Selection, delete_beliefs
from gridlore.store.interface import Store, Window
from gridlore.store.writer import Writer
from tests.store.test_blocks import fill_directory

QUARTER = 15 * MINUTE
FIVE = 5 * MINUTE


@pytest.fixture
def sensor(store: Store) -> Sensor:
    fill_directory(store, sensors=1)
    return store.read_directory().sensors[0]


@pytest.fixture
def other() -> Iterator[ThreadPoolExecutor]:
    """Another thread, with a connection of its own."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def change(store: Store, sensor: Sensor) -> None:
    with store.change_directory() as directory:
        directory.save_sensor(sensor)


def test_a_grid_is_not_changed_while_the_first_values_are_being_stored(
    store: Store, sensor: Sensor, other: ThreadPoolExecutor
) -> None:
    with store.begin_write() as transaction:
        head = transaction.lock_sensors([1])[1]
        (block,) = make_blocks(1, 1, Grid(0, QUARTER, 4), np.ones(4), Timing(belief_horizon=0), 1)
        transaction.append_blocks([block.numbered(1)])
        transaction.save_heads([head._replace(next_seq=2, events_start=0, events_end=block.end)])
        changing = other.submit(change, store, replace(sensor, resolution=FIVE))
        with pytest.raises(NotYet):
            changing.result(0.2)
    with pytest.raises(SensorInUseError, match="Values of connection CS 1 have been stored"):
        changing.result()
    assert store.read_directory().sensors == [sensor]
    change(store, replace(sensor, name="CS one"))


@pytest.mark.parametrize("changed", [{"resolution": FIVE}, {"grid_offset": FIVE}, {"unit": "kW"}], ids=str)
def test_values_that_were_read_for_another_grid_or_unit_are_not_stored(
    store: Store, sensor: Sensor, changed: dict[str, Any]
) -> None:
    writer = Writer(store, max_queue_bytes=1_000_000)
    blocks = list(make_blocks(1, 1, Grid(0, QUARTER, 4), np.ones(4), Timing(belief_horizon=0), 1))
    with store.change_directory() as directory:
        directory.save_sensor(replace(sensor, **changed))
        waiting = writer.submit(blocks, {1: Target("CS 1", "MW")})
        with pytest.raises(NotYet):
            waiting.result(0.2)
    with pytest.raises(StoreUnavailableError, match="CS 1 has just been changed"):
        waiting.result()
    assert store.read_blocks([Window(1, 0, 100 * QUARTER, FIVE)]) == [[]]
    assert store.read_heads([1]) == {1: Head(1)}
    change(store, sensor)
    assert writer.submit(blocks).result() == Receipt(4, 0)
    writer.close()


@pytest.fixture
def changed(store: Store, sensor: Sensor) -> Sensor:
    """The sensor as it is now: every five minutes, with values of an hour, one by one in no order."""
    now = replace(sensor, resolution=FIVE)
    change(store, now)
    writer = Writer(store, max_queue_bytes=1_000_000)
    for number in (*range(0, 12, 2), *range(1, 12, 2)):
        grid, timing = Grid(number * FIVE, FIVE, 1), Timing(belief_horizon=0)
        writer.submit(
            list(make_blocks(1, number % 2 + 1, grid, np.array([float(number)]), timing, 1))
        ).result()
    writer.close()
    return now


def known(store: Store) -> list[tuple[int, float]]:
    (found,) = store.read_blocks([Window(1, 0, 12 * FIVE, FIVE)])
    values = [
        (int(start), float(value))
        for block in found
        for start, value in zip(block.grid.event_starts(), block.values, strict=True)
        if not np.isnan(value)
    ]
    return sorted(values)


ALL = [(number * FIVE, float(number)) for number in range(12)]


def test_values_for_an_old_grid_are_not_stored_beside_those_for_the_new_one(
    store: Store, changed: Sensor
) -> None:
    """Two messages were read, one before the grid changed and one after; the later one came first."""
    writer = Writer(store, max_queue_bytes=1_000_000)
    for resolution, offset in ((QUARTER, 0), (FIVE, MINUTE)):
        blocks = list(make_blocks(1, 1, Grid(offset, resolution, 4), np.ones(4), Timing(belief_horizon=0), 1))
        with pytest.raises(StoreUnavailableError, match="CS 1 has just been changed"):
            writer.submit(blocks, {1: Target("CS 1", "MW")}).result()
    writer.close()
    assert known(store) == ALL


def test_a_sensor_is_not_compacted_by_a_grid_that_it_had_before(
    store: Store, sensor: Sensor, changed: Sensor
) -> None:
    with pytest.raises(StoreUnavailableError, match="CS 1 has just been changed"):
        list(compact_sensor(store, sensor))
    assert known(store) == ALL
    list(compact_sensor(store, changed))
    assert known(store) == ALL


def test_nothing_is_deleted_by_a_grid_that_a_sensor_had_before(
    store: Store, sensor: Sensor, changed: Sensor
) -> None:
    entry = AuditEntry(1, None, "delete data", "sensor", 1, "", None, None, actor="the tests")
    with pytest.raises(StoreUnavailableError, match="CS 1 has just been changed"):
        list(delete_beliefs(store, Selection(sensor, Period(0, 6 * FIVE)), entry))
    assert known(store) == ALL
    list(delete_beliefs(store, Selection(changed, Period(0, 6 * FIVE)), entry))
    assert known(store) == ALL[6:]
    assert store.read_heads([1])[1].grid == (FIVE, 0)
