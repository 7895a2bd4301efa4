"""A server under a steady mixed load for a long time: does its memory grow, do its answers slow down?

    make soak MINUTES=30 RATE=200
    python -m tests.soak --minutes 30 --rate 200 [--database-url postgresql://…]

Posts of single values, days and years, reads, pages and log-ins, mixed as in SHARES, each at the moment when
it is due whether or not those before it are answered; latency counts from then. A line for each period
tells latencies, errors and memory. It passes when there were no errors and neither memory nor latency has
a trend: Mann and Kendall's test sees one, and Theil and Sen's slope makes it larger than a tolerance.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil

from gridlore.bootstrap import connect_store, is_embedded, open_accounts
from gridlore.config import Settings, load_settings
from tests.acceptance.conftest import SMALL_WORLD, Server, start_server
from tests.conftest import apply_file

SHARES = {"single": 60, "day": 20, "year": 1, "read day": 12, "read year": 2, "page": 4, "log in": 1}
"""How many of a hundred requests are of each kind."""

PERIODS = 30
"""Lines of the table."""

WARM_UP = 3
"""Periods that are not judged: caches fill, and the first blocks fold."""

MEMORY_TOLERANCE = 0.10
LATENCY_TOLERANCE = 0.50
"""By which part of its median something may have drifted from beginning to end."""

SURE = 2.576
"""How many standard deviations make a trend: one table in a hundred shows as much by chance."""

CLIENTS = 32
START = datetime(2015, 1, 1, tzinfo=UTC)
EMAIL, PASSWORD = "ann@plug.example", "ann's password"


def find_trend(values: Sequence[float]) -> tuple[float, float]:
    """How surely values rise or fall (Mann and Kendall), and by which part of their median (Theil and Sen).

    >>> find_trend([1, 2, 3, 4, 5, 6, 7, 8, 9])
    (3.64..., 1.6)
    >>> find_trend([5, 5, 5, 5])
    (0.0, 0.0)
    """
    count = len(values)
    pairs = list(itertools.combinations(range(count), 2))
    score = sum((values[j] > values[i]) - (values[j] < values[i]) for i, j in pairs)
    ties = Counter(values).values()
    variance = sum(
        sign * n * (n - 1) * (2 * n + 5) for sign, group in ((1, [count]), (-1, ties)) for n in group
    )
    deviation = math.sqrt(variance / 18)
    sureness = (score - math.copysign(1, score)) / deviation if score and deviation else 0.0
    slope = statistics.median((values[j] - values[i]) / (j - i) for i, j in pairs)
    return sureness, slope * (count - 1) / (statistics.median(values) or 1.0)


@dataclass
class Period:
    """What happened in one period."""

    latencies: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in SHARES})
    errors: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)

    def all(self) -> list[float]:
        return [latency for latencies in self.latencies.values() for latency in latencies]


@dataclass
class Soak:
    """The load, and what was measured."""

    server: Server
    rate: float
    seconds: float
    token: str = ""
    numbers: dict[str, itertools.count[int]] = field(
        default_factory=lambda: {kind: itertools.count() for kind in SHARES}
    )
    periods: list[Period] = field(default_factory=lambda: [Period() for _ in range(PERIODS)])

    def run(self, tell: Callable[[str], None]) -> None:
        """Send everything that is due, and tell a line for each period that is over."""
        kinds = random.Random(1).choices(list(SHARES), list(SHARES.values()), k=int(self.rate * self.seconds))
        due = iter(list(enumerate(kinds)))
        lock = threading.Lock()
        clients = [httpx.Client(base_url=self.server.url, timeout=60) for _ in range(CLIENTS)]
        self.token = self._log_in(clients[0])
        began = time.monotonic()

        def work(client: httpx.Client) -> None:
            with client:
                while True:
                    with lock:
                        number, kind = next(due, (-1, ""))
                    if number < 0:
                        return
                    moment = began + number / self.rate
                    time.sleep(max(0.0, moment - time.monotonic()))
                    period = self.periods[int(number / self.rate / self.seconds * PERIODS)]
                    problem = self._send(client, kind)
                    period.latencies[kind].append(time.monotonic() - moment)
                    if problem:
                        period.errors.append(f"{kind}: {problem}")

        threads = [threading.Thread(target=work, args=(client,), daemon=True) for client in clients]
        for thread in threads:
            thread.start()
        process = psutil.Process(self.server.process.pid)
        tell("period  requests  errors  p50 ms  p95 ms  p99 ms  max ms  memory MiB")
        for number, period in enumerate(self.periods):
            end = began + (number + 1) * self.seconds / PERIODS
            while time.monotonic() < end:
                memory = process.memory_info()
                period.memory.append(memory.rss - memory.shared)
                time.sleep(min(0.25, max(0.01, end - time.monotonic())))
            if number:  # by now those that were late have been answered too
                tell(show_period(number, self.periods[number - 1]))
        for thread in threads:
            thread.join(60)
        tell(show_period(PERIODS, self.periods[-1]))

    def _log_in(self, client: httpx.Client) -> str:
        answer = client.post("/api/requestAuthToken", json={"email": EMAIL, "password": PASSWORD})
        return str(answer.raise_for_status().json()["auth_token"])

    def _send(self, client: httpx.Client, kind: str) -> str | None:
        try:
            answer = self._request(client, kind, next(self.numbers[kind]))
        except httpx.TransportError as error:
            return repr(error)
        return None if answer.status_code in {200, 303} else f"{answer.status_code} {answer.text[:200]}"

    def _request(self, client: httpx.Client, kind: str, number: int) -> httpx.Response:
        headers = {"Authorization": self.token}
        if kind == "page":
            return client.get("/login")
        if kind == "log in":
            return client.post("/api/requestAuthToken", json={"email": EMAIL, "password": PASSWORD})
        if kind.startswith("read"):
            days = 365 if kind == "read year" else 1
            start = START + timedelta(days=number % 300)
            query = {
                "type": "GetPrognosisRequest",
                "connection": "Pole 2",
                "start": start.isoformat(),
                "duration": f"P{days}D",
                "unit": "MW",
            }
            return client.get("/api/v1_1/getPrognosis", params=query, headers=headers)
        slots = {"single": 1, "day": 96, "year": 35_040}[kind]
        pole = "Pole 1" if kind == "single" else "Pole 2"
        # Years begin anew after a while, with another belief time, so that they stay news.
        turn, place = divmod(number, 100_000 if kind == "single" else 3_650 if kind == "day" else 10)
        start = START + timedelta(minutes=15) * slots * place
        message = {
            "type": "PostPrognosisRequest",
            "connection": pole,
            "values": [number % 1000 + slot / 7 for slot in range(slots)],
            "start": start.isoformat(),
            "duration": f"PT{15 * slots}M",
            "prior": (START - timedelta(days=1000) + timedelta(minutes=turn, seconds=slots % 59)).isoformat(),
            "unit": "MW",
        }
        return client.post("/api/v1_1/postPrognosis", json=message, headers=headers)

    def find_faults(self) -> list[str]:
        """Why it does not pass; nothing when it does."""
        faults = [f"an error: {error}" for period in self.periods for error in period.errors][:10]
        judged = [period for period in self.periods[WARM_UP:] if period.all()]
        measures = {
            "memory": (MEMORY_TOLERANCE, [statistics.median(period.memory) for period in judged]),
            "median latency": (LATENCY_TOLERANCE, [percentile(period.all(), 50) for period in judged]),
            "95 % latency": (LATENCY_TOLERANCE, [percentile(period.all(), 95) for period in judged]),
        }
        for name, (tolerance, values) in measures.items():
            sureness, drift = find_trend(values)
            if sureness > SURE and drift > tolerance:
                faults.append(f"{name} rises: by {drift:.0%} of its median ({sureness:.1f} deviations)")
        return faults


def percentile(values: Sequence[float], part: float) -> float:
    """The value that so many of a hundred do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part / 100))]


