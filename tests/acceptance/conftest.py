"""Servers in processes of their own, reached over real HTTP."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from gridlore.config import Settings
from tests.conftest import Databases

SMALL_WORLD = Path(__file__).parent / "small_world.toml"
GRIDLORE = Path(sys.executable).with_name("gridlore")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """A running ``gridlore serve``."""

    process: subprocess.Popen[bytes]
    url: str
    clients: list[httpx.Client] = field(default_factory=list)

    def kill(self) -> None:
        """End it as a power cut would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        """Ask it to end, and let go of its clients."""
        for client in self.clients:
            client.close()
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)

    def login(self, email: str, password: str) -> httpx.Client:
        """A client that sends a token with every request."""
        client = httpx.Client(base_url=self.url, timeout=30)
        self.clients.append(client)
        answer = client.post("/api/requestAuthToken", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        client.headers["Authorization"] = answer.json()["auth_token"]
        return client


def start_server(settings: Settings, log: Path, workers: int = 1) -> Server:
    """A server that answers."""
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GRIDLORE_")},
        **settings.as_environment(),
        "GRIDLORE_PORT": str(port),
        "GRIDLORE_WORKERS": str(workers),
    }
    with log.open("ab") as output:
        process = subprocess.Popen(
            [GRIDLORE, "serve"],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(process, f"http://127.0.0.1:{port}")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{server.url}/api/").status_code == 200:
                return server
        except httpx.TransportError:
            time.sleep(0.05)
    server.kill()
    raise AssertionError(f"the server does not answer: {log.read_text()}")


ServerStarter = Callable[..., Server]


@pytest.fixture
def server_settings(databases: Databases) -> Settings:
    """Settings with a fresh database that holds the small world."""
    return databases.settings(databases.create(databases.template(SMALL_WORLD)))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[ServerStarter]:
    """Starts servers, and ends them after the test."""
    started: list[Server] = []

    def start(settings: Settings, workers: int = 1) -> Server:
        started.append(start_server(settings, tmp_path / f"server{len(started)}.log", workers))
        return started[-1]

    yield start
    for server in started:
        server.stop()
