"""Rows about large databases: the same work with a million blocks stored as with a thousand.

Large databases are not filled over HTTP but with the store's own writer, in the order in which days arrive:
day after day, all connections.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np

from benchmarks.messages import DAY_SLOTS, day_posts, single_posts, year_posts
from benchmarks.posting import CLIENTS, DAYS, SINGLES, YEARS, PostKind, post
from benchmarks.reading import DAYS as READ_DAYS
from benchmarks.reading import YearReads, YearsRead
from benchmarks.rows import Row, Target
from benchmarks.servers import Server
from benchmarks.workbench import Workbench
from gridlore.bootstrap import open_store
from gridlore.config import load_settings
from gridlore.domain.beliefs import Block, make_blocks
from gridlore.domain.commands import Receipt
from gridlore.domain.timing import DAY, MINUTE, Grid, Timing, to_instant
from gridlore.store.writer import Writer

ReadYears = Callable[[YearReads, int, int], YearsRead]
GROWTH_TARGET = Target(1.3, at_least=False)
SMALL_BLOCKS, FULL_BLOCKS = 1000, 1_000_000
END = datetime(2025, 6, 2, tzinfo=UTC)
"""End of the history stored beforehand; what is posted comes after it."""
RESOLUTION = 15 * MINUTE
WEEK = 7 * DAY
FORECASTS_AHEAD = (3 * DAY, 2 * DAY, 36 * 60 * MINUTE, DAY)
"""How long before the end of its week's first day each of four forecasts of it was made. [µs]"""
BATCH_BLOCKS = 5000
"""Blocks written in one transaction."""
PENDING = 2
"""Batches in the writer's queue."""
SHORT_ROUNDS = 3
"""Rounds are short, so that the small database stays small; there are so many times the usual number."""

ROWS = (
    *(
        f"grown-{name}"
        for name in ("get-year", "get-year-horizon", "single-posts", "day-posts", "year-posts")
    ),
    "grown-size",
)


