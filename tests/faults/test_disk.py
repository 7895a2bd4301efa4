"""The disk is full: posts are refused, what is there stays and can be read, and with space all goes on."""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest

from gridlore.config import Settings
from tests.acceptance.conftest import SMALL_WORLD, Server, ServerStarter
from tests.conftest import Databases
from tests.faults.conftest import LONG, Cluster
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
def mounted(limited: Disk) -> Iterator[Disk]:
    """A small file system, which PostgreSQL's user may reach; where none may be mounted, files that may not
    grow."""
    folder = Path(tempfile.mkdtemp(prefix="gridlore-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SPACE}", "tmpfs", str(folder)]
    if os.geteuid() or not shutil.which("mount") or subprocess.call(mount):
        folder.rmdir()
        yield limited
        return
    folder.chmod(0o755)
    wider = ["mount", "-o", "remount,size=100m", str(folder)]
    yield Disk(folder, lambda _: None, lambda _: subprocess.run(wider, check=True) and None)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


@pytest.mark.parametrize("kind", ["limited", "mounted"] if LONG else ["mounted"])
def test_a_full_disk_refuses_posts_keeps_what_there_is_and_recovers(
    kind: str, request: pytest.FixtureRequest, sqlite_databases: Databases, serve: ServerStarter
) -> None:
    disk: Disk = request.getfixturevalue(kind)
    template = sqlite_databases.settings(sqlite_databases.create(sqlite_databases.template(SMALL_WORLD)))
    assert template.database_file is not None
    shutil.copy(template.database_file, disk.folder / "gridlore.db")
    fill(disk, serve(Databases("sqlite", disk.folder, None).settings("gridlore")))


def test_a_full_disk_of_postgresql_refuses_posts_keeps_what_there_is_and_recovers(
    cluster: Cluster, cluster_settings: Settings, mounted: Disk, serve: ServerStarter
) -> None:
    """The blocks have a disk of their own; PostgreSQL itself ends when its log has no space, which is another
    fault (test_postgres.py)."""
    if not mounted.folder.is_mount():
        pytest.skip("no small file system may be mounted here")
    if cluster.user:
        shutil.chown(mounted.folder, cluster.user)
    with psycopg.connect(cluster_settings.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE TABLESPACE small LOCATION '{mounted.folder}'")
        connection.execute("ALTER TABLE belief_block SET TABLESPACE small")
    try:
        fill(mounted, serve(cluster_settings))
    finally:
        with psycopg.connect(cluster_settings.database_url, autocommit=True) as connection:
            connection.execute("ALTER TABLE belief_block SET TABLESPACE pg_default")
            connection.execute("DROP TABLESPACE small")


def fill(disk: Disk, server: Server) -> None:
    """Post until there is no space, and again once there is more."""
    disk.narrow(server)
    client = server.login(*LOGIN)
    year = 10 * 35_040
    stored: list[int] = []
    for number in range(200):
        answer = client.post("/api/v1_1/postMeterData", json=message(year + number * 2000, values(number)))
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
        assert read(number) == values(number)
    assert read(len(stored)) == [], "a refused message leaves nothing behind"
    load = Load()
    load.start(server)
    disk.widen(server)
    load.wait_for(200)
    load.stop()
    for number in stored:
        assert read(number) == values(number)
    load.check(server)
    assert psutil.pid_exists(server.process.pid)


def values(number: int) -> list[float]:
    """Two thousand values that cannot be made smaller."""
    chance = random.Random(number)
    return [chance.random() for _ in range(2000)]
