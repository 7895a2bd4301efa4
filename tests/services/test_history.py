"""The history a page at a time is the history, and costs few questions however little is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridlore.domain.addresses import NamingAuthority
from gridlore.domain.beliefs import Block, make_blocks
from gridlore.domain.commands import ReadQuery
from gridlore.domain.sensors import Account, Sensor, SensorKind, Source, SourceKind, User
from gridlore.domain.timing import DAY, HOUR, Grid, Timing
from gridlore.services.directory import Directory
from gridlore.services.query import BeliefKey, Query
from gridlore.store.interface import DirectoryRecords, Window

USER = User(1, "u@here.test", "u", 1, frozenset(), True, None, "k")
SENSOR = Sensor(1, SensorKind.MARKET, "day_ahead", "EUR/MWh", HOUR)
DIRECTORY = Directory(
    DirectoryRecords(
        1,
        [Account(1, "A", frozenset({"Prosumer"}))],
        [USER],
        [Source(number, SourceKind.USER, "u", user) for number, user in ((1, 1), (2, None))],
        [SENSOR],
    ),
    NamingAuthority(),
)
HOURS = 400


class Blocks:
    """A store of these blocks, which counts how often it is asked."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._blocks = blocks
        self.asked = 0

    def read_blocks(self, windows: Sequence[Window], source_ids: object = None) -> list[list[Block]]:
        self.asked += 1
        return [
            [block for block in self._blocks if block.start < window.end and block.end > window.start]
            for window in windows
        ]


def query_of(hours: int) -> ReadQuery:
    return ReadQuery(kind=None, unit=None, addresses=("day_ahead",), start=0, end=hours * HOUR)


def read_all(store: Blocks, hours: int, limit: int) -> list[tuple[int, int, int, float]]:
    """Every belief, read in pages of ``limit``."""
    query = Query(store, max_slots=10_000_000)  # type: ignore[arg-type]
    found: list[tuple[int, int, int, float]] = []
    after: BeliefKey | None = None
    while True:
        page = query.read_history(DIRECTORY, USER, query_of(hours), limit=limit, after=after)
        columns = (page.event_starts, page.belief_times, page.source_ids, page.values)
        rows = list(zip(*(column.tolist() for column in columns), strict=True))
        assert len(rows) <= limit
        found += rows
        after = page.following
        if after is None:
            return found
        assert len(rows) == limit


@given(
    parts=st.lists(
        st.tuples(st.integers(0, HOURS - 1), st.integers(1, 40), st.integers(1, 2), st.integers(-3, 3)),
        max_size=8,
        unique_by=lambda part: part[2:],
    ),
    limit=st.integers(1, 50),
)
def test_pages_together_are_the_history(parts: list[tuple[int, int, int, int]], limit: int) -> None:
    blocks: list[Block] = []
    expected = []
    for start, count, source, horizon in parts:
        grid, values = Grid(start * HOUR, HOUR, min(count, HOURS - start)), np.arange(1.0, count + 1)
        values = values[: grid.count]
        blocks += make_blocks(1, source, grid, values, Timing(belief_horizon=horizon * HOUR), 7)
        expected += [
            ((start + number) * HOUR, (start + number + 1 - horizon) * HOUR, source, float(value))
            for number, value in enumerate(values)
        ]
    blocks = [replace(block, seq=number) for number, block in enumerate(blocks, start=1)]
    assert read_all(Blocks(blocks), HOURS, limit) == sorted(expected)


@pytest.mark.parametrize("limit", [1, 10, 1000])
def test_a_long_period_of_which_little_is_known_takes_few_questions(limit: int) -> None:
    years = 20 * 365 * 24
    (last,) = make_blocks(1, 1, Grid(years * HOUR - DAY, HOUR, 1), np.ones(1), Timing(belief_horizon=0), 7)
    for blocks in ([], [last]):
        store = Blocks(blocks)
        assert len(read_all(store, years, limit)) == len(blocks)
        assert store.asked < 30
