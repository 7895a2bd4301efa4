"""Rows about pages for people: processor time of the server for each, where there are a thousand sensors.

What is measured is the server's own work and not the wait for it, so it holds on a busy machine too.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx

from benchmarks.databases import EMAIL, PASSWORD
from benchmarks.load import LoadError
from benchmarks.messages import DAY_SLOTS, YEAR_SLOTS, day_posts, year_posts
from benchmarks.rows import Row, Target
from benchmarks.servers import Server
from benchmarks.workbench import Workbench

BUDGET = 100.0
"""What a page may take. [ms]"""
WITHIN = Target(1, at_least=False)
PAGES = {
    "page-overview": ("/", "Meter 1<"),
    "page-search": ("/?q=meter+7", "Meter 7<"),
    "page-sensor": ("/sensors/1", "Meter 1 "),
    "chart-year": ("/sensors/1/series.json?{year}&points=1500", "frames"),
}
"""Where each row goes, and what the answer must hold. The first sensor has a year of values."""


def measure_pages(bench: Workbench) -> Iterator[Row]:
    """Each page again and again, by one client who is logged in."""
    with (
        bench.serve() as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as client,
    ):
        year = _fill(server)
        client.post("/login", data={"email": EMAIL, "password": PASSWORD})
        for name, (path, sign) in PAGES.items():
            address = path.format(year=year)
            if sign not in client.get(address).text:
                raise LoadError(f"{address} does not show {sign!r}")
            figures = []
            for number in range(bench.extent.rounds):
                bench.tell(f"{name}, round {number + 1} of {bench.extent.rounds}")
                figures.append(_measure(server, client, address, bench.extent.listings))
            yield Row(
                name,
                bench.store,
                "ms",
                figures,
                [BUDGET] * len(figures),
                "a budget of 100 ms",
                WITHIN,
                memory=server.memory,
                note=f"processor time of the server, {len(server.connections):,} connections",
            )


def _fill(server: Server) -> str:
    """Give every connection the last day, and the first the year before; the query for that year."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start = today - timedelta(days=365)
    posts = year_posts(server.requests, server.connections[:1], 1, 0, start=start)
    server.send(posts, clients=1)
    rest = server.connections[1:]
    yesterday = today - timedelta(days=1)
    for first in range(0, len(rest), 100):
        some = rest[first : first + 100]
        server.send(day_posts(server.requests, some, 1, 0, start=yesterday, each=len(some)), clients=1)
    assert YEAR_SLOTS == 365 * DAY_SLOTS
    return f"start={start:%Y-%m-%dT%H:%M:%SZ}&end={today:%Y-%m-%dT%H:%M:%SZ}"


def _measure(server: Server, client: httpx.Client, address: str, times: int) -> float:
    """Processor time of the server for one answer. [ms]

    Asked at least so many times, and until the system's count of processor time, which is coarse, has moved.
    """
    before, asked = server.cpu, 0
    while asked < times or server.cpu == before:
        client.get(address).raise_for_status()
        asked += 1
    return (server.cpu - before) * 1000 / asked