def show_period(number: int, period: Period) -> str:
    """A line of the table."""
    latencies = period.all()
    shown = [f"{percentile(latencies or [math.nan], part) * 1000:8.1f}" for part in (50, 95, 99, 100)]
    memory = statistics.median(period.memory or [0]) / 1024 / 1024
    return f"{number:6d}  {len(latencies):8d}  {len(period.errors):6d}{''.join(shown)}  {memory:10.1f}"


def prepare(url: str | None, folder: Path) -> Settings:
    """Settings with a database that has the small world; with a URL, that one, which must be empty."""
    given: dict[str, str | None] = {
        "DATABASE_URL": url or f"sqlite:///{folder}/gridlore.db",
        "SECRET_KEY": "a key for the soak only",
    }
    settings = load_settings(given, environ={})
    store = connect_store(settings)
    store.upgrade_schema()
    apply_file(store, SMALL_WORLD, open_accounts(settings))
    store.close()
    return settings


def main() -> int:
    """Run it; 0 when it passes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=100.0, help="requests per second")
    parser.add_argument("--database-url", help="an empty PostgreSQL database; a new SQLite file when absent")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        settings = prepare(options.database_url, Path(name))
        server = start_server(settings, Path(name) / "server.log")
        kind = "SQLite" if is_embedded(settings) else "PostgreSQL"
        print(
            f"{options.minutes:g} minutes on {kind}, {options.rate:g} requests a second: {SHARES}", flush=True
        )
        soak = Soak(server, options.rate, options.minutes * 60)
        try:
            soak.run(lambda line: print(line, flush=True))
        finally:
            server.stop()
        log = (Path(name) / "server.log").read_text()
    faults = soak.find_faults() + (["the server's log has a traceback"] if "Traceback" in log else [])
    print("\n".join(faults) or "passed: no errors; memory and latency are flat")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
