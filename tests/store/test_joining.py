"""Joined blocks: the same beliefs in fewer blocks, from either store."""

from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given

from gridlore.domain.beliefs import Block
from gridlore.domain.timing import DAY, HOUR
from gridlore.store.interface import Store, Window
from gridlore.store.joining import FEW, blocks_from_rows
from gridlore.store.relational import BELIEF_COLUMNS, BLOCK_COLUMNS, block_to_row
from tests.domain.strategies import RESOLUTION, SENSOR, block_lists
from tests.store.test_blocks import QUARTER, append, fill_directory, in_order

DAYS = 2 * FEW
SLOTS = DAY // QUARTER


def row_of(block: Block) -> tuple[Any, ...]:
    """What is read of a block that may be joined."""
    cells = dict(zip(BLOCK_COLUMNS, block_to_row(block), strict=True))
    return tuple([cells[column] for column in BELIEF_COLUMNS])


@given(block_lists(source_ids=[1, 2], max_size=20))
def test_joined_blocks_hold_the_same_beliefs(blocks: list[Block]) -> None:
    rows = [row_of(block) for block in sorted(blocks, key=lambda block: block.start)]
    with patch("gridlore.store.joining.FEW", 0), patch("gridlore.store.joining.WORTH_JOINING", 1):
        joined = blocks_from_rows(rows, Window(SENSOR, 0, 1, RESOLUTION, joined=True))
    assert in_order(joined) == in_order(blocks)
    assert {block.sensor_id for block in joined} <= {SENSOR}


def day(number: int, source: int = 1, **known: Any) -> Block:
    """What a source says about a day, known at ``known``; it arrives the day after."""
    values = np.arange(SLOTS) + 100.0 * number
    return Block(2, source, number * DAY, QUARTER, values, recorded_at=(number + 1) * DAY, **known)


def read(store: Store, blocks: Sequence[Block], start: int = 0, end: int = DAYS * DAY) -> list[Block]:
    """What comes back of some blocks that arrive in this order; by source and start."""
    fill_directory(store)
    append(store, *[block.numbered(seq) for seq, block in enumerate(blocks, 1)])
    (found,) = store.read_blocks([Window(2, start, end, QUARTER, joined=True)])
    return sorted(found, key=lambda block: (block.source_id, block.start, block.seq))


def test_days_that_roll_with_one_horizon_are_one_block(store: Store) -> None:
    days = [day(number, belief_horizon=HOUR) for number in range(DAYS)]
    (block,) = read(store, days)
    assert (block.sensor_id, block.source_id, block.start, block.resolution) == (2, 1, 0, QUARTER)
    assert (block.belief_time, block.belief_horizon, block.belief_times) == (None, HOUR, None)
    np.testing.assert_array_equal(block.values, np.concatenate([one.values for one in days]))


def test_days_each_known_at_a_time_are_one_block(store: Store) -> None:
    (block,) = read(store, [day(number, belief_time=number * DAY) for number in range(DAYS)])
    assert (block.belief_time, block.belief_horizon) == (None, None)
    np.testing.assert_array_equal(block.times(), np.repeat(np.arange(DAYS) * DAY, SLOTS))


def test_days_all_known_at_one_time_are_one_block_known_then(store: Store) -> None:
    (block,) = read(store, [day(number, belief_time=HOUR) for number in range(DAYS)])
    assert (block.belief_time, block.belief_horizon, block.belief_times) == (HOUR, None, None)


@pytest.mark.parametrize(("together", "expected"), [(4, DAYS), (5, DAYS // 5 + 1)])
def test_where_few_follow_one_another_each_comes_by_itself(
    store: Store, together: int, expected: int
) -> None:
    days = [day(number, belief_horizon=number // together) for number in range(DAYS)]
    assert len(read(store, days)) == expected


def test_what_stands_alone_does_not_keep_others_from_being_joined(store: Store) -> None:
    days = [day(number, belief_horizon=0 if number < 8 else number) for number in range(DAYS)]
    assert len(read(store, days)) == DAYS - 7


def test_days_of_which_each_value_has_a_time_are_one_block(store: Store) -> None:
    (block,) = read(store, [day(number, belief_times=np.arange(SLOTS) + number) for number in range(DAYS)])
    assert (block.belief_time, block.belief_horizon) == (None, None)
    expected = np.arange(SLOTS) + np.arange(DAYS)[:, np.newaxis]
    np.testing.assert_array_equal(block.times(), expected.ravel())


def test_forecasts_made_again_and_again_are_a_block_for_each_time_they_were_made(store: Store) -> None:
    ahead = (3 * DAY, 2 * DAY, DAY)
    blocks = read(store, [day(number, belief_time=number * DAY - h) for number in range(DAYS) for h in ahead])
    assert [block.values.size for block in blocks] == [DAYS * SLOTS] * 3
    for block, horizon in zip(blocks, ahead, strict=True):
        np.testing.assert_array_equal(block.times(), np.repeat(np.arange(DAYS) * DAY - horizon, SLOTS))


def test_only_what_one_source_says_without_a_gap_and_known_alike_is_joined(store: Store) -> None:
    blocks = [
        *[day(number, belief_horizon=0) for number in range(DAYS) if number != 5],
        *[day(number, belief_horizon=0 if number < 7 else HOUR, source=2) for number in range(DAYS)],
    ]
    found = [(block.source_id, block.start, block.belief_horizon, block.end) for block in read(store, blocks)]
    assert found == [
        (1, 0, 0, 5 * DAY),
        (1, 6 * DAY, 0, DAYS * DAY),
        (2, 0, 0, 7 * DAY),
        (2, 7 * DAY, HOUR, DAYS * DAY),
    ]


def test_what_overlaps_is_not_joined(store: Store) -> None:
    later = [day(number, belief_horizon=0) for number in range(DAYS)]
    shifted = [Block(2, 1, one.start + HOUR, QUARTER, one.values, belief_horizon=0) for one in later]
    found = read(store, [*later, *shifted], end=(DAYS + 1) * DAY)
    assert [(block.start, block.end) for block in found] == [(0, DAYS * DAY), (HOUR, DAYS * DAY + HOUR)]


@pytest.mark.parametrize("end", [DAYS * DAY, 40 * DAY + HOUR])
def test_a_joined_block_is_cut_to_the_window(store: Store, end: int) -> None:
    (block,) = read(store, [day(number, belief_horizon=0) for number in range(DAYS)], start=HOUR, end=end)
    assert (block.start, block.end) == (HOUR, end)


def test_each_window_is_joined_by_itself(store: Store) -> None:
    fill_directory(store)
    append(store, *[day(number, belief_horizon=0).numbered(number + 1) for number in range(DAYS)])
    windows = [
        Window(2, 0, 40 * DAY, QUARTER, joined=True),
        Window(2, 0, 40 * DAY, QUARTER),
        Window(1, 0, 40 * DAY, QUARTER, joined=True),
        Window(2, 10 * DAY, DAYS * DAY, QUARTER, joined=True),
    ]
    assert [len(blocks) for blocks in store.read_blocks(windows)] == [1, 40, 0, 1]


def test_what_lies_between_the_events_of_the_rest_is_not_joined_to_it() -> None:
    days = [day(number, belief_horizon=0) for number in range(DAYS)]
    days[5].start += 1
    blocks = blocks_from_rows([row_of(one) for one in days], Window(2, 0, 1, QUARTER, joined=True))
    assert [block.start for block in blocks] == [0, 5 * DAY + 1, 6 * DAY]
