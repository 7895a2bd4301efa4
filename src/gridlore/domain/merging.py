"""Fold small neighbouring blocks into longer ones, so that single values read as fast as days.

Layer: domain. Imports NumPy only. Folding changes no value, belief time or source.

Tiered: blocks of fewer than 16 values are folded when the sensor's sequence passes a multiple of 16,
blocks of fewer than 64 values when it passes a multiple of 256. So a value is rewritten about twice, more
often when forecasts of many horizons come in turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gridlore.domain.beliefs import MAX_BLOCK_VALUES, MAX_HOLE, Block
from gridlore.domain.overlay import split_into_layers
from gridlore.domain.timing import IntArray


@dataclass(frozen=True, slots=True)
class Tier:
    """Blocks of fewer than ``max_values`` are folded each time the sequence passes ``period``."""

    period: int
    max_values: int

    @property
    def reach(self) -> int:
        """How many events before and after a new block its neighbours are looked for: as many as a period
        of single values spans when each is followed by the longest hole that still folds."""
        return min(self.period * MAX_HOLE, MAX_BLOCK_VALUES)


TIERS = (Tier(16, 16), Tier(256, 64))


def due_tier(seq_before: int, seq_after: int) -> Tier | None:
    """The highest tier whose period lies in (seq_before, seq_after], or None.

    >>> due_tier(14, 15), due_tier(15, 16), due_tier(250, 260)
    (None, Tier(period=16, max_values=16), Tier(period=256, max_values=64))
    """
    for tier in reversed(TIERS):
        if seq_after // tier.period > seq_before // tier.period:
            return tier
    return None


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """``parts`` say the same as ``merged`` alone."""

    parts: list[Block]
    merged: Block


def fold_blocks(blocks: Sequence[Block], tier: Tier) -> list[Fold]:
    """The folds worth making among blocks of one sensor.

    Only blocks of fewer than ``tier.max_values`` values, of one source and one kind of timing, that do
    not overlap and follow one another with at most 16 events between them.
    """
    kinds: dict[tuple[int, int | None], list[Block]] = {}
    for block in blocks:
        if block.values.size < tier.max_values:
            kinds.setdefault((block.source_id, block.belief_horizon), []).append(block)
    scattered: dict[int, list[Block]] = {}
    folds = []
    for (source_id, horizon), members in kinds.items():
        if horizon is not None and len(members) > 1:
            folds += _fold_runs(members)
        else:
            scattered.setdefault(source_id, []).extend(members)
    for members in scattered.values():
        folds += _fold_runs(members)
    return folds


def compact_blocks(blocks: Sequence[Block]) -> list[Fold]:
    """The folds worth making among all blocks of one sensor, whenever they came.

    Rolling blocks of one source and horizon, however long, are folded up to the longest block; of the
    others, which need a time for each value once folded, only those of fewer than 64 values.
    """
    rolling: dict[tuple[int, int], list[Block]] = {}
    for block in blocks:
        if block.belief_horizon is not None:
            rolling.setdefault((block.source_id, block.belief_horizon), []).append(block)
    folds = [fold for members in rolling.values() for fold in _fold_runs(members)]
    folded = {id(part) for fold in folds for part in fold.parts}
    left = [block for block in blocks if id(block) not in folded]
    return folds + fold_blocks(left, TIERS[-1])


def _fold_runs(blocks: Sequence[Block]) -> list[Fold]:
    folds = []
    for layer in split_into_layers(blocks):
        run: list[Block] = []
        for block in layer:
            if run and not _continues(run, block):
                folds += _fold(run)
                run = []
            run.append(block)
        folds += _fold(run)
    return folds


def _continues(run: list[Block], block: Block) -> bool:
    resolution = block.resolution
    hole = (block.start - run[-1].end) // resolution
    length = (block.end - run[0].start) // resolution
    return hole <= MAX_HOLE and length <= MAX_BLOCK_VALUES


def _fold(run: list[Block]) -> list[Fold]:
    if len(run) < 2:
        return []
    first = run[0]
    length = (run[-1].end - first.start) // first.resolution
    values = np.full(length, np.nan)
    horizons = {block.belief_horizon for block in run}
    rolling = len(horizons) == 1 and None not in horizons
    times: IntArray | None = None if rolling else np.zeros(length, dtype=np.int64)
    for block in run:
        at = (block.start - first.start) // first.resolution
        values[at : at + block.values.size] = block.values
        if times is not None:
            times[at : at + block.values.size] = block.times()
    merged = Block(
        first.sensor_id,
        first.source_id,
        first.start,
        first.resolution,
        values,
        belief_horizon=first.belief_horizon if rolling else None,
        belief_times=times,
        recorded_at=max(block.recorded_at for block in run),
        seq=max(block.seq for block in run),
    )
    return [Fold(run, merged)]
