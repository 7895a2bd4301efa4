"""The server as a process of its own, and the schema it asks for."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from gridlore.config import PREFIX
from tests.conftest import Databases

GRIDLORE = Path(sys.executable).with_name("gridlore")

Start = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Starts ``gridlore serve`` on a free port; gives the process and the address it tells."""
    started: list[subprocess.Popen[str]] = []

    def start_server(*options: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [GRIDLORE, "serve", "--port", "0", *options],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={name: text for name, text in os.environ.items() if not name.startswith(PREFIX)},
        )
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.match(r"Gridlore serves (http://(?:127\.0\.0\.1|localhost):[0-9]+) ", line)
        assert match, line + process.stdout.read()
        return process, match[1]

    yield start_server
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # its workers too
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def test_control_c_stops_the_server_without_a_word(start):
    process, address = start()
    assert httpx.get(f"{address}/api/", timeout=30).status_code == 200
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[0] == ""
    assert process.returncode == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_first_start_needs_no_set_up_and_tells_where_it_serves(start, folder, workers):
    process, address = start("--workers", workers)
    assert httpx.get(f"{address}/api/", timeout=30).json()["versions"] == ["v1_1"]
    assert (folder / "gridlore.db").exists()
    assert (folder / "gridlore.db.key").exists()
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode in (0, -signal.SIGTERM)
    assert rest == "", "requests are not logged, and stopping is no event"


def test_every_worker_has_the_settings_of_the_command_line_and_tells_of_them_all(start):
    _, address = start("--workers", "2", "--max-body-bytes", "1024", "--host-address", "grid.example.com")
    for _ in range(8):
        answer = httpx.post(f"{address}/api/requestAuthToken", content=b"x" * 2000, timeout=30)
        assert answer.status_code == 413
    refused = 'gridlore_http_requests_total{method="POST",route="/api/requestAuthToken",status="413"} 8.0'
    deadline = time.monotonic() + 30
    while refused not in (figures := httpx.get(f"{address}/metrics", timeout=30).text):
        assert time.monotonic() < deadline, figures
        time.sleep(0.1)


def ask(address: str, **headers: str) -> httpx.Response:
    return httpx.get(
        f"{address}/api/", headers={name.replace("_", "-"): text for name, text in headers.items()}
    )


def test_only_trusted_proxies_say_where_a_request_came_from(start):
    limits = ("--requests-per-address", "1", "--hsts-max-age", "60")
    _, trusting = start("--trusted-proxies", "10.0.0.0/8, 127.0.0.1", *limits)
    _, trusting_others = start("--trusted-proxies", "10.0.0.1", *limits)

    def codes(address: str, forwarded: str) -> Iterator[int]:
        for client in range(200):
            yield ask(address, X_Forwarded_For=forwarded.format(client)).status_code

    assert set(itertools.islice(codes(trusting, "192.0.2.{}"), 15)) == {200}
    assert 429 in codes(trusting_others, "192.0.2.{}"), "all come from one address, whatever they say"
    assert 429 in codes(trusting, "192.0.2.{}, 203.0.113.7"), "what the proxy says stands last"
    for address, secure in ((trusting, True), (trusting_others, False)):
        answer = ask(address, X_Forwarded_For="198.51.100.1", X_Forwarded_Proto="https")
        assert ("Strict-Transport-Security" in answer.headers) is secure


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_a_socket_that_takes_ipv6_too_knows_ipv4_clients_by_their_own_addresses(start):
    _, address = start("--host", "::", "--trusted-proxies", "127.0.0.1", "--requests-per-address", "1")
    address = address.replace("localhost", "127.0.0.1")
    assert httpx.get(f"{address}/metrics").status_code == 200, "it is asked from this machine"
    for client in range(15):
        assert ask(address, X_Forwarded_For=f"192.0.2.{client}").status_code == 200
        assert ask(address, X_Forwarded_For=f"::ffff:198.51.100.{client}").status_code == 200


def test_a_head_that_is_too_long_is_refused_before_it_fills_the_memory(start):
    _, address = start("--max-header-bytes", "4096")
    assert ask(address, X_Long="x" * 3800).status_code == 200
    refused = ask(address, X_Long="x" * 4096)
    assert (refused.status_code, refused.json()["status"]) == (431, "INVALID_MESSAGE")
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as endless:
        endless.sendall(b"GET /api/ HTTP/1.1\r\nX-Endless: ")
        answer = b""
        while not answer:
            endless.sendall(b"x" * 1000)
            endless.settimeout(0.05)
            with contextlib.suppress(TimeoutError):
                answer = endless.recv(10_000)
    assert answer.startswith(b"HTTP/1.1 431 ")
    body = httpx.post(f"{address}/api/requestAuthToken", content=b"x" * 50_000)
    assert body.status_code == 400, "bodies have a limit of their own"


def test_a_port_that_is_taken_is_told_with_exit_code_2(run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = run("serve", "--port", port)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"got 127.0.0.1 and {port}: Address already in use." in result.stderr
    assert "make run PORT=8080" in result.stderr, "who has seen only the README needs to hear of it"


def test_an_address_of_another_machine_is_told(run):
    result = run("serve", "--host", "192.0.2.1", "--port", "0")
    assert result.exit_code == 2
    assert "an address of this machine" in result.stderr


def test_a_host_that_is_none_is_told(run):
    result = run("serve", "--host", "no.such.host.invalid", "--port", "0")
    assert result.exit_code == 2
    assert "an address of this machine" in result.stderr


@pytest.fixture
def empty_postgres(postgres_databases: Databases, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A PostgreSQL database without a schema, as the settings' one."""
    settings = postgres_databases.settings(postgres_databases.create())
    for name, text in settings.as_environment().items():
        monkeypatch.setenv(name, text)


@pytest.mark.usefixtures("empty_postgres")
@pytest.mark.parametrize(
    "command", [("serve",), ("db", "check"), ("user", "list"), ("get", "/api/")], ids=" ".join
)
def test_an_old_schema_on_postgresql_is_refused_with_the_command_that_mends_it(run, command):
    result = run(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "gridlore db upgrade" in result.stderr


@pytest.mark.usefixtures("empty_postgres")
def test_upgrading_mends_the_schema_once_and_for_all(run):
    for _ in range(2):
        upgraded = run("db", "upgrade")
        assert upgraded.exit_code == 0
        assert upgraded.stdout.startswith("The schema of postgresql://")
    assert run("db", "check").exit_code == 0
    assert run("user", "list").exit_code == 0


def test_checking_an_embedded_database_that_nobody_has_used_tells_it_is_old(run, folder):
    (folder / "gridlore.db").touch()
    result = run("db", "check")
    assert result.exit_code == 1
    assert "gridlore db upgrade" in result.stderr
    assert run("db", "upgrade").exit_code == 0
    assert run("db", "check").exit_code == 0


def test_a_database_that_cannot_be_reached_is_told_without_its_password(run, monkeypatch):
    monkeypatch.setenv("GRIDLORE_DATABASE_URL", "postgresql://ann:s3cret@127.0.0.1:1/grid")
    monkeypatch.setenv("GRIDLORE_SECRET_KEY", "0123456789abcdef")
    result = run("user", "list")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: The database cannot be ")
    assert "s3cret" not in result.stderr
