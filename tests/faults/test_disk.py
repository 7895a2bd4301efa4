"""The disk is full: posts are refused, what is there stays and can be read, and with space all goes on."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from gridlore.config import Settings
from tests.acceptance.conftest import SMALL_WORLD, Server, ServerStarter
from tests.conftest import Databases
from tests.faults.conftest import LONG
from tests.faults.load import LOGIN, Load, message

SPACE = 3 * 1024 * 1024
"""What there is at first. [bytes]"""


@dataclass
class Disk:
    """A place with little space, and what makes more of it for a server."""

    folder: Path
    narrow: Callable[[Server], None]
    widen: Callable[[Server], None]


def limit_files(server: Server, size: int) -> None:
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@pytest.fixture
def limited(tmp_path: Path) -> Disk:
    """The system lets no file of the server grow further."""
    return Disk(
        tmp_path,
        lambda server: limit_files(server, SPACE),
        lambda server: limit_files(server, resource.RLIM_INFINITY),
    )


@pytest.fixture
def mounted(tmp_path: Path, limited: Disk) -> Iterator[Disk]:
    """A small file system; where none may be mounted, files that may not grow."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SPACE}", "tmpfs", str(folder)]
    if os.geteuid() or not shutil.which("mount") or subprocess.call(mount):
        yield limited
        return
    wider = ["mount", "-o", "remount,size=100m", str(folder)]
    yield Disk(folder, lambda _: None, lambda _: subprocess.run(wider, check=True) and None)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("kind", ["limited", "mounted"] if LONG else ["mounted"])
def test_a_full_disk_refuses_posts_keeps_what_there_is_and_recovers(
    kind: str, request: pytest.FixtureRequest, sqlite_databases: Databases, serve: ServerStarter
) -> None:
    disk: Disk = request.getfixturevalue(kind)
    template = sqlite_databases.settings(sqlite_databases.create(sqlite_databases.template(SMALL_WORLD)))
    assert template.database_file is not None
    shutil.copy(template.database_file, disk.folder / "gridlore.db")
    settings: Settings = Databases("sqlite", disk.folder, None).settings("gridlore")
    server = serve(settings)
    disk.narrow(server)
    client = server.login(*LOGIN)
    year = 10 * 35_040
    stored: list[int] = []
    for number in range(200):
        answer = client.post(
            "/api/v1_1/postMeterData", json=message(year + number * 2000, [float(number)] * 2000)
        )
        if answer.status_code != 200:
            break
        stored.append(number)
    assert answer.status_code == 503, answer.text
    assert answer.headers["Retry-After"]
    assert answer.json()["status"] == "SERVICE_UNAVAILABLE"
    assert stored

    def read(number: int) -> object:
        sent = message(year + number * 2000, [0.0] * 2000)
        asked = {key: sent[key] for key in ("start", "duration", "unit", "connections")}
        query = {"type": "GetMeterDataRequest", **asked}
        return client.get("/api/v1_1/getMeterData", params=query).json()["values"]

    for number in stored:
        assert read(number) == [float(number)] * 2000
    assert read(len(stored)) == [], "a refused message leaves nothing behind"
    load = Load()
    load.start(server)
    disk.widen(server)
    load.wait_for(200)
    load.stop()
    for number in stored:
        assert read(number) == [float(number)] * 2000
    load.check(server)
    assert psutil.pid_exists(server.process.pid)
