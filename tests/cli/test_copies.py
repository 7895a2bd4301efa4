"""Backup and restore from the command line: what is lost comes back, and nothing is overwritten unasked."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gridlore.bootstrap import open_store
from gridlore.config import load_settings
from gridlore.domain.errors import StoreUnavailableError
from gridlore.store.relational import RelationalStore
from tests.cli.conftest import Run


def test_what_was_changed_after_a_backup_is_undone_by_restoring_it(
    run: Run, world: Path, folder: Path
) -> None:
    made = run("backup", "copy.db")
    assert made.exit_code == 0
    assert made.stdout.startswith("copy.db: ")
    assert "1 sensors, schema " in made.stdout
    assert "The secret key, in gridlore.db.key, is not in it." in made.stdout
    run("user", "deactivate", "ann@example.com")
    key = (folder / "gridlore.db.key").read_text()
    restored = run("restore", "copy.db")
    assert restored.exit_code == 0
    assert "ann@example.com" in run("user", "list").stdout
    assert "deactivated" not in run("user", "list").stdout
    (aside,) = folder.glob("gridlore.db.before-restore-*")
    with closing(sqlite3.connect(aside)) as old:
        assert old.execute("SELECT count(*) FROM app_user WHERE NOT active").fetchone() == (1,)
    assert (folder / "gridlore.db.key").read_text() == key
    told = [json.loads(line) for line in run("audit", "--json").stdout.splitlines()]
    assert [entry["action"] for entry in told] == ["restore", "apply"]
    assert told[0]["after"]["the old database"] == aside.name
    assert sorted(path.name for path in folder.iterdir()) == [
        "copy.db", "gridlore.db", aside.name, "gridlore.db.key", "world.toml",
    ]  # fmt: skip


def test_a_backup_is_recorded_and_replaces_no_file_unless_told_to(
    run: Run, world: Path, folder: Path
) -> None:
    (folder / "copy.db").write_text("something else")
    refused = run("backup", "copy.db")
    assert (refused.exit_code, "with --force it is replaced" in refused.stderr) == (1, True)
    assert (folder / "copy.db").read_text() == "something else"
    assert run("backup", "gridlore.db", "--force").exit_code == 1
    assert run("backup", "copy.db", "--force").exit_code == 0
    assert len(run("audit", "--action", "back up").stdout.splitlines()) == 2


def test_a_copy_that_is_whole_is_told_so_though_it_cannot_be_recorded(
    run: Run, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise StoreUnavailableError("The database is too busy right now.")

    monkeypatch.setattr(RelationalStore, "record", busy)
    made = run("backup", "copy.db")
    assert (made.exit_code, "It is whole." in made.stdout) == (0, True)
    assert "not in the record: The database is too busy" in made.stderr


def test_a_database_in_use_is_not_replaced(run: Run, world: Path, folder: Path) -> None:
    run("backup", "copy.db")
    server = open_store(load_settings())
    server.read_directory()
    refused = run("restore", "copy.db")
    assert (refused.exit_code, "is in use. Stop the server" in refused.stderr) == (1, True)
    assert len(server.read_directory().users) == 2
    server.close()
    assert not list(folder.glob("*before-restore*"))
    assert run("restore", "copy.db").exit_code == 0


def test_a_copy_can_be_restored_where_nothing_is(run: Run, world: Path, folder: Path) -> None:
    run("backup", "copy.db")
    (folder / "gridlore.db").unlink()
    assert run("restore", "copy.db").exit_code == 0
    assert "bob@example.com" in run("user", "list").stdout


def test_a_copy_that_is_missing_leaves_nothing(run: Run, folder: Path) -> None:
    refused = run("restore", "copy.db")
    assert (refused.exit_code, "There is no file 'copy.db'" in refused.stderr) == (1, True)
    assert list(folder.iterdir()) == []


def test_what_is_no_copy_is_not_restored(run: Run, world: Path, folder: Path) -> None:
    assert run("restore", "world.toml").exit_code == 1
    newer = folder / "newer.db"
    run("backup", "newer.db")
    with closing(sqlite3.connect(newer)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    refused = run("restore", "newer.db")
    assert (refused.exit_code, "newer Gridlore" in refused.stderr) == (1, True)
    assert "ann@example.com" in run("user", "list").stdout
    assert not list(folder.glob("*.part*"))


def test_postgres_is_copied_by_its_own_tools(run: Run, folder: Path) -> None:
    settings = ("--database-url", "postgresql://ann:pw@127.0.0.1/grid", "--secret-key", "0123456789abcdef")
    refused = run(*settings, "backup", "copy.dump")
    assert (refused.exit_code, "pg_dump --format=custom" in refused.stderr) == (1, True)
    refused = run(*settings, "restore", "copy.dump")
    assert (refused.exit_code, "`pg_restore`" in refused.stderr) == (1, True)
