"""The row about small posts: a year of values that came one by one, read beside a year that came by days.

Both sensors are fed with the store's own writer, 5-minute values in order of time. One by one means one
value per message; the writer gets 16 messages at a time, as it does when others wait for it too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np

from benchmarks.messages import FIVE_MINUTES, GET_PATH, START
from benchmarks.reading import read_values
from benchmarks.rows import Row, Target
from benchmarks.servers import Server
from benchmarks.workbench import Workbench
from gridlore.bootstrap import open_store
from gridlore.config import load_settings
from gridlore.domain.beliefs import make_blocks
from gridlore.domain.commands import Receipt
from gridlore.domain.timing import DAY, MINUTE, Grid, Timing, to_instant
from gridlore.store.writer import Writer

SINGLES_TARGET = Target(1.5, at_least=False)
RESOLUTION = 5 * MINUTE
SLOTS = DAY // RESOLUTION
TOGETHER = 16
"""Messages of one value that the writer gets at a time."""
MEASURED = Timing(belief_horizon=0)


def feed(environment: Mapping[str, str], days: int, bench: Workbench) -> None:
    """Store the same values of both sensors, of one value by value and of the other day by day."""
    settings = load_settings(environ=environment)
    store = open_store(settings)
    writer = Writer(store, max_queue_bytes=settings.write_queue_bytes)
    try:
        directory = store.read_directory()
        singly, daily = (
            next(sensor.id for sensor in directory.sensors if sensor.name == name) for name in FIVE_MINUTES
        )
        source_id = directory.sources[0].id
        values = np.round(np.random.default_rng(5).normal(100, 40, days * SLOTS), 3)
        start = to_instant(START)

        def submit(sensor_id: int, first: int, count: int) -> Future[Receipt]:
            at = start + first * RESOLUTION
            part = values[first : first + count]
            blocks = make_blocks(sensor_id, source_id, Grid(at, RESOLUTION, count), part, MEASURED, at)
            return writer.submit(list(blocks))

        for day in range(days):
            bench.tell(f"feeding day {day + 1} of {days}")
            for first in range(day * SLOTS, (day + 1) * SLOTS, TOGETHER):
                waiting = [submit(singly, first + number, 1) for number in range(TOGETHER)]
                waiting[-1].result()
            submit(daily, day * SLOTS, SLOTS).result()
    finally:
        writer.close()
        store.close()


@dataclass(frozen=True, slots=True)
class _Reader:
    server: Server
    days: int

    def read(self, address: str, count: int) -> float:
        """Median latency of reading all that is known of a sensor. [ms]"""
        when = {"start": START.isoformat().replace("+00:00", "Z"), "duration": f"P{self.days}D"}
        outcome = self.server.send(
            [self.server.requests.get(GET_PATH, connection=address, **when)] * count, clients=1
        )
        read_values(outcome, self.days * SLOTS)
        return outcome.percentile(50)


def measure_feeding(bench: Workbench) -> Iterator[Row]:
    """Read what was fed one by one beside what was fed by days."""
    days, count = bench.extent.fed_days, max(2, bench.extent.reads // 4)
    name = bench.databases.create()
    try:
        feed(bench.databases.environment(name), days, bench)
        bench.databases.settle(name)
        with bench.serve(name) as server:
            singly, daily = server.five_minutes
            reader = _Reader(server, days)
            reader.read(singly, 2)
            reader.read(daily, 2)
            measured, compared = bench.take_turns(
                "reading what was fed one by one",
                lambda _: reader.read(singly, count),
                lambda _: reader.read(daily, count),
            )
            yield Row(
                "get-year-of-singles",
                bench.store,
                "ms",
                measured,
                compared,
                "GET of the same fed by days",
                SINGLES_TARGET,
                server.memory,
                note=f"{days} days of 5-minute values",
            )
    finally:
        bench.databases.drop(name)
