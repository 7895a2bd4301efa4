"""One server for all strange requests, and how many of them there are.

GRIDLORE_TEST_FUZZ is the number of requests (a few hundred by default, the same in every run);
GRIDLORE_TEST_SEED repeats a longer run. `make test-fuzz` sets them. Seeds are kept in seeds.txt.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from gridlore.bootstrap import connect_store
from gridlore.config import Settings
from gridlore.store.interface import Store
from tests.acceptance.conftest import Server, start_server
from tests.conftest import Databases, WorldClient

WORLD = Path(__file__).parents[1] / "acceptance" / "world.toml"
SHORT = 300

COUNT = int(os.environ.get("GRIDLORE_TEST_FUZZ") or SHORT)
SEEDS = Path(__file__).with_name("seeds.txt")
KEPT = [line for line in SEEDS.read_text("utf-8").splitlines() if not line.startswith("#")]
NEW_SEED = int(KEPT[0].split()[0]) if COUNT == SHORT else random.SystemRandom().randrange(10**9)
SEED = int(os.environ.get("GRIDLORE_TEST_SEED") or NEW_SEED)
os.environ["GRIDLORE_TEST_SEED"] = str(SEED)  # of the processes too that the tests are shared among


@dataclass
class Target:
    """A server under fire, the store behind it, and what it logs."""

    server: Server
    store: Store
    world: WorldClient
    log: Path
    sensors: list[int] = field(default_factory=list)

    def history(self) -> str:
        """Changes whenever anything is stored: every block takes a number from its sensor's head."""
        return repr(sorted(self.store.read_heads(self.sensors).items()))


@pytest.fixture(scope="package")
def target(sqlite_databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    name = sqlite_databases.create(sqlite_databases.template(WORLD))
    # Passwords are guessed all the time here, and bodies promised that never come.
    settings: Settings = sqlite_databases.settings(name, LOGIN_ATTEMPTS="1000000", REQUEST_TIMEOUT="1")
    log = tmp_path_factory.mktemp("fuzz") / "server.log"
    server = start_server(settings, log)
    store = connect_store(settings)
    sensors = [sensor.id for sensor in store.read_directory().sensors]
    with httpx.Client(base_url=server.url) as client:
        yield Target(server, store, WorldClient(client, settings), log, sensors)
    store.close()
    server.stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    if "GRIDLORE_TEST_FUZZ" in os.environ:
        terminalreporter.write_line(f"fuzz: {COUNT} requests; make test-fuzz SEED={SEED} sends them again")
        with SEEDS.open("a", encoding="utf-8") as seeds:
            seeds.write(f"{SEED:<7} {COUNT:<9} {'failed' if exitstatus else 'passed'}\n")