@dataclass(frozen=True, slots=True)
class History:
    """Days of measurements of connections up to END, and weekly forecasts of the second one.

    ``days``: how many days are known of each connection, from the first on. The first is read, and the
    second among its forecasts; of both, large and small databases hold the same in the periods read.
    """

    days: Sequence[int]
    forecast_weeks: int

    @classmethod
    def small(cls, connections: int) -> History:
        """A thousand blocks: what is read, and the rest spread over the other connections."""
        weeks = -(-READ_DAYS // 7)
        rest = SMALL_BLOCKS - READ_DAYS - weeks * len(FORECASTS_AHEAD)
        others = connections - 2
        spread = [rest // others + (number < rest % others) for number in range(others)]
        return cls([READ_DAYS, 0, *spread], weeks)

    @classmethod
    def large(cls, connections: int, days: int) -> History:
        """The same of everything for many days."""
        return cls([days, 0, *[days] * (connections - 2)], days // 7)

    @property
    def blocks(self) -> int:
        """How many blocks it is."""
        return sum(self.days) + self.forecast_weeks * len(FORECASTS_AHEAD)

    @property
    def values(self) -> int:
        """How many values it is."""
        return (sum(self.days) + self.forecast_weeks * 7 * len(FORECASTS_AHEAD)) * DAY_SLOTS

    def make(self, sensor_ids: Sequence[int], source_id: int) -> Iterator[Block]:
        """The blocks, in order of arrival."""
        noise = np.random.default_rng(1)
        end = to_instant(END)
        for ago in range(max(*self.days, self.forecast_weeks * 7), 0, -1):
            start = end - ago * DAY
            if ago % 7 == 0 and ago // 7 <= self.forecast_weeks:
                for ahead in FORECASTS_AHEAD:
                    values = np.round(noise.normal(100, 40, 7 * DAY_SLOTS), 3)
                    grid = Grid(start, RESOLUTION, values.size)
                    timing = Timing(belief_time=start + DAY - ahead)
                    yield from make_blocks(sensor_ids[1], source_id, grid, values, timing, start - DAY)
            known = [sensor_id for sensor_id, days in zip(sensor_ids, self.days, strict=False) if days >= ago]
            table = np.round(noise.normal(100, 40, (len(known), DAY_SLOTS)), 3)
            grid, timing = Grid(start, RESOLUTION, DAY_SLOTS), Timing(belief_horizon=0)
            for sensor_id, values in zip(known, table, strict=True):
                yield from make_blocks(sensor_id, source_id, grid, values, timing, start + DAY)


def _later(days: int) -> datetime:
    return END + timedelta(days=days)


def _make_singles(server: Server, count: int, first: int) -> list[bytes]:
    return single_posts(server.requests, server.connections[:30], count, first, start=END)


def _make_days(server: Server, count: int, first: int) -> list[bytes]:
    return day_posts(server.requests, server.connections[:30], count, first, start=_later(300))


def _make_years(server: Server, count: int, first: int) -> list[bytes]:
    return year_posts(server.requests, server.connections[:30], count, first, start=_later(3650))


def fill(environment: Mapping[str, str], history: History, tell: Callable[[str], None]) -> None:
    """Store a history in the database that an environment names."""
    settings = load_settings(environ=environment)
    store = open_store(settings)
    writer = Writer(store, max_queue_bytes=settings.write_queue_bytes)
    try:
        directory = store.read_directory()
        blocks = history.make([sensor.id for sensor in directory.sensors], directory.sources[0].id)
        pending: deque[Future[Receipt]] = deque()
        batch: list[Block] = []
        written = 0
        for block in blocks:
            batch.append(block)
            if len(batch) == BATCH_BLOCKS:
                pending.append(writer.submit(batch))
                batch = []
                if len(pending) > PENDING:
                    pending.popleft().result()
                    written += BATCH_BLOCKS
                    tell(f"storing {written:,} of {history.blocks:,} blocks")
        if batch:
            pending.append(writer.submit(batch))
        for future in pending:
            future.result()
    finally:
        writer.close()
        store.close()


@dataclass(frozen=True, slots=True)
class _Pair:
    """Servers of a large database and of a small one, with the same work to do."""

    bench: Workbench
    large: Server
    small: Server
    blocks: int

    def row(
        self,
        name: str,
        figures: tuple[Sequence[float], Sequence[float]],
        unit: str = "ms",
        target: Target | None = GROWTH_TARGET,
    ) -> Row:
        """A row about figures of the large and of the small database."""
        wanted = "" if self.blocks >= FULL_BLOCKS else f"; the full run stores {FULL_BLOCKS:,}"
        return Row(
            f"grown-{name}",
            self.bench.store,
            unit,
            *figures,
            f"{SMALL_BLOCKS:,} blocks stored at first",
            target,
            self.large.memory,
            f"{self.blocks:,} blocks stored{wanted}",
        )


def measure_growth(bench: Workbench) -> Iterator[Row]:
    """The same work with many and with few blocks stored, and what they take on disk.

    All in one pair of databases: restarting servers for each row would take longer than the rows.
    """
    extent = bench.extent
    few = History.small(extent.history_connections)
    many = History.large(extent.history_connections, extent.history_days)
    with (
        _store(bench, many) as (large, large_size),
        _store(bench, few) as (small, small_size),
        bench.serve(large) as large_server,
        bench.serve(small) as small_server,
    ):
        pair = _Pair(bench, large_server, small_server, many.blocks)
        yield pair.row("size", ([large_size], [small_size]), "bytes per value", None)
        yield from _measure_reads(pair)
        yield from _measure_posts(pair)


@contextmanager
def _store(bench: Workbench, history: History) -> Iterator[tuple[str, float]]:
    """A database that holds a history, and what it takes on disk. [bytes per value]"""
    databases = bench.databases
    name = databases.create()
    try:
        empty = databases.size(name)
        fill(databases.environment(name), history, bench.tell)
        bench.tell("settling the database")
        databases.settle(name)
        yield name, (databases.size(name) - empty) / history.values
    finally:
        databases.drop(name)


def _measure_reads(pair: _Pair) -> Iterator[Row]:
    count = max(2, pair.bench.extent.reads // 4)
    start = END - timedelta(days=READ_DAYS)
    large, small = (
        YearReads(server, server.connections[:1], server.connections[1:2], start)
        for server in (pair.large, pair.small)
    )
    for name, read in (("get-year", YearReads.read_measured), ("get-year-horizon", YearReads.read_forecast)):
        for reads in (large, small):
            read(reads, count, 0)
        figures = pair.bench.take_turns(
            f"{name} among {pair.blocks:,} blocks",
            partial(_read, large, read, count),
            partial(_read, small, read, count),
            times=SHORT_ROUNDS,
        )
        yield pair.row(name, figures)


def _read(reads: YearReads, read: ReadYears, count: int, number: int) -> float:
    return read(reads, count, number * count).latency


def _measure_posts(pair: _Pair) -> Iterator[Row]:
    extent = pair.bench.extent
    for kind, make, count in (
        (SINGLES, _make_singles, extent.single_posts // 4),
        (YEARS, _make_years, extent.year_posts // 8),
        (DAYS, _make_days, extent.day_posts // 8),
    ):
        yield pair.row(kind.name, _measure_kind(pair, replace(kind, make=make), max(2, count)))


def _measure_kind(pair: _Pair, kind: PostKind, count: int) -> tuple[Sequence[float], Sequence[float]]:
    """Time per post in each round. [ms]"""
    warming = kind.make(pair.large, count, 0)
    for server in (pair.large, pair.small):
        post(server, warming, kind.values, CLIENTS)
    rounds = pair.bench.extent.rounds * SHORT_ROUNDS
    batches = [kind.make(pair.large, count, (number + 1) * count) for number in range(rounds)]

    def measure(server: Server, number: int) -> float:
        return 1000 / post(server, batches[number], kind.values, CLIENTS).rate

    return pair.bench.take_turns(
        f"{kind.name} among {pair.blocks:,} blocks",
        lambda number: measure(pair.large, number),
        lambda number: measure(pair.small, number),
        times=SHORT_ROUNDS,
    )
