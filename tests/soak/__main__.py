"""A server under a steady mixed load for a long time: does its memory grow, do its answers slow down?

    make soak MINUTES=30 STORE=postgres RATE=200
    python -m tests.soak --minutes 30 --json soak.json

First the mix (``mix.SHARES``) as fast as it is answered, which grows the database beyond its first pages;
then at 70 % of that rate, each request when it is due, which shows at what rate the server's core would be
fully busy; and once more at 70 % of this. That is the capacity: clients who wait for one another share
commits, those who come when they please share fewer, and the fewer the less they come. Then at 70 % of the
capacity, so that the core is busy for about as much. Server and client have a core each. ``report`` says what
is flat, and how long a fixed piece of work took meanwhile, which tells of the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]
import uvloop

from benchmarks.databases import EMAIL, PASSWORD, Databases, start_postgres
from benchmarks.machine import describe_machine
from benchmarks.servers import Cores, Server, run_gridlore, serve_gridlore
from tests.soak.load import Ask, Period, Sender
from tests.soak.mix import CONNECTIONS, SHARES, STATIONS_WORLD, Mix
from tests.soak.report import (
    HEADING,
    PERIODS,
    compare_costs,
    compare_thirds,
    find_faults,
    median_memory,
    show_period,
    show_thirds,
)

LOAD = 0.7
"""The part of its capacity that a server is under."""

PROBES = (0.7, LOAD)
"""At which parts of the rate that was found before it is measured how busy the server is, in turn."""

CAPACITY_CLIENTS = 16
MIB = 2**20

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to load, to send as fast as can be, and to probe [s]; ``rate``: not a part of capacity."""

    seconds: float
    fast_seconds: float = 120.0
    probe_seconds: float = 40.0
    rate: float | None = None


@contextmanager
def start(store: str, folder: Path, cores: Cores) -> Iterator[tuple[Server, Databases]]:
    """A server of a new database that has a hundred connections, some markets and thermometers."""
    with start_postgres(folder / "pg") if store == "postgres" else nullcontext() as uri:
        databases = Databases(store, folder, CONNECTIONS, uri)
        name = databases.create()
        environment = databases.environment(name)
        world = folder / "stations.toml"
        world.write_text(STATIONS_WORLD)
        run_gridlore(environment, "apply", world)
        with serve_gridlore(environment, cores, folder / "server.log") as server:
            server.database = name
            yield server, databases


def open_mix(server: Server) -> Mix:
    """The requests of somebody who has logged in, as a program and in a browser."""
    url = f"http://127.0.0.1:{server.port}"
    with httpx.Client(base_url=url, timeout=30) as client:
        given = client.post("/api/requestAuthToken", json={"email": EMAIL, "password": PASSWORD})
        token = given.raise_for_status().json()["auth_token"]
        client.post("/login", data={"email": EMAIL, "password": PASSWORD})
        listed = client.get("/api/v1_1/getConnection", headers={"Authorization": token})
        found = listed.raise_for_status().json()
        names = zip(found["names"], found["connections"], strict=True)
        connections = [address for name, address in names if name.startswith("Meter ")]
        return Mix(connections[::-1], token, client.cookies["gridlore_session"])


def own_memory(server: Server) -> float:
    """What the server has for itself; the database's file, which it maps, is not counted. [MiB]"""
    memory = psutil.Process(server.process.pid).memory_info()
    return float(memory.rss - memory.shared) / MIB


