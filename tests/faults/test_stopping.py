"""A server is told to stop while its database hangs: who waits hears 503, and the process ends in time."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import httpx
import psycopg
import pytest

from gridlore.config import Settings
from tests.acceptance.conftest import Server, ServerStarter
from tests.faults.conftest import LONG, Cluster
from tests.faults.load import LOGIN, Load

LIMIT = 10.0
"""What a server may take to stop. [s]"""


@contextmanager
def freeze(cluster: Cluster, _: Settings) -> Iterator[None]:
    """The database does nothing at all."""
    cluster.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        cluster.signal(signal.SIGCONT)


@contextmanager
def lock(_: Cluster, settings: Settings) -> Iterator[None]:
    """Somebody else holds what is needed to write and to read."""
    with psycopg.connect(settings.database_url) as connection:
        connection.execute("LOCK TABLE sensor_head, belief_block")
        yield


@pytest.fixture(scope="module")
def load() -> Load:
    """One for all tests, which share a database."""
    return Load()


Hang = Callable[[Cluster, Settings], AbstractContextManager[None]]


@pytest.mark.parametrize("hang", [freeze, lock] if LONG else [freeze])
def test_a_stop_while_the_database_hangs_takes_no_longer_than_it_may(
    hang: Hang, cluster: Cluster, cluster_settings: Settings, serve: ServerStarter, load: Load
) -> None:
    server: Server = serve(replace(cluster_settings, answer_timeout=60.0))
    heard: list[httpx.Response] = []
    told = load.answers[503]
    load.start(server)
    load.wait_for(20)
    reader = server.login(*LOGIN)
    reading = threading.Thread(target=lambda: heard.append(reader.get("/api/gridlore/v1/sensors")))
    with hang(cluster, cluster_settings):
        reading.start()
        time.sleep(0.5)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(2 * LIMIT)
        took = time.monotonic() - began
        load.join()
        reading.join(LIMIT)
    assert took < LIMIT
    assert load.answers[503] - told == load.clients, "every client that waited was told"
    (answer,) = heard
    assert (answer.status_code, answer.json()["status"]) == (503, "SERVICE_UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) > 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/api/")
    load.check(serve(cluster_settings))
