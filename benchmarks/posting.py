"""Rows about posts: days, single values and years."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from benchmarks.copy_baseline import CopyTable, open_copy_table
from benchmarks.load import LoadError, Outcome
from benchmarks.messages import DAY_SLOTS, YEAR_SLOTS, day_posts, single_posts, year_posts
from benchmarks.rows import Row, Target
from benchmarks.servers import Server
from benchmarks.workbench import Workbench

BARE = "empty handler decoding the same bytes"
COPY = "binary COPY of one row per value"
CLIENTS, MANY_CLIENTS = 8, 64
BARE_REPEATS = 3
"""The empty handler forgets, and is quick: it gets the same bytes more often, so that rounds last alike."""

DAY_TARGET = Target(0.35, at_least=True)
SINGLE_TARGET = Target(0.25, at_least=True)
YEAR_TARGET = Target(10, at_least=True)
BYTES_TARGET = Target(1.35, at_least=False)
BYTES_PER_FLOAT = 8

MakePosts = Callable[[Server, int, int], list[bytes]]
"""Makes so many posts for a server, from a number on."""


class _Receipt(msgspec.Struct):
    status: str
    stored: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class PostKind:
    """A kind of post: how it is made, and how many values each stores."""

    name: str
    make: MakePosts
    values: int


def _make_singles(server: Server, count: int, first: int) -> list[bytes]:
    return single_posts(server.requests, server.connections, count, first)


def _make_days(server: Server, count: int, first: int) -> list[bytes]:
    return day_posts(server.requests, server.connections[:30], count, first)


def _make_years(server: Server, count: int, first: int) -> list[bytes]:
    return year_posts(server.requests, server.connections, count, first)


SINGLES = PostKind("single-posts", _make_singles, 1)
DAYS = PostKind("day-posts", _make_days, 3 * DAY_SLOTS)
YEARS = PostKind("year-posts", _make_years, YEAR_SLOTS)


def check_stored(outcome: Outcome, values: int) -> None:
    """Raise LoadError unless every post of an outcome was all news."""
    for answer in outcome.answers:
        receipt = msgspec.json.decode(answer, type=_Receipt)
        if receipt != _Receipt("PROCESSED", values, 0):
            raise LoadError(f"{values} new values were posted; the answer was {answer.decode()}")


def post(server: Server, posts: Sequence[bytes], values: int, clients: int) -> Outcome:
    """What came of sending posts that store ``values`` new values each."""
    outcome = server.send(posts, clients=clients)
    check_stored(outcome, values)
    return outcome


@dataclass
class PostSeries:
    """Posts of one kind, numbered on, so that no two are alike; sent to Gridlore and to the empty handler."""

    bench: Workbench
    server: Server
    kind: PostKind
    next: int = 0
    cpu: dict[str, object] = field(default_factory=dict)

    def warm_up(self, count: int) -> None:
        """Send a few to both, uncounted."""
        posts = self._take(count)
        post(self.server, posts, self.kind.values, CLIENTS)
        self.bench.bare.send(posts)

    def measure(self, count: int, clients: int) -> tuple[Sequence[Outcome], Sequence[Outcome]]:
        """Outcomes of rounds of ``count`` posts, of Gridlore and of the empty handler by turns.

        What processor time a post took of both servers is kept in ``cpu``.
        """
        batches = [self._take(count) for _ in range(self.bench.extent.rounds)]
        before = self.server.cpu, self.bench.bare.cpu
        outcomes = self.bench.take_turns(
            f"{self.kind.name}, {clients} clients",
            lambda number: post(self.server, batches[number], self.kind.values, clients),
            lambda number: self.bench.bare.send(batches[number] * BARE_REPEATS, clients=clients),
        )
        posts = count * len(batches)
        self.cpu = {
            "server_cpu_ms_per_post": 1000 * (self.server.cpu - before[0]) / posts,
            "baseline_cpu_ms_per_post": 1000 * (self.bench.bare.cpu - before[1]) / posts / BARE_REPEATS,
        }
        return outcomes

    def _take(self, count: int) -> list[bytes]:
        posts = self.kind.make(self.server, count, self.next)
        self.next += count
        return posts


def _rates(outcomes: Sequence[Outcome]) -> list[float]:
    return [outcome.rate for outcome in outcomes]


def measure_days(bench: Workbench) -> Iterator[Row]:
    """Day posts, and what their values take on disk."""
    with bench.serve() as server:
        databases, count = bench.databases, bench.extent.day_posts
        empty = databases.size(server.database)
        series = PostSeries(bench, server, DAYS)
        series.warm_up(count // 8)
        measured, bare = series.measure(count, CLIENTS)
        yield Row(
            "day-posts",
            bench.store,
            "posts/s",
            _rates(measured),
            _rates(bare),
            BARE,
            DAY_TARGET if bench.store == "sqlite" else None,
            server.memory,
            facts=series.cpu,
        )
        databases.settle(server.database)
        stored = series.next * DAYS.values
        size = (databases.size(server.database) - empty) / stored
        yield Row(
            "bytes-per-value",
            bench.store,
            "bytes",
            [size],
            [BYTES_PER_FLOAT],
            "a float64",
            BYTES_TARGET,
            note=f"{stored:,} values, after the day posts",
        )


def measure_singles(bench: Workbench) -> Iterator[Row]:
    """Single-value posts, and how long each takes with few and with many clients."""
    with bench.serve() as server:
        count = bench.extent.single_posts
        series = PostSeries(bench, server, SINGLES)
        series.warm_up(count // 8)
        measured, bare = series.measure(count, CLIENTS)
        yield Row(
            "single-posts",
            bench.store,
            "posts/s",
            _rates(measured),
            _rates(bare),
            BARE,
            SINGLE_TARGET,
            server.memory,
            facts=series.cpu,
        )
        yield from _latencies(bench, CLIENTS, measured, bare, server.memory)
        measured, bare = series.measure(count, MANY_CLIENTS)
        yield from _latencies(bench, MANY_CLIENTS, measured, bare, server.memory)


def _latencies(
    bench: Workbench, clients: int, measured: Sequence[Outcome], bare: Sequence[Outcome], memory: float
) -> Iterator[Row]:
    for percent in (50, 99):
        yield Row(
            f"latency-{clients}-p{percent}",
            bench.store,
            "ms",
            [outcome.percentile(percent) for outcome in measured],
            [outcome.percentile(percent) for outcome in bare],
            BARE,
            memory=memory,
            note="single-value posts",
        )


def measure_years(bench: Workbench) -> Iterator[Row]:
    """Year posts beside COPY."""
    with bench.serve() as server, open_copy_table(bench.postgres) as table:
        extent = bench.extent
        count = extent.year_posts
        batches = [YEARS.make(server, count, (number + 1) * count) for number in range(extent.rounds)]
        post(server, YEARS.make(server, 2, 0), YEARS.values, CLIENTS)
        table.copy_years(1)
        measured, copied = bench.take_turns(
            "year posts, 8 clients",
            lambda number: post(server, batches[number], YEARS.values, CLIENTS).rate * YEARS.values,
            lambda _: _copy(table, extent.copied_years),
        )
        yield Row(
            "year-posts",
            bench.store,
            "values/s",
            measured,
            copied,
            COPY,
            YEAR_TARGET,
            server.memory,
        )


def _copy(table: CopyTable, years: int) -> float:
    return years * YEAR_SLOTS / table.copy_years(years)
