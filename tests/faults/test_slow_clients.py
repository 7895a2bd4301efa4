"""Clients that dawdle, or only sit there, are let go of, and keep nobody else from being served."""

from __future__ import annotations

import json
import re
import resource
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import psutil
import pytest

from tests.acceptance.conftest import SMALL_WORLD, Server, start_server
from tests.conftest import Databases
from tests.faults.load import BROWSER, LOGIN, message

IDLE, MORE = 1000, 50
BOUND = 20.0
"""By then a dawdling client must have been let go of; the server's patience is two seconds. [s]"""


@pytest.fixture(scope="module")
def server(sqlite_databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    name = sqlite_databases.create(sqlite_databases.template(SMALL_WORLD))
    settings = sqlite_databases.settings(name, REQUEST_TIMEOUT="2", MAX_CONNECTIONS=str(2 * (IDLE + MORE)))
    running = start_server(settings, tmp_path_factory.mktemp("slow") / "server.log")
    yield running
    running.stop()


def connect(server: Server) -> socket.socket:
    match = re.fullmatch(r"http://(.*):(\d+)", server.url)
    assert match
    return socket.create_connection((match[1], int(match[2])), timeout=BOUND)


def drip(connection: socket.socket, head: bytes, parts: Iterator[bytes]) -> bytes:
    """What the server answers to who sends something, and goes on in small parts until then."""
    connection.sendall(head)
    connection.settimeout(0.1)
    deadline = time.monotonic() + BOUND
    for part in parts:
        assert time.monotonic() < deadline, "the server goes on waiting"
        try:
            connection.sendall(part)
            answer = connection.recv(65536)
        except TimeoutError:
            continue
        except (BrokenPipeError, ConnectionResetError):
            return b""
        return answer
    raise AssertionError("the client came to an end first")


def forever(part: bytes) -> Iterator[bytes]:
    while True:
        yield part


def check_refusal(answer: bytes, code: int) -> None:
    head, body = answer.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 %d " % code), answer
    assert b"content-type: application/json" in head.lower()
    assert json.loads(body)["result"] == "Rejected"


HEAD = b"POST /api/v1_1/postMeterData HTTP/1.1\r\nHost: a\r\nAuthorization: TOKEN\r\n"
SLOW: dict[str, tuple[bytes, Callable[[], Iterator[bytes]]]] = {
    "a head byte by byte": (b"GET /api/ HTTP/1.1\r\nX: ", lambda: forever(b"a")),
    "half a head": (b"GET /api/ HTT", lambda: forever(b"")),
    "a body byte by byte": (HEAD + b"Content-Length: 100000\r\n\r\n{", lambda: forever(b" ")),
    "a body that never ends": (HEAD + b"Content-Length: 100000\r\n\r\n{}", lambda: forever(b"")),
    "chunks of a byte": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", lambda: forever(b"1\r\n \r\n")),
}


def test_who_sends_too_slowly_is_told_so(server: Server) -> None:
    token = server.login(*LOGIN).headers["Authorization"].encode()

    def dawdle(how: str) -> bytes:
        head, parts = SLOW[how]
        with connect(server) as connection:
            return drip(connection, head.replace(b"TOKEN", token), parts())

    with ThreadPoolExecutor(len(SLOW)) as threads:
        for answer in threads.map(dawdle, SLOW):
            check_refusal(answer, 408)


@pytest.mark.parametrize("head", [b"GET /api/ HTTP/1.1\r\nX: ", b"GET /?", b"GET /api/ HTTP/1.1\r\n"])
def test_a_head_without_end_is_cut_off(head: bytes, server: Server) -> None:
    line = b"X: y\r\n" * 5000 if head.endswith(b"\n") else b"a" * 30_000
    with connect(server) as connection:
        answer = drip(connection, head, forever(line))
        assert not answer or answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
    assert httpx.get(f"{server.url}/api/").status_code == 200


@pytest.mark.parametrize("path", ["/login", "/logout", "/invitation/x", "/api/requestAuthToken"])
def test_who_goes_away_in_the_middle_of_a_form_is_no_mistake_of_ours(path: str, server: Server) -> None:
    route = re.escape(path.replace("/x", "/{token}"))
    line = re.compile(rf'requests_total{{method="POST",route="{route}",status="(\d+)"}} ([\d.]+)')

    def count() -> dict[str, float]:
        lines = line.findall(httpx.get(f"{server.url}/metrics").text)
        return {status: float(number) for status, number in lines}

    before = count().get("400", 0.0)
    with connect(server) as connection:
        connection.sendall(b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc" % path.encode())
    deadline = time.monotonic() + BOUND
    while count().get("400", 0.0) == before:
        assert time.monotonic() < deadline, f"it is never over, or not counted as a 400: {count()}"
        time.sleep(0.05)
    assert "500" not in count()


def test_who_never_reads_the_answer_is_let_go_of(server: Server) -> None:
    client = server.login(*LOGIN)
    slots = 900_000
    asked = message(0, [0.0] * 4) | {"type": "GetMeterDataRequest", "duration": f"PT{slots // 4}H"}
    client.post("/api/v1_1/postMeterData", json=message(0, [1.0] * 4)).raise_for_status()
    query = httpx.QueryParams({key: value for key, value in asked.items() if key != "values"})
    request = f"GET /api/v1_1/getMeterData?{query} HTTP/1.1\r\nHost: a\r\n"
    request += f"Authorization: {client.headers['Authorization']}\r\n\r\n"
    process = psutil.Process(server.process.pid)
    with connect(server) as connection:
        port = connection.getsockname()[1]
        connection.sendall(request.encode())
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        deadline = time.monotonic() + BOUND
        while any(found.raddr and found.raddr.port == port for found in process.net_connections()):
            assert time.monotonic() < deadline, "the server keeps the answer for ever"
            time.sleep(0.1)


def test_idle_connections_keep_nobody_out_until_there_are_too_many_and_are_closed(server: Server) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(limits[0], 2 * IDLE), limits[1]), limits[1]))
    client = server.login(*LOGIN)
    with ExitStack() as stack:
        idle = [stack.enter_context(connect(server)) for _ in range(IDLE)]
        for slot in range(20):
            answer = client.post("/api/v1_1/postMeterData", json=message(1000 + slot, [1.0]))
            assert answer.status_code == 200, answer.text
        idle += [stack.enter_context(connect(server)) for _ in range(MORE)]
        refused = httpx.get(f"{server.url}/api/")
        assert (refused.status_code, refused.json()["status"]) == (503, "SERVICE_UNAVAILABLE")
        assert refused.headers["Retry-After"]
        page = httpx.get(f"{server.url}/", headers=BROWSER)
        assert (page.status_code, "as many connections as it takes" in page.text) == (503, True)
        assert page.headers["Content-Type"].startswith("text/html")
        for connection in idle:
            assert connection.recv(1) == b"", "closed without a word"
    deadline = time.monotonic() + BOUND
    while httpx.get(f"{server.url}/api/").status_code != 200:
        assert time.monotonic() < deadline, "the server does not come back"
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
