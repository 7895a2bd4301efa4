"""Blocks say what was posted, no more and no less."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gridlore.domain.beliefs import MAX_BLOCK_VALUES, MAX_HOLE, Block, make_blocks, split_block
from gridlore.domain.timing import Grid, Timing

from .oracle import Belief, belief_time_of
from .strategies import RESOLUTION, SENSOR, TIMINGS, beliefs_of, block_lists, event_start, posts


def stated_ways(block: Block) -> int:
    return sum(one is not None for one in (block.belief_time, block.belief_horizon, block.belief_times))


@given(posts())
def test_each_event_is_known_at_the_earlier_of_time_and_horizon(post):
    blocks = list(make_blocks(SENSOR, post.source_id, post.grid, np.array(post.values), post.timing, 99))
    expected = []
    for index, value in enumerate(post.values):
        start = post.grid.start + index * RESOLUTION
        time = belief_time_of(start + RESOLUTION, post.timing.belief_time, post.timing.belief_horizon)
        expected.append(Belief(post.source_id, start, time, value))
    assert beliefs_of(blocks) == expected
    assert len(blocks) <= 2
    assert all(block.recorded_at == 99 and stated_ways(block) == 1 for block in blocks)


@given(posts())
def test_a_single_value_is_rolling_so_that_neighbours_fold(post):
    grid = Grid(post.grid.start, RESOLUTION, 1)
    [block] = make_blocks(SENSOR, 1, grid, np.array(post.values[:1]), post.timing, 0)
    assert block.belief_horizon is not None


def test_known_on_arrival_is_rolling_up_to_the_arrival_and_fixed_after():
    grid = Grid(event_start(0), RESOLUTION, 6)
    arrival = event_start(3)
    past, future = make_blocks(SENSOR, 1, grid, np.arange(6.0), Timing(arrival, 0), arrival)
    assert (past.belief_horizon, past.values.tolist()) == (0, [0.0, 1.0, 2.0])
    assert (future.belief_time, future.values.tolist()) == (arrival, [3.0, 4.0, 5.0])


@given(block_lists())
def test_the_times_of_a_block_are_those_its_fields_state(blocks):
    for block in blocks:
        whole = replace(block, values=np.zeros(block.values.size))
        assert block.times().tolist() == [belief.belief_time for belief in beliefs_of([whole])]


@given(st.data(), block_lists())
def test_a_cut_and_its_rest_say_the_same_as_the_whole(data, blocks):
    for block in blocks:
        at = data.draw(st.integers(0, block.values.size))
        parts = [block.cut(0, at), block.cut(at, block.values.size)]
        assert beliefs_of(parts) == beliefs_of([block])
        assert parts[0].end == parts[1].start


@given(st.data(), block_lists())
def test_holes_take_out_just_those_beliefs(data, blocks):
    for block in blocks:
        size = block.values.size
        holes = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)))
        gone = {block.start + int(index) * RESOLUTION for index in np.flatnonzero(holes)}
        kept = [belief for belief in beliefs_of([block]) if belief.event_start not in gone]
        assert beliefs_of([block.with_holes(holes)]) == kept


RUNS = st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=12)


@given(RUNS, TIMINGS)
def test_splitting_keeps_every_belief_in_blocks_fit_to_store(runs, timing):
    values = np.array([1.0 if known else np.nan for known, length in runs for _ in range(length)])
    if values.size == 0:
        return
    grid = Grid(event_start(0), RESOLUTION, values.size)
    for block in make_blocks(SENSOR, 1, grid, values, timing, 0):
        pieces = list(split_block(block))
        assert Counter(beliefs_of(pieces)) == Counter(beliefs_of([block]))
        for piece in pieces:
            known = np.flatnonzero(~np.isnan(piece.values))
            assert known[0] == 0
            assert known[-1] == piece.values.size - 1
            assert np.diff(known).max(initial=1) - 1 <= MAX_HOLE
            assert (piece.start - block.start) % RESOLUTION == 0


@given(st.integers(1, 3 * MAX_BLOCK_VALUES), st.integers(0, 40))
def test_no_piece_is_longer_than_a_block_may_be(length, hole_step):
    values = np.arange(float(length))
    if hole_step > 1:
        values[1:-1:hole_step] = np.nan
    block = Block(SENSOR, 1, event_start(0), RESOLUTION, values, belief_time=5)
    pieces = list(split_block(block))
    assert all(0 < piece.values.size <= MAX_BLOCK_VALUES for piece in pieces)
    assert Counter(beliefs_of(pieces)) == Counter(beliefs_of([block]))


def test_a_block_of_which_nothing_is_news_is_not_stored():
    assert list(split_block(Block(SENSOR, 1, 0, RESOLUTION, np.full(4, np.nan), belief_time=5))) == []


def test_only_a_hole_longer_than_the_longest_allowed_splits_a_block():
    def with_hole_of(length: int) -> Block:
        values = np.array([1.0, *[np.nan] * length, 2.0])
        return Block(SENSOR, 1, 0, RESOLUTION, values, belief_time=5)

    assert len(list(split_block(with_hole_of(MAX_HOLE)))) == 1
    assert len(list(split_block(with_hole_of(MAX_HOLE + 1)))) == 2


def test_the_end_of_a_block_is_the_end_of_its_last_event():
    assert Block(SENSOR, 1, 20, RESOLUTION, np.zeros(3), belief_time=5).end == 50
