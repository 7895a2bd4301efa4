"""PostgreSQL goes away, for a while or within a commit: clients hear so, and the service returns."""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest

from gridlore.config import Settings
from tests.acceptance.conftest import Server, ServerStarter, start_server
from tests.faults.conftest import LONG, Cluster, told
from tests.faults.load import BROWSER, LOGIN, Load

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
    reader = server.login(*LOGIN)
    form = {"email": LOGIN[0], "password": LOGIN[1]}
    assert reader.post("/login", data=form).status_code == 303
    cluster.signal(signal.SIGSTOP)
    try:
        before = load.answers[503]
        with ThreadPoolExecutor(3) as others:
            read = others.submit(reader.get, "/api/gridlore/v1/sensors")
            page = others.submit(reader.get, "/", headers=BROWSER)
            figures = others.submit(httpx.get, f"{server.url}/metrics")
        assert (read.result().status_code, read.result().json()["status"]) == (503, "SERVICE_UNAVAILABLE")
        assert (page.result().status_code, "no answer within 2 seconds" in page.result().text) == (503, True)
        assert page.result().headers["Content-Type"].startswith("text/html")
        assert all(int(refused.result().headers["Retry-After"]) > 0 for refused in (read, page))
        assert (figures.result().status_code, "late_sensors" in figures.result().text) == (200, False)
        deadline = time.monotonic() + 30
        while load.answers[503] < before + load.clients:
            assert time.monotonic() < deadline, "clients wait without an answer"
            time.sleep(0.05)
    finally:
        cluster.signal(signal.SIGCONT)
    load.wait_for(50)
    load.stop()
    load.check(server)


@pytest.mark.skipif(not LONG, reason="takes a quarter of a minute; make test-faults runs it")
def test_reads_of_a_database_that_does_not_answer_are_put_off_and_go_on_afterwards(
    cluster: Cluster, cluster_settings: Settings, serve: ServerStarter
) -> None:
    """Two rounds of eight may have got a thread, and wait until a connection or ANSWER_TIMEOUT fails them."""
    server = serve(replace(cluster_settings, answer_timeout=15.0))
    reader = server.login(*LOGIN)

    def read(path: str = "/api/gridlore/v1/sensors") -> tuple[int, float]:
        began = time.monotonic()
        answer = httpx.get(f"{server.url}{path}", headers=reader.headers, timeout=60)
        assert answer.status_code == 200 or int(answer.headers["Retry-After"]) > 0
        return answer.status_code, time.monotonic() - began

    assert read()[0] == 200
    cluster.signal(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(50) as clients:
            found = list(clients.map(lambda _: read(), range(50)))
        code, seconds = read("/api/v1_1/getConnection")
        assert (code, seconds < 1) == (200, True), "what needs no database goes on"
    finally:
        cluster.signal(signal.SIGCONT)
    told(f"50 reads: {sorted(Counter((code, round(seconds)) for code, seconds in found).items())}")
    assert {code for code, _ in found} == {503}
    assert sum(seconds > 12 for _, seconds in found) <= 16
    assert max(seconds for _, seconds in found) < 20
    deadline = time.monotonic() + 10
    while read()[0] != 200:
        assert time.monotonic() < deadline, "the service does not come back"
