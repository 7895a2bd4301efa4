"""Threads beside the event loop: so many at once, and whose turn does not come in time is told."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Semaphore
from typing import Any

import pytest

from gridlore.domain.errors import OverloadError
from gridlore.services.accounts import Accounts
from gridlore.services.query import Query
from gridlore.web import platform
from gridlore.web.threads import Threads
from tests.conftest import Databases, WorldClient

WORLD = Path(__file__).parents[1] / "acceptance" / "small_world.toml"
SENSORS, DATA = "/api/gridlore/v1/sensors", "/api/gridlore/v1/data"
PERIOD = {"sensor": "Pole 1", "start": "2024-05-01T00:00:00Z", "duration": "PT15M"}


@pytest.fixture
def databases(sqlite_databases: Databases) -> Databases:
    """Threads are the same whatever the store; a frozen one is in tests/faults/test_postgres.py."""
    return sqlite_databases


async def wait_in_vain() -> None:
    threads = Threads("tests", 2, patience=0.05, busy="Come back.")
    held, done = Event(), list[int]()
    working = [asyncio.create_task(threads.run(held.wait, 30)) for _ in range(2)]
    await asyncio.sleep(0)
    for _ in range(3):
        with pytest.raises(OverloadError, match=r"Come back\."):
            await threads.run(done.append, 1)
    held.set()
    assert await asyncio.gather(*working) == [True, True]
    assert await threads.run(len, done) == 0
    threads.shutdown()


async def ask_niceness(niceness: int) -> int:
    threads = Threads("tests", 1, patience=10, busy="Come back.", niceness=niceness)
    try:
        return await threads.run(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    finally:
        threads.shutdown()


async def take_turns() -> None:
    threads = Threads("tests", 2, patience=10, busy="Come back.")
    assert await asyncio.gather(*(threads.run(divmod, n, 7) for n in range(50))) == [
        divmod(n, 7) for n in range(50)
    ]
    threads.shutdown()


def test_whose_turn_does_not_come_is_told_and_has_done_nothing() -> None:
    asyncio.run(wait_in_vain())


def test_many_take_turns() -> None:
    asyncio.run(take_turns())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no priority of its own")
def test_threads_leave_the_processor_to_others_and_the_process_does_not() -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    niceness = [asyncio.run(ask_niceness(step)) for step in (0, 3)]
    assert niceness == [own, min(own + 3, 19)]
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


def test_many_log_ins_wait_for_one_another_and_nobody_else_for_them(
    world_client: Callable[..., WorldClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "PATIENCE", 0.1)
    held, taken = Event(), Semaphore(0)
    hash_at_once = Accounts.log_in

    def hash_at_last(*args: Any) -> Any:
        taken.release()
        held.wait(30)
        return hash_at_once(*args)

    client = world_client(WORLD)
    assert client.request("ann", "GET", SENSORS).status_code == 200
    monkeypatch.setattr(Accounts, "log_in", hash_at_last)
    wrong = {"email": "ben@plug.example", "password": "not his"}
    with ThreadPoolExecutor(platform.PASSWORDS_AT_ONCE) as others:
        sent = [
            others.submit(client.http.post, "/api/requestAuthToken", json=wrong)
            for _ in range(platform.PASSWORDS_AT_ONCE)
        ]
        try:
            assert all(taken.acquire(timeout=10) for _ in sent)
            refused = client.http.post("/api/requestAuthToken", json=wrong)
            assert refused.status_code == 503
            assert "logging in" in refused.text
            assert int(refused.headers["Retry-After"]) > 0
            assert client.request("ann", "GET", SENSORS).status_code == 200
        finally:
            held.set()
        assert [future.result().status_code for future in sent] == [401] * len(sent)


def test_when_every_thread_waits_for_the_store_others_are_told_to_come_back(
    world_client: Callable[..., WorldClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "PATIENCE", 0.1)
    held, taken = Event(), Semaphore(0)
    read = Query.read_heads

    def read_at_last(*args: Any) -> Any:
        taken.release()
        held.wait(30)
        return read(*args)

    monkeypatch.setattr(Query, "read_heads", read_at_last)
    client = world_client(WORLD, METRICS="open")
    with ThreadPoolExecutor(platform.THREADS) as others:
        half = platform.THREADS_OF_USER
        sent = [others.submit(client.request, "ann", "GET", SENSORS) for _ in range(half)]
        try:
            assert all(taken.acquire(timeout=10) for _ in sent)
            assert client.request("ann", "GET", SENSORS).status_code == 503
            assert client.request("ben", "GET", DATA, query=PERIOD).status_code == 200
            sent += [others.submit(client.request, "ben", "GET", SENSORS) for _ in range(half)]
            assert all(taken.acquire(timeout=10) for _ in range(half))
            refused = client.request("ann", "GET", SENSORS)
            assert (refused.status_code, refused.json()["status"]) == (503, "SERVICE_UNAVAILABLE")
            assert int(refused.headers["Retry-After"]) > 0
            assert client.request(None, "GET", "/health/ready").status_code == 503
            assert client.request("ann", "GET", "/api/v1_1/getConnection").status_code == 200
            metrics = client.request(None, "GET", "/metrics")
            assert (metrics.status_code, "gridlore_late_sensors" in metrics.text) == (200, False)
            assert 'status="503"' in metrics.text
            client.log_in("ann")
            page = client.http.get("/", headers={"Accept": "text/html"})
            assert (page.status_code, "Try again" in page.text) == (503, True)
        finally:
            held.set()
        assert [future.result().status_code for future in sent] == [200] * len(sent)
    assert client.request("ann", "GET", SENSORS).status_code == 200


def test_tables_that_take_long_keep_no_other_reads_waiting(
    world_client: Callable[..., WorldClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    written, began = Event(), Semaphore(0)
    monkeypatch.setattr(platform, "FILE_PATIENCE", 0.2)

    def write_slowly(*_: object, **__: object) -> bytes:
        began.release()
        assert written.wait(30)
        return b"a table"

    monkeypatch.setattr("gridlore.web.api_gridlore.write_csv", write_slowly)
    client = world_client(WORLD)

    def read(user: str = "ann", **more: str) -> int:
        return client.request(user, "GET", DATA, query={**PERIOD, **more}).status_code

    assert read() == 200
    client.token("ben")
    with ThreadPoolExecutor(2) as people:
        first = [people.submit(read, user, format="csv") for user in ("ann", "ben")]
        assert all(began.acquire(timeout=10) for _ in first)
        assert [read(format="csv") for _ in range(platform.THREADS + 1)] == [503] * (platform.THREADS + 1)
        assert read() == 200
        written.set()
        assert [answer.result() for answer in first] == [200, 200]


async def ask_often_and_once() -> list[str]:
    threads = Threads("tests", 2, patience=0.05, busy="Come back.", each=1)
    held, began = Event(), list[str]()

    def work(name: str) -> None:
        began.append(name)
        held.wait(30)

    often = [asyncio.create_task(threads.run_for(1, work, "often")) for _ in range(3)]
    await asyncio.sleep(0.01)
    once = asyncio.create_task(threads.run_for(2, work, "once"))
    await asyncio.sleep(0.01)
    third = threads.run_for(3, work, "third")
    refused = await asyncio.gather(*often[1:], third, return_exceptions=True)
    assert [type(outcome) for outcome in refused] == [OverloadError] * 3
    held.set()
    await asyncio.gather(often[0], once)
    await threads.run_for(1, work, "again")
    threads.shutdown()
    return began


def test_who_asks_often_takes_one_thread_and_leaves_the_others() -> None:
    assert asyncio.run(ask_often_and_once()) == ["often", "once", "again"]