async def soak(server: Server, plan: Plan, tell: Tell) -> tuple[dict[str, object], list[Period], list[str]]:
    """Figures, periods, and errors of what came before these."""
    mix = open_mix(server)
    asks, sender = iter(mix), Sender(server.port)
    began = own_memory(server)
    ready = await sender.send_all(mix.prepare())
    each = await sender.send_all(map(mix.make, SHARES))
    lasting = plan.fast_seconds + len(PROBES) * plan.probe_seconds
    tell(f"{ready.stored:,} values are there; measuring capacity for {lasting:g} s")
    fastest, fast = await sender.measure_rate(asks, plan.fast_seconds, CAPACITY_CLIENTS)
    capacity, found = fastest, f"{fastest:.0f}/s with {CAPACITY_CLIENTS} clients"
    probes = [Period() for _ in PROBES]
    for part, probe in zip(PROBES, probes, strict=True):
        await load(server, sender, asks, part * capacity, plan.probe_seconds, probe)
        found += f"; {probe.cpu / probe.seconds:.0%} busy at {part * capacity:.0f}/s"
        capacity = min(capacity, probe.capacity)
    tell(f"capacity: {capacity:.0f} requests/s ({found})")
    rate = plan.rate or LOAD * capacity
    tell(f"now {rate:.0f} requests/s")
    tell(HEADING)
    periods: list[Period] = []
    start_memory, client_cpu = own_memory(server), time.process_time()
    for number in range(PERIODS):
        period = Period()
        await load(server, sender, asks, rate, plan.seconds / PERIODS, period)
        tell(show_period(number, period))
        periods.append(period)
    lasted = sum(period.seconds for period in periods)
    requests = sum(period.count for period in periods)
    figures: dict[str, object] = {
        "fastest": round(fastest, 1),
        "capacity": round(capacity, 1),
        "rate": round(requests / lasted, 1),
        "seconds": round(lasted, 1),
        "requests": requests,
        "errors": sum(len(period.errors) for period in periods),
        "late": sum(period.late for period in periods),
        "values_stored": sum(period.stored for period in periods),
        "client_busy": round((time.process_time() - client_cpu) / lasted, 3),
        "server_busy": round(sum(period.cpu for period in periods) / lasted, 3),
        "memory_mib": {
            "before": round(began, 1),
            "start": round(start_memory, 1),
            "end_of_first_third": round(median_memory(periods[PERIODS // 3 - 1 : PERIODS // 3 + 2]), 1),
            "end": round(median_memory(periods[-3:]), 1),
        },
        "thirds": compare_thirds(periods),
        "cost_ms": compare_costs(periods),
    }
    return (
        figures,
        periods,
        [*ready.errors, *each.errors, *fast.errors, *(error for probe in probes for error in probe.errors)],
    )


async def load(
    server: Server, sender: Sender, asks: Iterable[Ask], rate: float, seconds: float, period: Period
) -> None:
    """Send so many requests per second, and measure meanwhile."""

    async def watch() -> None:
        while True:
            period.memory.append(own_memory(server))
            period.yardstick.append(measure_core())
            await asyncio.sleep(min(1.0, seconds / 4))

    began, used = time.perf_counter(), server.cpu
    watching = asyncio.ensure_future(watch())
    try:
        await sender.keep_up(asks, rate, seconds, period)
    finally:
        watching.cancel()
    period.seconds, period.cpu = time.perf_counter() - began, server.cpu - used


def measure_core() -> float:
    """How long this core takes for a fixed piece of work, about a millisecond. [s]"""
    began = time.thread_time()
    sum(number * number for number in range(15_000))
    return time.thread_time() - began


def run(store: str, plan: Plan, folder: Path, tell: Tell) -> dict[str, object]:
    """All of it; the figures, with ``faults``."""
    cores = Cores.of_this_machine()
    with start(store, folder, cores) as (server, databases):
        size = databases.size(server.database)
        with cores.run_client(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures, periods, errors = runner.run(soak(server, plan, tell))
        figures["database_mib"] = [round(size / MIB, 1), round(databases.size(server.database) / MIB, 1)]
        log = server.log.read_text()
    faults = [f"an error before: {error}" for error in errors[:10]]
    faults += find_faults(periods, float(str(figures["client_busy"])))
    if "Traceback" in log:
        faults.append("the server's log has a traceback")
    return {"store": store, "shares": SHARES, **figures, "faults": faults}


def show_end(figures: dict[str, object]) -> Sequence[str]:
    """The end of the report."""
    return [
        *show_thirds(figures["thirds"]),  # type: ignore[arg-type]
        "  ".join(
            f"{name.replace('_', ' ')}: {figures[name]}"
            for name in ("requests", "errors", "late", "rate", "values_stored")
        ),
        f"busy part of a core: server {figures['server_busy']}, client {figures['client_busy']}",
        f"first third → last, in ms of the core: a request and the yardstick: {figures['cost_ms']}",
        f"memory [MiB]: {figures['memory_mib']}  database before and after [MiB]: {figures['database_mib']}",
        *(figures["faults"] or ["passed: no errors; memory and latency are flat"]),  # type: ignore[misc]
    ]


def main() -> int:
    """Run it; 0 when it passes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, help="requests per second; 70 %% of the capacity when absent")
    parser.add_argument("--fast-seconds", type=float, default=120.0)
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    seconds = options.minutes * 60
    plan = Plan(seconds, options.fast_seconds, min(40.0, options.fast_seconds), options.rate)
    with tempfile.TemporaryDirectory() as name:
        print(f"{options.minutes:g} minutes on {options.store}; of a thousand requests: {SHARES}", flush=True)
        machine = describe_machine(Path(name))
        figures = run(options.store, plan, Path(name), lambda line: print(line, flush=True))
    print("\n".join(show_end(figures)))
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, **figures}, indent=1))
    return 1 if figures["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
