"""The connection to PostgreSQL breaks at the very COMMIT: nothing is half stored, and sending again tells."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from gridlore.config import Settings
from tests.acceptance.conftest import SMALL_WORLD, Server, start_server
from tests.conftest import Databases
from tests.faults.conftest import LONG, Cluster
from tests.faults.cutting import AFTER, BEFORE, Proxy
from tests.faults.load import CONNECTIONS, LOGIN, Load, message

ROUNDS = 50 if LONG else 5


@pytest.fixture(scope="module")
def proxy(cluster: Cluster) -> Iterator[Proxy]:
    made = Proxy(f"{cluster.folder}/.s.PGSQL.5432")
    threading.Thread(target=made.run, daemon=True).start()
    yield made
    made.listener.close()


@pytest.fixture(scope="module")
def server(cluster: Cluster, proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Reaches its database through the proxy."""
    folder = tmp_path_factory.mktemp("commits")
    databases = Databases("postgres", folder, cluster.url)
    settings: Settings = databases.settings(databases.create(databases.template(SMALL_WORLD)))
    url = settings.database_url.replace(f"host={cluster.folder}", f"host=127.0.0.1&port={proxy.port}")
    running = start_server(replace(settings, database_url=url), folder / "server.log")
    yield running
    running.stop()


def read(client: httpx.Client, slot: int) -> object:
    """What is known of one slot of both connections; the same of both, or the answer would have groups."""
    sent = message(slot, [0.0])
    asked = {key: sent[key] for key in ("start", "duration", "unit", "connections")}
    answer = client.get("/api/v1_1/getMeterData", params={"type": "GetMeterDataRequest", **asked}).json()
    assert answer["connections"] == CONNECTIONS
    return answer["values"]


@pytest.mark.parametrize("side", [BEFORE, AFTER])
def test_a_commit_that_nobody_heard_of_is_whole_or_absent_and_may_be_sent_again(
    side: str, server: Server, proxy: Proxy
) -> None:
    client = server.login(*LOGIN)
    first = -1000 if side == BEFORE else -2000  # other slots than those of the load below
    assert client.post("/api/v1_1/postMeterData", json=message(first, [1.0])).status_code == 200
    for slot in range(first + 1, first + 1 + ROUNDS):
        cut = proxy.cut
        proxy.arm(side)
        sent = message(slot, [float(slot)])
        answer = client.post("/api/v1_1/postMeterData", json=sent)
        assert (answer.status_code, proxy.cut) == (503, cut + 1), answer.text
        assert answer.headers["Retry-After"]
        assert read(client, slot) == ([] if side == BEFORE else [float(slot)])
        again = client.post("/api/v1_1/postMeterData", json=sent)
        assert again.status_code == 200, again.text
        assert (again.json()["stored"], again.json()["unchanged"]) == ((2, 0) if side == BEFORE else (0, 2))
        assert read(client, slot) == [float(slot)]


def test_commits_of_several_clients_that_are_cut_lose_nothing(server: Server, proxy: Proxy) -> None:
    load, before = Load(), proxy.cut
    load.start(server)
    for number in range(2 * ROUNDS):
        proxy.arm((BEFORE, AFTER)[number % 2])
        load.wait_for(20)
    load.stop()
    assert proxy.cut == before + 2 * ROUNDS
    assert load.answers[503] >= 2 * ROUNDS
    load.check(server)
