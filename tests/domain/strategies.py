"""Random blocks, filters and posts for the property tests, small enough that they collide.

Layer: tests. Times are plain small numbers: events of 10 µs, belief times from some events before the
first event to some after the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from gridlore.domain.beliefs import Block
from gridlore.domain.overlay import BeliefFilter
from gridlore.domain.sensors import Source, SourceKind
from gridlore.domain.timing import Grid, Timing

from .oracle import Belief, Question

RESOLUTION = 10
SENSOR = 7
FIRST_EVENT = 1_003
"""Start of event 0; not a multiple of the resolution, as in a zone of its own."""

EVENTS = st.integers(0, 30)
BELIEF_TIMES = st.integers(-8, 80).map(lambda step: FIRST_EVENT + 5 * step)
HORIZONS = st.integers(-12, 12).map(lambda step: 5 * step)
"""On a lattice of half events, so that beliefs held at the very same time are common."""

VALUES = st.sampled_from([-1.5, 0.0, 1.0, 2.0])
HELD_VALUES = st.one_of(VALUES, st.just(float("nan")))

SOURCES = {
    1: Source(1, SourceKind.USER, "ann", 1),
    2: Source(2, SourceKind.USER, "ben", 2),
    3: Source(3, SourceKind.FORECASTER, "forecaster", None),
    4: Source(4, SourceKind.SCHEDULER, "scheduler", None),
    5: Source(5, SourceKind.SCRIPT, "script", None),
    6: Source(6, SourceKind.FORECASTER, "other forecaster", None),
}
KINDS = {source_id: source.kind.value for source_id, source in SOURCES.items()}


def event_start(event: int) -> int:
    """Start of the event with this number."""
    return FIRST_EVENT + event * RESOLUTION


@st.composite
def raw_blocks(draw: st.DrawFn, source_ids: Sequence[int]) -> Block:
    """A block of any of the three timings, with holes."""
    values = np.array(draw(st.lists(HELD_VALUES, min_size=1, max_size=12)))
    start = event_start(draw(EVENTS))
    source_id = draw(st.sampled_from(source_ids))
    recorded_at = draw(st.integers(0, 5_000))
    block = Block(SENSOR, source_id, start, RESOLUTION, values, recorded_at=recorded_at)
    timing = draw(st.sampled_from(["fixed", "rolling", "merged"]))
    if timing == "fixed":
        return replace(block, belief_time=draw(BELIEF_TIMES))
    if timing == "rolling":
        return replace(block, belief_horizon=draw(HORIZONS))
    times = draw(st.lists(BELIEF_TIMES, min_size=values.size, max_size=values.size))
    return replace(block, belief_times=np.array(times, dtype=np.int64))


def beliefs_of(blocks: Iterable[Block]) -> list[Belief]:
    """Every belief of these blocks, spelled out from their fields."""
    found = []
    for block in blocks:
        for index, value in enumerate(block.values.tolist()):
            start = block.start + index * block.resolution
            if block.belief_time is not None:
                time = block.belief_time
            elif block.belief_horizon is not None:
                time = start + block.resolution - block.belief_horizon
            else:
                assert block.belief_times is not None
                time = int(block.belief_times[index])
            if value == value:
                found.append(Belief(block.source_id, start, time, value))
    return found


@st.composite
def block_lists(
    draw: st.DrawFn, source_ids: Sequence[int] = tuple(SOURCES), max_size: int = 12
) -> list[Block]:
    """Blocks as a store may hold them: no source believes two things of one event at one time."""
    drawn = draw(st.lists(raw_blocks(source_ids), max_size=max_size))
    blocks, seen = [], set()
    for seq, block in enumerate(drawn, start=1):
        holes = np.isnan(block.values)
        for index, time in enumerate(block.times().tolist()):
            key = (block.source_id, block.start + index * RESOLUTION, time)
            if key in seen:
                holes[index] = True
            elif not holes[index]:
                seen.add(key)
        blocks.append(replace(block.with_holes(holes), seq=seq))
    return blocks


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    """Events asked for; often such that blocks are cut by its ends."""
    return Grid(event_start(draw(st.integers(-3, 40))), RESOLUTION, draw(st.integers(1, 25)))


@st.composite
def filters(draw: st.DrawFn, grid: Grid) -> BeliefFilter:
    """Any mixture of conditions; ``prior`` at times with a value for each event."""
    priors = st.lists(BELIEF_TIMES, min_size=grid.count, max_size=grid.count)
    prior = draw(
        st.one_of(st.none(), BELIEF_TIMES, priors.map(lambda times: np.array(times, dtype=np.int64)))
    )
    return BeliefFilter(prior, draw(st.one_of(st.none(), HORIZONS)), draw(st.one_of(st.none(), HORIZONS)))


def questions(grid: Grid, only: BeliefFilter) -> list[Question]:
    """What the filter asks about each event of the grid."""
    asked = []
    for index in range(grid.count):
        start = grid.start + index * grid.resolution
        prior = only.prior if only.prior is None or isinstance(only.prior, int) else int(only.prior[index])
        asked.append(Question(start, start + grid.resolution, prior, only.min_horizon, only.max_horizon))
    return asked


TIMINGS = st.one_of(
    st.builds(Timing, belief_time=BELIEF_TIMES),
    st.builds(Timing, belief_horizon=HORIZONS),
    st.builds(Timing, belief_time=BELIEF_TIMES, belief_horizon=HORIZONS),
)


@dataclass(frozen=True)
class Post:
    """One posted group: ``values`` about consecutive events, known as ``timing`` says."""

    source_id: int
    grid: Grid
    values: tuple[float, ...]
    timing: Timing


@st.composite
def posts(draw: st.DrawFn) -> Post:
    """A post of one of two users, about a few events of few."""
    values = tuple(draw(st.lists(VALUES, min_size=1, max_size=8)))
    grid = Grid(event_start(draw(st.integers(0, 8))), RESOLUTION, len(values))
    return Post(draw(st.sampled_from([1, 2])), grid, values, draw(TIMINGS))
