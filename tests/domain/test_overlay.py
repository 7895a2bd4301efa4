"""Overlaying blocks gives what picking beliefs one at a time gives."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridlore.domain.beliefs import Block
from gridlore.domain.errors import GridError
from gridlore.domain.overlay import BeliefFilter, Picture, _lay, overlay, split_into_layers
from gridlore.domain.timing import NEVER, Grid

from .oracle import answer, most_recent
from .strategies import (
    BELIEF_TIMES,
    HORIZONS,
    KINDS,
    RESOLUTION,
    SENSOR,
    SOURCES,
    beliefs_of,
    block_lists,
    event_start,
    filters,
    grids,
    questions,
)


def rows(picture: Picture) -> list[tuple[float, int, int] | None]:
    """(value, belief time, source) of each event; None where nobody held a belief."""
    told = zip(picture.values.tolist(), picture.times.tolist(), picture.sources.tolist(), strict=True)
    return [None if np.isnan(value) else (value, time, source) for value, time, source in told]


def expected_rows(blocks, grid, only, kinds=None, own=None):
    """The same from the oracle."""
    beliefs = beliefs_of(blocks)
    found = [answer(beliefs, question, kinds or {}, own) for question in questions(grid, only)]
    return [b and (b.value, b.belief_time, b.source_id) for b in found]


def fixed(start: int, values: list[float], belief_time: int, source_id: int = 1) -> Block:
    return Block(SENSOR, source_id, start, RESOLUTION, np.array(values), belief_time=belief_time)


@given(st.data(), block_lists(), grids())
def test_blocks_are_left_as_they_are_and_their_arrays_are_not_given_away(data, blocks, grid):
    arrays = [array for block in blocks for array in (block.values, block.belief_times) if array is not None]
    for array in arrays:
        array.setflags(write=False)
    picture = overlay(blocks, grid, data.draw(filters(grid)), sources=SOURCES)
    for given_out in (picture.values, picture.times, picture.sources):
        assert given_out.flags.writeable
        assert not any(np.shares_memory(given_out, array) for array in arrays)


@given(st.data(), block_lists(source_ids=[1]), grids())
def test_the_newest_belief_that_passes_every_filter_wins(data, blocks, grid):
    only = data.draw(filters(grid))
    beliefs = beliefs_of(blocks)
    expected = [most_recent(beliefs, question) for question in questions(grid, only)]
    assert rows(overlay(blocks, grid, only)) == [b and (b.value, b.belief_time, 1) for b in expected]


@given(st.data(), block_lists(), grids(), st.one_of(st.none(), st.sampled_from(sorted(SOURCES))))
def test_trusted_kinds_come_first_then_the_newest_then_ones_own_then_the_lower_id(data, blocks, grid, own):
    only = data.draw(filters(grid))
    picture = overlay(blocks, grid, only, sources=SOURCES, own_source_id=own)
    assert rows(picture) == expected_rows(blocks, grid, only, KINDS, own)


@given(st.data(), block_lists(source_ids=[1, 2, 3]), grids())
def test_without_kinds_all_sources_are_peers(data, blocks, grid):
    only = data.draw(filters(grid))
    assert rows(overlay(blocks, grid, only, own_source_id=2)) == expected_rows(blocks, grid, only, own=2)


@given(st.data(), block_lists(), grids())
def test_the_order_of_arrival_does_not_matter(data, blocks, grid):
    shuffled = data.draw(st.permutations(blocks))
    one = overlay(blocks, grid, sources=SOURCES)
    other = overlay(shuffled, grid, sources=SOURCES)
    assert rows(one) == rows(other)


@given(block_lists(), grids())
def test_events_nobody_knows_are_nan_at_no_time_from_no_source(blocks, grid):
    picture = overlay(blocks, grid, sources=SOURCES)
    unknown = np.isnan(picture.values)
    assert (picture.times[unknown] == NEVER).all()
    assert (picture.sources[unknown] == 0).all()
    assert (picture.times[~unknown] != NEVER).all()
    assert (picture.sources[~unknown] > 0).all()


@given(block_lists(), grids(), st.integers(1, 24))
def test_asking_for_a_part_of_the_events_answers_that_part(blocks, grid, first):
    skipped = min(first, grid.count - 1)
    part = Grid(grid.start + skipped * RESOLUTION, RESOLUTION, grid.count - skipped)
    assert (
        rows(overlay(blocks, part, sources=SOURCES)) == rows(overlay(blocks, grid, sources=SOURCES))[skipped:]
    )


@given(block_lists(source_ids=[1]), grids(), BELIEF_TIMES)
def test_one_prior_for_all_events_is_the_same_prior_for_each(blocks, grid, prior):
    each = np.full(grid.count, prior)
    assert rows(overlay(blocks, grid, BeliefFilter(prior))) == rows(overlay(blocks, grid, BeliefFilter(each)))


@given(block_lists(source_ids=[1]), grids(), HORIZONS)
def test_every_belief_is_either_nearer_or_farther_than_a_horizon(blocks, grid, horizon):
    farther = overlay(blocks, grid, BeliefFilter(min_horizon=horizon + 1))
    nearer = overlay(blocks, grid, BeliefFilter(max_horizon=horizon))
    either = np.where(np.isnan(nearer.values), farther.values, nearer.values)
    assert np.array_equal(either, overlay(blocks, grid).values, equal_nan=True)


@given(block_lists())
def test_a_filter_leaves_out_by_its_header_only_a_block_of_which_nothing_passes(blocks):
    for block in blocks:
        for only in (
            BeliefFilter(event_start(10)),
            BeliefFilter(min_horizon=10),
            BeliefFilter(max_horizon=-10),
        ):
            if not only.admit([block]):
                assert (
                    rows(overlay([replace(block, values=np.ones(block.values.size))], block.grid, only))
                    == [None] * block.values.size
                )


@given(block_lists())
def test_layers_are_as_few_as_can_be_hold_every_block_once_and_none_overlap_within_one(blocks):
    layers = split_into_layers(blocks)
    assert sorted(block.seq for layer in layers for block in layer) == [block.seq for block in blocks]
    for layer in layers:
        assert all(earlier.end <= later.start for earlier, later in pairwise(layer))
    deepest = [sum(other.start <= block.start < other.end for other in blocks) for block in blocks]
    assert len(layers) == max(deepest, default=0)


def test_sources_that_state_the_same_days_keep_to_a_layer_each():
    days = [
        fixed(event_start(8 * day), [1.0] * 8, time, source_id=source)
        for day in range(20)
        for source, time in ((1, 10), (2, 20), (3, 30))
    ]
    for layer in split_into_layers(days):
        assert len({block.source_id for block in layer}) == 1


def test_disjoint_blocks_share_one_layer():
    days = [fixed(event_start(8 * day), [1.0] * 8, event_start(8 * day)) for day in range(20)]
    assert len(split_into_layers(reversed(days))) == 1


@given(st.data(), block_lists(), grids(), st.integers(0, 2))
def test_of_a_deep_stack_only_what_can_be_newer_is_laid_and_nothing_is_missed(data, blocks, grid, deep):
    only = data.draw(filters(grid))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gridlore.domain.overlay.DEEP", deep)
        picture = overlay(blocks, grid, only, sources=SOURCES, own_source_id=2)
    assert rows(picture) == expected_rows(blocks, grid, only, KINDS, 2)


@pytest.mark.parametrize("prior", [None, 300])
def test_a_thousand_beliefs_about_the_same_events_cost_little_more_than_the_newest(monkeypatch, prior):
    stack = [fixed(event_start(0), [float(time)] * 8, time) for time in range(1_000)]
    laid = Mock(side_effect=_lay)
    monkeypatch.setattr("gridlore.domain.overlay._lay", laid)
    picture = overlay(stack, Grid(event_start(0), RESOLUTION, 8), BeliefFilter(prior))
    assert picture.values.tolist() == [999.0 if prior is None else 300.0] * 8
    assert laid.call_count == 1


def test_what_follows_one_another_stays_in_one_layer_after_a_deep_stretch():
    first = fixed(event_start(0), [1.0] * 10, 1)
    second = fixed(event_start(5), [1.0], 2)
    following = [fixed(event_start(10 + n), [1.0], 3 + n) for n in range(10)]
    assert sorted(len(layer) for layer in split_into_layers([first, second, *following])) == [1, 11]


def test_a_late_older_belief_does_not_hide_the_newer_one():
    newer, older = fixed(event_start(0), [2.0], 2_000), fixed(event_start(0), [1.0], 1_500)
    assert overlay([newer, older], Grid(event_start(0), RESOLUTION, 1)).values.tolist() == [2.0]


def test_on_a_tie_ones_own_source_wins_and_otherwise_the_lower_id():
    grid = Grid(event_start(0), RESOLUTION, 1)
    blocks = [fixed(grid.start, [float(source_id)], 1_500, source_id) for source_id in (2, 1)]
    assert overlay(blocks, grid).values.tolist() == [1.0]
    assert overlay(blocks, grid, own_source_id=2).values.tolist() == [2.0]


EDGE = event_start(0) + RESOLUTION - 5
"""A belief time 5 µs before the end of event 0."""


@pytest.mark.parametrize(
    "timing",
    [{"belief_time": EDGE}, {"belief_horizon": 5}, {"belief_times": np.array([EDGE])}],
    ids=["fixed", "rolling", "merged"],
)
@pytest.mark.parametrize(
    ("only", "counts"),
    [
        (BeliefFilter(prior=EDGE), True),
        (BeliefFilter(prior=EDGE - 1), False),
        (BeliefFilter(min_horizon=5), True),
        (BeliefFilter(min_horizon=6), False),
        (BeliefFilter(max_horizon=5), True),
        (BeliefFilter(max_horizon=4), False),
    ],
)
def test_a_belief_just_at_the_edge_of_a_filter_counts(timing, only, counts):
    block = Block(SENSOR, 1, event_start(0), RESOLUTION, np.array([3.0]), **timing)
    assert rows(overlay([block], block.grid, only)) == [(3.0, EDGE, 1) if counts else None]


def test_a_block_between_two_events_is_refused_by_name():
    stray = fixed(event_start(0) + 3, [1.0], 1_500)
    with pytest.raises(GridError, match="a block of source 1 about sensor 7 starts at 1970-01-01T00:00:00"):
        overlay([stray], Grid(event_start(0), RESOLUTION, 4))


def test_a_block_of_another_resolution_is_refused():
    coarse = replace(fixed(event_start(0), [1.0], 1_500), resolution=2 * RESOLUTION)
    with pytest.raises(GridError):
        overlay([coarse], Grid(event_start(0), RESOLUTION, 4))
