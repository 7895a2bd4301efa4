"""Servers as processes of their own: on one core, and the client on another where there are two."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]  # it comes without types

from benchmarks.load import Outcome, send_load
from benchmarks.messages import FIVE_MINUTES, Requests

GRIDLORE = Path(sys.executable).with_name("gridlore")
ROOT = Path(__file__).parent.parent
START_LIMIT = 60.0
"""How long a server may take to answer first. [s]"""


class ServerError(Exception):
    """A server did not start."""


@contextmanager
def _keep_to(cores: frozenset[int] | None) -> Iterator[None]:
    """Keep this process to some cores meanwhile; wherever it is, if None."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True, slots=True)
class Cores:
    """Which cores servers and client run on; None where the system does not let us choose."""

    server: frozenset[int] | None
    client: frozenset[int] | None

    @classmethod
    def of_this_machine(cls) -> Cores:
        """The first core for servers, the last for the client."""
        if not hasattr(os, "sched_getaffinity"):
            return cls(None, None)
        cores = sorted(os.sched_getaffinity(0))
        return cls(frozenset(cores[:1]), frozenset(cores[-1:]))

    def run_client(self) -> AbstractContextManager[None]:
        """Keep this process on the client's core meanwhile."""
        return _keep_to(self.client)

    def run_server(self) -> AbstractContextManager[None]:
        """Keep this process on the servers' core meanwhile; what is started then stays there."""
        return _keep_to(self.server)


@dataclass
class Server:
    """A running server process."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    requests: Requests = field(default_factory=lambda: Requests("nobody"))
    connections: Sequence[str] = ()
    five_minutes: Sequence[str] = ()
    database: str = ""

    @property
    def memory(self) -> float:
        """Resident memory. [MiB]"""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 2**20

    @property
    def cpu(self) -> float:
        """Processor time it has taken since it started. [s]"""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def send(self, requests: Sequence[bytes], *, clients: int = 8, limit: float = 30.0) -> Outcome:
        """See load.send_load."""
        return send_load(self.port, requests, clients=clients, limit=limit)

    def stop(self) -> None:
        """End it, and wait until it has."""
        self.process.terminate()
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)

    def log_in(self, email: str, password: str) -> None:
        """Get a token and the addresses of the connections of 15 minutes, oldest first, and of the others."""
        url = f"http://127.0.0.1:{self.port}"
        with httpx.Client(base_url=url, timeout=30) as client:
            given = client.post("/api/requestAuthToken", json={"email": email, "password": password})
            token = given.raise_for_status().json()["auth_token"]
            self.requests = Requests(token)
            listed = client.get("/api/v1_1/getConnection", headers={"Authorization": token})
            found = listed.raise_for_status().json()
            addresses = dict(zip(found["names"][::-1], found["connections"][::-1], strict=True))
            self.five_minutes = [addresses.pop(name) for name in FIVE_MINUTES]
            self.connections = list(addresses.values())


@contextmanager
def serve(
    command: Sequence[str | Path], environment: Mapping[str, str], cores: Cores, log: Path
) -> Iterator[Server]:
    """The server that a command starts, ended afterwards.

    It finds its port in the environment, as GRIDLORE_PORT and as BASELINE_PORT.

    Raises
    ------
    ServerError
        It ended, or did not answer in time.
    """
    port = _free_port()
    whole = {**_clean_environment(), **environment, "GRIDLORE_PORT": str(port), "BASELINE_PORT": str(port)}
    with cores.run_server(), log.open("ab") as output:
        process = subprocess.Popen(command, env=whole, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    server = Server(process, port, log)
    try:
        _await_answer(server)
        yield server
    finally:
        server.stop()


def serve_gridlore(environment: Mapping[str, str], cores: Cores, log: Path) -> AbstractContextManager[Server]:
    """``gridlore serve``, one process, with the settings of an environment."""
    return serve([GRIDLORE, "serve"], environment, cores, log)


def serve_baseline(cores: Cores, log: Path) -> AbstractContextManager[Server]:
    """The empty handler of ``baseline.py``."""
    return serve([sys.executable, "-m", "benchmarks.baseline"], {}, cores, log)


def run_gridlore(environment: Mapping[str, str], *arguments: str | Path) -> None:
    """Run a ``gridlore`` command to its end.

    Raises
    ------
    ServerError
        It failed; the message says what it said.
    """
    whole = {**_clean_environment(), **environment}
    done = subprocess.run([GRIDLORE, *arguments], env=whole, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"gridlore {arguments[0]} failed: {done.stderr or done.stdout}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("GRIDLORE_")}


def _await_answer(server: Server) -> None:
    deadline = time.monotonic() + START_LIMIT
    with httpx.Client() as client:  # one for all, as each reads the certificates of the machine first
        while time.monotonic() < deadline and server.process.poll() is None:
            try:
                client.get(f"http://127.0.0.1:{server.port}/api/")
            except httpx.TransportError:
                time.sleep(0.02)
            else:
                return
    raise ServerError(f"{server.log.name}: the server does not answer: {server.log.read_text()[-2000:]}")
