"""More than the server can store: it says so, keeps within its memory, and is soon itself again."""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx
import orjson
import psutil
import pytest

from tests.acceptance.conftest import SMALL_WORLD, Server, ServerStarter
from tests.conftest import Databases
from tests.faults.conftest import LONG, told
from tests.faults.load import LOGIN, message

MIB = 1024 * 1024
CLIENTS = 64
SECONDS = 60 if LONG else 3
PATIENCE = 30
"""How much longer it goes on until something is refused. [s]"""
YEAR_SLOTS = 35_040
YEARS = range(1901, 2190)
NARROW = {"WRITE_QUEUE_BYTES": str(4 * MIB), "MAX_BODIES_BYTES": str(16 * MIB)}
"""So little that 64 clients fill it."""
NARROW_GROWTH, GROWTH = 160 * MIB, 400 * MIB
"""What the server may grow by with the narrow queue, and with the usual one, in which 64 clients have a year
each: several times what it may queue and read at once. With the usual one it is 180 to 270. [bytes]"""

DEEP_GROWTH = 1536 * MIB
"""What it may grow by when a few bytes state millions of values each: eight reads, and the writer, each go
through 64 MiB, and have that several times over. Without a bound it was 4 GiB and more. [bytes]"""


def encode_year(number: int) -> bytes:
    """A forecast of a year that nobody has made before."""
    turn, place = divmod(number, 2 * len(YEARS))
    year, pole = YEARS[place // 2], place % 2 + 1
    return orjson.dumps(
        {
            "type": "PostPrognosisRequest",
            "connection": f"Pole {pole}",
            "values": [number + slot / 7 for slot in range(YEAR_SLOTS)],
            "start": f"{year}-01-01T00:00:00Z",
            "duration": "P365D",
            "prior": (datetime(1900, 1, 1, tzinfo=UTC) + timedelta(minutes=turn)).isoformat(),
            "unit": "MW",
        }
    )


@dataclass
class Flood:
    """64 clients that post years as fast as they can."""

    server: Server
    answers: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    numbers: count[int] = field(default_factory=count)
    seconds: float = 0.0

    def run(self, *, until_refused: bool) -> None:
        """All of it: SECONDS, and longer on a slow machine if none is refused by then that should be."""
        token = self.server.login(*LOGIN).headers["Authorization"]
        began = time.monotonic()

        def over() -> bool:
            spent = time.monotonic() - began
            refused = self.answers[503] > 0 or not until_refused
            return spent > SECONDS and (refused or spent > SECONDS + PATIENCE)

        threads = [threading.Thread(target=self._post, args=(token, over)) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.seconds = time.monotonic() - began

    def _post(self, token: str, over: Callable[[], bool]) -> None:
        with httpx.Client(base_url=self.server.url, timeout=60, headers={"Authorization": token}) as client:
            while not over():
                began = time.monotonic()
                answer = client.post("/api/v1_1/postPrognosis", content=encode_year(next(self.numbers)))
                self.waits.append(time.monotonic() - began)
                self.answers[answer.status_code] += 1
                if answer.status_code == 503 and answer.headers.get("Retry-After"):
                    time.sleep(0.2)
                elif answer.status_code != 200:
                    self.problems.append(answer.text)


def own_memory(process: psutil.Process) -> int:
    """What a process has for itself; the database's file, which it maps, is not counted. [bytes]"""
    memory = process.memory_info()
    return int(memory.rss - memory.shared)


def measure_post(client: httpx.Client, first: int) -> float:
    """The median time of a few small posts. [s]"""
    times = []
    for slot in range(first, first + 30):
        began = time.perf_counter()
        answer = client.post("/api/v1_1/postMeterData", json=message(slot, [1.0]))
        times.append(time.perf_counter() - began)
        assert answer.status_code == 200, answer.text
    return statistics.median(times)


@pytest.mark.parametrize("databases", ["sqlite", "postgres"] if LONG else ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("bounds", "growth"), [(NARROW, NARROW_GROWTH), ({}, GROWTH)] if LONG else [(NARROW, NARROW_GROWTH)]
)
def test_years_from_64_clients_keep_within_memory_and_hold_nobody_up_afterwards(
    databases: Databases, serve: ServerStarter, bounds: dict[str, str], growth: int
) -> None:
    """As many as there are fit into the queue's usual bound: there, none is refused."""
    name = databases.create(databases.template(SMALL_WORLD))
    server = serve(databases.settings(name, **bounds))
    client = server.login(*LOGIN)
    process = psutil.Process(server.process.pid)
    before = measure_post(client, 0)
    memory = [own_memory(process)]
    flood = Flood(server)
    flooding = threading.Thread(target=flood.run, kwargs={"until_refused": bool(bounds)})
    flooding.start()
    while flooding.is_alive():
        memory.append(own_memory(process))
        flooding.join(0.1)
    after = min(measure_post(client, 1000 + 100 * turn) for turn in range(5))
    told(
        f"overload of {databases.kind}, {'a narrow' if bounds else 'the usual'} queue: "
        f"{flood.answers[200]} years stored and {flood.answers[503]} refused in {flood.seconds:.0f} s; "
        f"waits: median {statistics.median(flood.waits):.2f} s, longest {max(flood.waits):.2f} s; "
        f"memory {memory[0] // MIB} MiB before, {max(memory) // MIB} at most, {memory[-1] // MIB} after; "
        f"a small post took {before * 1000:.1f} ms before and {after * 1000:.1f} ms after"
    )
    assert not flood.problems, flood.problems[0]
    assert flood.answers[200] > 0 and (flood.answers[503] > 0) == bool(bounds), flood.answers
    assert max(memory) - memory[0] < growth
    assert after < 10 * before


def state_millions(client: httpx.Client, number: int, later: int = 0) -> httpx.Response:
    """A forecast of one value for 1.9 million events, known later than those of smaller numbers."""
    fields = {
        "type": "PostPrognosisRequest",
        "connection": "Pole 1",
        "values": [number / 1000],
        "start": (datetime(1950, 1, 1, tzinfo=UTC) + later * timedelta(minutes=15)).isoformat(),
        "duration": "PT480000H",
        "horizon": f"PT{500 - number}H",
        "unit": "MW",
    }
    return client.post("/api/v1_1/postPrognosis", json=fields)


def test_few_bytes_that_state_millions_of_values_keep_within_memory(
    sqlite_databases: Databases, serve: ServerStarter
) -> None:
    server = serve(sqlite_databases.settings(sqlite_databases.create(sqlite_databases.template(SMALL_WORLD))))
    client = server.login(*LOGIN)
    clients = [client, server.login("ben@plug.example", "ben's password")]  # a user has half of the threads
    for one in clients:
        one.timeout = httpx.Timeout(60)  # longer than the server waits before it says that it is busy
    process = psutil.Process(server.process.pid)
    memory = [own_memory(process)]
    answers = [state_millions(client, number) for number in range(8)]
    assert [answer.status_code for answer in answers] == sorted(answer.status_code for answer in answers)
    assert {answer.status_code for answer in answers} == {200, 400}, "so many are taken, and no more"
    assert "shorter duration" in answers[-1].text
    asked = {"type": "GetPrognosisRequest", "connection": "Pole 1", "unit": "MW"}
    period = {"start": "1950-01-01T00:00:00Z", "duration": "PT480000H"}
    with ThreadPoolExecutor(24) as others:
        posts = [others.submit(state_millions, client, 100 + turn, turn + 1) for turn in range(16)]
        reads = [
            others.submit(clients[n % 2].get, "/api/v1_1/getPrognosis", params={**asked, **period})
            for n in range(8)
        ]
        while not all(sent.done() for sent in (*posts, *reads)):
            memory.append(own_memory(process))
            time.sleep(0.02)
    told(f"deep: memory {memory[0] // MIB} MiB before, {max(memory) // MIB} at most")
    assert {sent.result().status_code for sent in posts} <= {400, 503}
    assert {sent.result().status_code for sent in reads} <= {200, 400, 503}
    assert max(memory) - memory[0] < DEEP_GROWTH
    measure_post(client, 0)
