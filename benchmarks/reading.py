"""Rows about reads: a year, a year among forecasts, and a dashboard."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

import msgspec

from benchmarks.load import LoadError, Outcome
from benchmarks.messages import (
    DAY_SLOTS,
    GET_PATH,
    START,
    YEAR_SLOTS,
    day_posts,
    groups,
    make_values,
    period,
)
from benchmarks.posting import CLIENTS, post
from benchmarks.rows import Row, Target
from benchmarks.servers import Cores, Server
from benchmarks.workbench import Workbench

ENCODING = "msgspec encoding those floats"
YEAR_TARGET = Target(3, at_least=False)
HORIZON_TARGET = Target(3, at_least=False)

DAYS = 400
"""Days known of each connection that is read: a year can start on any of the first 35."""
READ_CONNECTIONS = 4
FORECAST_PATH, READ_FORECAST_PATH = "/api/v1_1/postPrognosis", "/api/v1_1/getPrognosis"
FORECAST_HORIZONS = ("PT72H", "PT48H", "PT36H", "PT24H")
"""How long before the end of its day each forecast was made: the last one as the day begins."""
ASKED_HORIZON = "PT6H"
"""The events of the morning must fall back to an older forecast; those of the rest of the day need not."""
WEEK_SLOTS = 7 * DAY_SLOTS
DASHBOARD_DAYS = 21
BURSTS = 3
"""Dashboards opened in each round, one after the other, each a day further on."""


class _Values(msgspec.Struct):
    values: list[float]


def read_values(outcome: Outcome, slots: int) -> list[list[float]]:
    """The values of each answer; raises LoadError unless there are so many, none of them null."""
    try:
        read = [msgspec.json.decode(answer, type=_Values).values for answer in outcome.answers]
    except msgspec.ValidationError as error:
        raise LoadError(f"An answer holds other things than numbers: {error}") from error
    for values in read:
        if len(values) != slots:
            raise LoadError(f"An answer should hold {slots} values; got {len(values)}.")
    return read


def encode(cores: Cores, contents: Sequence[object]) -> float:
    """Median time that encoding one of these as JSON takes, on the servers' core. [ms]"""
    durations = []
    with cores.run_server():
        for content in contents:
            start = time.perf_counter()
            msgspec.json.encode(content)
            durations.append(time.perf_counter() - start)
    return median(durations) * 1000


@dataclass(frozen=True, slots=True)
class YearsRead:
    """What reads of a year came to: their median latency [ms], and the values of each."""

    latency: float
    values: list[list[float]]


@dataclass
class YearReads:
    """Reads of a year by one client, each of another connection or from another day than the one before.

    Every answer must be complete: LoadError.

    ``measured``: connections with one belief per event; ``forecast``: with four. Both are known for
    ``DAYS`` days from ``start``.
    """

    server: Server
    measured: Sequence[str]
    forecast: Sequence[str]
    start: datetime = START

    def read_measured(self, count: int, first: int) -> YearsRead:
        """Years of measurements, from number ``first`` on."""
        return self._send(self.measured, GET_PATH, count, first, {})

    def read_forecast(self, count: int, first: int) -> YearsRead:
        """Years of forecasts, as known at least six hours ahead."""
        return self._send(self.forecast, READ_FORECAST_PATH, count, first, {"horizon": ASKED_HORIZON})

    def _send(
        self, connections: Sequence[str], path: str, count: int, first: int, more: dict[str, str]
    ) -> YearsRead:
        reads = []
        for number in range(first, first + count):
            day, connection = divmod(number, len(connections))
            when = period(self.start + timedelta(days=day % (DAYS - 365)), YEAR_SLOTS)
            reads.append(self.server.requests.get(path, connection=connections[connection], **when, **more))
        outcome = self.server.send(reads, clients=1)
        return YearsRead(outcome.percentile(50), read_values(outcome, YEAR_SLOTS))


