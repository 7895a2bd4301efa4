"""Folding blocks changes no answer, and keeps their number small."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridlore.domain.beliefs import MAX_BLOCK_VALUES, MAX_HOLE, Block, make_blocks
from gridlore.domain.merging import TIERS, Fold, Tier, due_tier, fold_blocks
from gridlore.domain.overlay import overlay
from gridlore.domain.timing import Grid, Timing

from .strategies import (
    RESOLUTION,
    SENSOR,
    SOURCES,
    beliefs_of,
    block_lists,
    event_start,
    filters,
    grids,
)


def after(blocks: list[Block], folds: list[Fold]) -> list[Block]:
    """What a store holds once the folds are made."""
    gone = {id(part) for fold in folds for part in fold.parts}
    return [block for block in blocks if id(block) not in gone] + [fold.merged for fold in folds]


def longest_hole(block: Block) -> int:
    known = np.flatnonzero(~np.isnan(block.values))
    return int(np.diff(known).max(initial=1)) - 1 if known.size else block.values.size


@given(block_lists(max_size=20), st.sampled_from(TIERS))
def test_folding_keeps_every_belief_exactly_once(blocks, tier):
    folded = after(blocks, fold_blocks(blocks, tier))
    assert Counter(beliefs_of(folded)) == Counter(beliefs_of(blocks))


@given(st.data(), block_lists(max_size=20), grids(), st.sampled_from(TIERS))
def test_folding_changes_no_answer(data, blocks, grid, tier):
    only = data.draw(filters(grid))
    before = overlay(blocks, grid, only, sources=SOURCES, own_source_id=2)
    later = overlay(after(blocks, fold_blocks(blocks, tier)), grid, only, sources=SOURCES, own_source_id=2)
    for name in ("values", "times", "sources"):
        assert np.array_equal(getattr(before, name), getattr(later, name), equal_nan=name == "values")


@given(block_lists(max_size=20), st.sampled_from(TIERS))
def test_a_fold_takes_two_or_more_small_blocks_of_one_source_once(blocks, tier):
    folds = fold_blocks(blocks, tier)
    parts = [id(part) for fold in folds for part in fold.parts]
    assert len(parts) == len(set(parts))
    for fold in folds:
        assert len(fold.parts) >= 2
        assert all(part.values.size < tier.max_values for part in fold.parts)
        assert {part.source_id for part in fold.parts} == {fold.merged.source_id}
        assert fold.merged.recorded_at == max(part.recorded_at for part in fold.parts)
        assert fold.merged.start == min(part.start for part in fold.parts)
        assert fold.merged.end == max(part.end for part in fold.parts)


@given(block_lists(max_size=20), st.sampled_from(TIERS))
def test_a_merged_block_states_its_times_in_exactly_one_way(blocks, tier):
    for fold in fold_blocks(blocks, tier):
        stated = (fold.merged.belief_time, fold.merged.belief_horizon, fold.merged.belief_times)
        assert sum(one is not None for one in stated) == 1


def single(event: int, belief_horizon: int, seq: int, source_id: int = 1) -> Block:
    return Block(
        SENSOR,
        source_id,
        event_start(event),
        RESOLUTION,
        np.array([float(event)]),
        belief_horizon=belief_horizon,
        recorded_at=seq,
        seq=seq,
    )


def test_neighbours_of_one_horizon_fold_to_a_rolling_block():
    [fold] = fold_blocks([single(event, 5, event) for event in range(1, 9)], TIERS[0])
    assert fold.merged.belief_horizon == 5
    assert fold.merged.values.tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert fold.merged.seq == 8


def test_neighbours_of_many_horizons_fold_to_a_block_with_a_time_for_each():
    [fold] = fold_blocks([single(event, event, event) for event in range(1, 9)], TIERS[0])
    assert fold.merged.belief_horizon is None
    assert fold.merged.belief_times is not None
    assert fold.merged.belief_times.tolist() == [event_start(e + 1) - e for e in range(1, 9)]


def test_blocks_too_far_apart_stay_apart():
    near, far = single(1 + MAX_HOLE + 1, 5, 2), single(1 + MAX_HOLE + 2, 5, 2)
    assert len(fold_blocks([single(1, 5, 1), near], TIERS[0])) == 1
    assert fold_blocks([single(1, 5, 1), far], TIERS[0]) == []


def test_no_fold_is_longer_than_a_block_may_be():
    length = 60
    blocks = [replace(single(length * i, 5, i + 1), values=np.arange(float(length))) for i in range(100)]
    folds = fold_blocks(blocks, TIERS[1])
    assert len(folds) == 3
    assert all(fold.merged.values.size <= MAX_BLOCK_VALUES for fold in folds)
    assert Counter(beliefs_of(after(blocks, folds))) == Counter(beliefs_of(blocks))


class Writer:
    """Appends and folds as the store's writer does, for one sensor."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.seq = 0
        self.rewritten = 0

    def append(self, block: Block) -> None:
        before, self.seq = self.seq, self.seq + 1
        block = replace(block, seq=self.seq)
        self.blocks.append(block)
        tier = due_tier(before, self.seq)
        if tier is not None:
            self.fold(block, tier)

    def fold(self, block: Block, tier: Tier) -> None:
        reach = tier.reach * RESOLUTION
        near = [b for b in self.blocks if b.start < block.end + reach and b.end > block.start - reach]
        folds = fold_blocks(near, tier)
        self.rewritten += sum(int((~np.isnan(fold.merged.values)).sum()) for fold in folds)
        self.blocks = after(self.blocks, folds)


