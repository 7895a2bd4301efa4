"""Tell news from repetition: which beliefs of a block are new, unchanged, or would rewrite history.

Layer: domain. Imports NumPy only.

A belief is compared with what its source already believed at that belief time: the most recent belief
held up to then, forecasts with forecasts and measurements with measurements (ADR 002).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridlore.domain.beliefs import Block
from gridlore.domain.overlay import BeliefFilter, overlay
from gridlore.domain.timing import FloatArray

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Classification:
    """What each value of a block is, shape (n,) each.

    ``new``: to be stored. ``unchanged``: its source believed just that already. ``replaces``: differs
    from a stored belief with the same belief time (``held`` has that value).
    """

    new: BoolArray
    unchanged: BoolArray
    replaces: BoolArray
    held: FloatArray


def classify(block: Block, known: Sequence[Block]) -> Classification:
    """What each value of ``block`` is, given its source's stored blocks about the same sensor.

    Parameters
    ----------
    block : Block
        Without holes.
    known : sequence of Block
        All blocks of the same sensor and source that overlap it.
    """
    times = block.times()
    prior = int(times[0]) if block.belief_time is not None or times.size == 1 else times
    measured = block.grid.event_ends() - times <= 0
    held, held_times = np.full(times.size, np.nan), np.zeros(times.size, dtype=np.int64)
    for applies, horizons in ((measured, (None, 0)), (~measured, (1, None))):
        if applies.any():
            picture = overlay(known, block.grid, BeliefFilter(prior, *horizons))
            np.copyto(held, picture.values, where=applies)
            np.copyto(held_times, picture.times, where=applies)
    unchanged = held == block.values
    replaces = ~np.isnan(held) & (held_times == times) & ~unchanged
    return Classification(~unchanged & ~replaces, unchanged, replaces, held)