def post_measured_days(server: Server, connections: Sequence[str], days: int) -> None:
    """Post days of measurements of connections, all of them in each message."""
    posts = day_posts(server.requests, connections, days, 0, each=len(connections))
    post(server, posts, len(connections) * DAY_SLOTS, CLIENTS)


def post_forecast_days(server: Server, connections: Sequence[str], days: int) -> None:
    """Post four forecasts for each day, oldest first."""
    values = iter(make_values(days * len(FORECAST_HORIZONS) * len(connections), DAY_SLOTS, seed=4))
    posts = []
    for day in range(days):
        when = period(START + timedelta(days=day), DAY_SLOTS)
        for horizon in FORECAST_HORIZONS:
            content = groups(connections, [next(values) for _ in connections])
            posts.append(server.requests.post({**content, **when, "horizon": horizon}, FORECAST_PATH))
    post(server, posts, len(connections) * DAY_SLOTS, CLIENTS)


def measure_years(bench: Workbench) -> Iterator[Row]:
    """Reads of a year beside the encoder, and of a year among forecasts beside that."""
    with bench.serve() as server:
        measured, forecast = (
            server.connections[:READ_CONNECTIONS],
            server.connections[READ_CONNECTIONS : 2 * READ_CONNECTIONS],
        )
        bench.tell("posting what is to be read")
        post_measured_days(server, measured, DAYS)
        post_forecast_days(server, forecast, DAYS)
        reads, count = YearReads(server, measured, forecast), bench.extent.reads
        for read in (reads.read_measured, reads.read_forecast):
            encode(bench.cores, read(3, 0).values)
        yield _read_year(bench, reads, count)
        filtered, plain = bench.take_turns(
            "reading a year among forecasts",
            lambda number: reads.read_forecast(count, number * count).latency,
            lambda number: reads.read_measured(count, number * count).latency,
        )
        yield Row(
            "get-year-horizon",
            bench.store,
            "ms",
            filtered,
            plain,
            "GET of a year with one belief per event",
            HORIZON_TARGET,
            server.memory,
            note="4 forecasts per event, known at least 6 h ahead",
        )


def measure_dashboard(bench: Workbench) -> Iterator[Row]:
    """A week of each of many connections, all asked for at once."""
    with bench.serve() as server:
        connections = server.connections[: bench.extent.dashboard]
        bench.tell("posting what is to be read")
        post_measured_days(server, connections, DASHBOARD_DAYS)
        last: list[list[float]] = []

        def read(number: int) -> float:
            outcomes = [
                server.send(_week_reads(server, connections, number + burst), clients=len(connections))
                for burst in range(BURSTS)
            ]
            last[:] = [values for outcome in outcomes for values in read_values(outcome, WEEK_SLOTS)]
            return median(outcome.seconds for outcome in outcomes) * 1000

        read(0)
        measured, encoded = bench.take_turns(
            "reading a dashboard", read, lambda _: encode(bench.cores, last) * len(connections)
        )
        yield Row(
            "dashboard",
            bench.store,
            "ms",
            measured,
            encoded,
            ENCODING,
            memory=server.memory,
            note=f"a week of {len(connections)} connections at once, until all are answered",
        )


def _week_reads(server: Server, connections: Sequence[str], first_day: int) -> list[bytes]:
    when = period(START + timedelta(days=first_day), WEEK_SLOTS)
    return [server.requests.get(GET_PATH, connection=name, **when) for name in connections]


def _read_year(bench: Workbench, reads: YearReads, count: int) -> Row:
    last: list[list[float]] = []

    def read(number: int) -> float:
        years = reads.read_measured(count, number * count)
        last[:] = years.values
        return years.latency

    measured, encoded = bench.take_turns("reading a year", read, lambda _: encode(bench.cores, last))
    return Row(
        "get-year",
        bench.store,
        "ms",
        measured,
        encoded,
        ENCODING,
        YEAR_TARGET,
        reads.server.memory,
        note="posted by days",
    )