def rolling_stream(count: int) -> list[Block]:
    """A meter that sends each value as soon as it is known."""
    return [single(event, 0, 0) for event in range(count)]


def jittery_stream(count: int) -> list[Block]:
    """The same, with a delay of its own for each value."""
    return [single(event, -(event * 7919 % 1000), 0) for event in range(count)]


def backward_stream(count: int) -> list[Block]:
    """A history filled in from its end."""
    return rolling_stream(count)[::-1]


def gappy_stream(count: int) -> list[Block]:
    """A meter that loses three values of four."""
    return [single(event, 0, 0) for event in range(0, 4 * count, 4)]


def several_horizons_stream(count: int) -> list[Block]:
    """Four forecasts of each event, one after another, and its measurement."""
    return [single(i // 5, (4 - i % 5) * 60, 0) for i in range(count)]


def sparse_stream(count: int) -> list[Block]:
    """Values as far apart as still folds."""
    return [single(event, 0, 0) for event in range(0, 17 * count, 17)]


def two_sources_stream(count: int) -> list[Block]:
    """Two parties that measure the same."""
    return [single(i // 2, 0, 0, source_id=1 + i % 2) for i in range(count)]


@pytest.mark.parametrize(
    ("stream", "values_per_block", "rewrites"),
    [
        (rolling_stream, 256, 2),
        (jittery_stream, 256, 2),
        (backward_stream, 256, 2),
        (gappy_stream, 256, 2),
        (sparse_stream, 16, 2),
        (two_sources_stream, 128, 3),
        (several_horizons_stream, 96, 5),
    ],
)
def test_a_stream_of_single_values_folds_to_few_blocks_and_rewrites_each_few_times(
    stream, values_per_block, rewrites
):
    count = 4096
    posted = stream(count)
    writer = Writer()
    for block in posted:
        writer.append(block)
    assert Counter(beliefs_of(writer.blocks)) == Counter(beliefs_of(posted))
    assert len(writer.blocks) <= count // values_per_block
    assert writer.rewritten <= rewrites * count
    assert all(block.values.size <= MAX_BLOCK_VALUES for block in writer.blocks)
    assert all(longest_hole(block) <= MAX_HOLE for block in writer.blocks)


def test_the_tier_due_is_the_highest_whose_period_was_passed():
    assert due_tier(1, 15) is None
    assert due_tier(15, 16) == TIERS[0]
    assert due_tier(16, 31) is None
    assert due_tier(0, 300) == TIERS[1]


@given(st.integers(0, 10_000), st.integers(0, 600))
def test_no_period_is_passed_unnoticed(before, step):
    passed = [
        tier for tier in TIERS if any(seq % tier.period == 0 for seq in range(before + 1, before + step + 1))
    ]
    assert due_tier(before, before + step) == (passed[-1] if passed else None)


def test_single_values_made_from_posts_fold():
    posted = []
    for event in range(16):
        grid = Grid(event_start(event), RESOLUTION, 1)
        posted += make_blocks(SENSOR, 1, grid, np.array([1.0]), Timing(belief_time=grid.end + 3), 0)
    [fold] = fold_blocks(posted, TIERS[0])
    assert fold.merged.belief_horizon == -3
    assert fold.merged.values.size == 16
