"""PostgreSQL goes away, for a while or within a commit: clients hear so, and the service returns."""

import signal
import time
from collections.abc import Iterator

import pytest

from gridlore.config import Settings
from tests.acceptance.conftest import Server, start_server
from tests.faults.conftest import LONG, Cluster
from tests.faults.load import Load

AWAY = 30 if LONG else 3
ROUNDS = 20 if LONG else 2


@pytest.fixture(scope="module")
def server(cluster_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start_server(cluster_settings, tmp_path_factory.mktemp("postgres") / "server.log")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def load() -> Load:
    """One for all tests: each goes on where the one before it has stopped, and checks that as well."""
    return Load(clients=8)


def test_the_service_outlives_its_database(cluster: Cluster, server: Server, load: Load) -> None:
    load.start(server)
    for number in range(ROUNDS):
        load.wait_for(50)
        cluster.stop(("immediate", "fast")[number % 2])
        time.sleep(AWAY if number == 0 else 0)
        cluster.start()
    load.wait_for(50)
    load.stop()
    assert load.answers[503] > 0
    load.check(server)


def test_a_connection_cut_in_the_middle_of_a_commit_loses_nothing(
    cluster: Cluster, server: Server, load: Load
) -> None:
    load.start(server)
    cut, before = 0, load.answers[503]
    for _ in range(25 * ROUNDS):
        load.wait_for(10)
        cut += cluster.cut_connections()
    load.wait_for(10)
    load.stop()
    assert cut >= 25 * ROUNDS
    assert load.answers[503] > before, "no commit was cut"
    load.check(server)


def test_a_database_that_does_not_answer_makes_nobody_wait_for_long(
    cluster: Cluster, server: Server, load: Load
) -> None:
    load.start(server)
    load.wait_for(50)
    cluster.signal(signal.SIGSTOP)
    try:
        before = load.answers[503]
        deadline = time.monotonic() + 30
        while load.answers[503] < before + load.clients:
            assert time.monotonic() < deadline, "clients wait without an answer"
            time.sleep(0.05)
    finally:
        cluster.signal(signal.SIGCONT)
    load.wait_for(50)
    load.stop()
    load.check(server)
