"""Rows about large databases: the same work with a million blocks stored as with a thousand.

Large databases are not filled over HTTP but with the store's own writer, in the order in which days arrive:
day after day, all connections.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from benchmarks.messages import DAY_SLOTS, YEAR_SLOTS, day_posts, single_posts, year_posts
from benchmarks.posting import CLIENTS, DAYS, SINGLES, YEARS, PostKind, post
from benchmarks.reading import DAYS as READ_DAYS
from benchmarks.reading import YearReads, read_values
from benchmarks.rows import Row, Target
from benchmarks.servers import Server
from benchmarks.workbench import Workbench
from gridlore.bootstrap import open_store
from gridlore.config import load_settings
from gridlore.domain.beliefs import Block, make_blocks
from gridlore.domain.timing import DAY, MINUTE, Grid, Timing, to_instant
from gridlore.store.writer import Writer

GROWTH_TARGET = Target(1.3, at_least=False)
SMALL_BLOCKS = 1000
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
"""Rounds are short, so that the small database stays small, and as many times as many as usual."""

ROWS = (
    *(f"grown-{name}" for name in ("get-year", "get-year-horizon", "single-posts", "day-posts", "year-posts")),
    "grown-size",
)


@dataclass(frozen=True, slots=True)
class History:
    """Days of measurements of connections up to END, and weekly forecasts of the second connection.

    ``days`` holds, for each connection (from the first on), how many days are known of it.
    """

    days: Sequence[int]
    forecast_weeks: int

    @classmethod
    def small(cls, connections: int) -> History:
        """A thousand blocks: what is read, and the rest spread over the other connections."""
        weeks = -(-READ_DAYS // 7)
        rest = SMALL_BLOCKS - READ_DAYS - weeks * len(FORECASTS_AHEAD)
        others = connections - 1
        spread = [rest // others + (number < rest % others) for number in range(others)]
        return cls([READ_DAYS, *spread], weeks)

    @classmethod
    def large(cls, connections: int, days: int) -> History:
        """The same of everything for many days."""
        return cls([days] * connections, days // 7)

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
        for ago in range(max(self.days), 0, -1):
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


def fill(environment: Mapping[str, str], history: History, tell: Callable[[str], None]) -> None:
    """Store a history in the database that an environment names."""
    settings = load_settings(environ=environment)
    store = open_store(settings)
    writer = Writer(store, max_queue_bytes=settings.write_queue_bytes)
    try:
        directory = store.read_directory()
        blocks = history.make([sensor.id for sensor in directory.sensors], directory.sources[0].id)
        pending: deque[Future[object]] = deque()
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
class _Databases:
    """Names of the two databases, and what they hold."""

    large: str
    small: str
    large_history: History
    small_history: History

    @property
    def note(self) -> str:
        return f"with {self.large_history.blocks:,} blocks stored"
