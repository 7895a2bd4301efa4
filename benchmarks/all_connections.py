"""Rows about everything at once: a message of all connections, and the latest value of each."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from benchmarks.load import LoadError
from benchmarks.messages import DAY_SLOTS, FIVE_MINUTES, day_posts
from benchmarks.posting import BARE, PostKind, PostSeries
from benchmarks.reading import encode
from benchmarks.rows import Row
from benchmarks.servers import Server
from benchmarks.workbench import Workbench

SENSORS_PATH = "/api/gridlore/v1/sensors"


def _make_messages(server: Server, count: int, first: int) -> list[bytes]:
    connections = server.connections
    return day_posts(server.requests, connections, count, first, each=len(connections))


def measure_all_connections(bench: Workbench) -> Iterator[Row]:
    """Messages of all connections, 96 values each, one after the other; then everybody's latest value."""
    with bench.serve() as server:
        values = len(server.connections) * DAY_SLOTS
        series = PostSeries(bench, server, PostKind("messages of all connections", _make_messages, values))
        series.warm_up(1)
        measured, bare = series.measure(bench.extent.big_messages, 1)
        yield Row(
            "big-message",
            bench.store,
            "ms",
            [outcome.percentile(50) for outcome in measured],
            [outcome.percentile(50) for outcome in bare],
            BARE,
            memory=server.memory,
            note=f"{len(server.connections):,} connections × {DAY_SLOTS} values, one client",
            facts=series.cpu,
        )
        yield _measure_latest(bench, server)


def _measure_latest(bench: Workbench, server: Server) -> Row:
    """The most recent value of every connection; each must have one."""
    asked = [server.requests.get_plain(SENSORS_PATH)] * bench.extent.listings
    last: list[dict[str, object]] = []

    def read(_: int) -> float:
        outcome = server.send(asked, clients=1)
        for answer in outcome.answers:
            last[:] = msgspec.json.decode(answer)["sensors"]
            if [sensor for sensor in last if sensor["latest"] is None and sensor["name"] not in FIVE_MINUTES]:
                raise LoadError("A connection that was posted to has no latest value.")
        return outcome.percentile(50)

    read(0)
    measured, encoded = bench.take_turns(
        "reading the latest values", read, lambda _: encode(bench.cores, [last] * bench.extent.listings)
    )
    return Row(
        "latest-values",
        bench.store,
        "ms",
        measured,
        encoded,
        "msgspec encoding that listing",
        memory=server.memory,
        note=f"{len(server.connections):,} connections, after the messages of all of them",
    )
