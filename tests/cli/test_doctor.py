"""The doctor finds what is wrong with settings and files, says how to mend it, and changes nothing."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gridlore.config import hygiene
from gridlore.config.hygiene import file_system
from tests.cli.conftest import Run


@pytest.fixture(autouse=True)
def roomy_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A good disk, whatever this machine has."""
    monkeypatch.setattr(hygiene, "file_system", lambda _: "ext4")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 0, 10**12))


def checks(run: Run, *arguments: str) -> dict[str, str]:
    """The checks that find a problem, and where."""
    result = run(*arguments, "doctor", "--json")
    found = [json.loads(line) for line in result.stdout.splitlines()]
    problems = {finding["check"]: finding["where"] for finding in found if finding["is_problem"]}
    assert result.exit_code == (1 if problems else 0)
    assert all(finding["mend"] for finding in found)
    return problems


def test_a_fresh_world_has_notes_but_no_problem(run: Run, world: Path) -> None:
    result = run("doctor")
    assert result.exit_code == 0
    assert [line.split()[:2] for line in result.stdout.splitlines()[1:]] == [
        ["note", "users"],
        ["note", "no"],
    ]
    assert "gridlore user set-password bob@example.com" in result.stdout


def test_files_that_others_can_read_are_found(run: Run, world: Path, folder: Path) -> None:
    for name in ("gridlore.db", "gridlore.db.key"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600, "as it is made, nobody else can"
    (folder / "gridlore.db").chmod(0o644)
    assert checks(run) == {"files": "gridlore.db"}
    (folder / "gridlore.db").chmod(0o600)
    (folder / "gridlore.db.key").chmod(0o640)
    assert checks(run) == {"files": "gridlore.db.key"}


def test_a_weak_key_and_a_cookie_without_https_are_found(
    run: Run, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checks(run, "--secret-key", "0123456789abcdef") == {"secret key": "SECRET_KEY"}
    assert checks(run, "--secret-key", "abcabcab" * 8) == {"secret key": "SECRET_KEY"}
    monkeypatch.setenv("GRIDLORE_HOST", "0.0.0.0")
    assert checks(run) == {"cookie": "SESSION_COOKIE_SECURE"}
    assert checks(run, "--session-cookie-secure", "true") == {}


@pytest.mark.parametrize(("kind", "told"), [("tmpfs", "gone when"), ("nfs4", "cannot lock")])
def test_a_file_system_that_cannot_keep_it_is_found(
    run: Run, world: Path, monkeypatch: pytest.MonkeyPatch, kind: str, told: str
) -> None:
    monkeypatch.setattr(hygiene, "file_system", lambda _: kind)
    assert checks(run) == {"file system": "gridlore.db"}
    assert told in run("doctor").stdout


def test_a_disk_nearly_full_is_found(run: Run, world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 0, 10**10))
    assert checks(run) == {"disk": "."}


def test_a_database_that_is_missing_old_or_out_of_reach_is_told_and_not_touched(
    run: Run, folder: Path
) -> None:
    assert checks(run) == {"database": "gridlore.db"}
    assert not list(folder.iterdir())
    with closing(sqlite3.connect(folder / "gridlore.db")) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
    (folder / "gridlore.db").chmod(0o600)
    assert "schema" in checks(run)
    with closing(sqlite3.connect(folder / "gridlore.db")) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)
    key = "0123456789abcdefghijklmnopqrstuvwxyz"
    url = "postgresql://ann:s3cret@127.0.0.1:1/grid"
    assert checks(run, "--database-url", url, "--secret-key", key) == {
        "database": "postgresql://ann:***@127.0.0.1:1/grid"
    }


def test_a_lost_secret_key_is_told_and_none_is_made(run: Run, world: Path, folder: Path) -> None:
    (folder / "gridlore.db.key").unlink()
    assert checks(run) == {"secret key": "gridlore.db.key"}
    assert not (folder / "gridlore.db.key").exists()


def test_a_damaged_database_is_told_in_a_sentence(run: Run, world: Path, folder: Path) -> None:
    file = folder / "gridlore.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'sensor'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with file.open("r+b") as raw:
        raw.seek((page - 1) * size)
        raw.write(b"\xff" * size)
    assert checks(run) == {"database": f"sqlite:///{file.name}"}
    result = run("doctor", "--json")
    (told,) = [one for line in result.stdout.splitlines() if (one := json.loads(line))["is_problem"]]
    assert "damaged" in told["what"]
    assert "gridlore restore" in told["mend"]
    result = run("user", "list")
    assert result.exit_code == 1
    assert "damaged" in result.stderr


def test_a_database_of_a_newer_gridlore_is_not_to_be_upgraded(run: Run, world: Path, folder: Path) -> None:
    with closing(sqlite3.connect(folder / "gridlore.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    result = run("doctor", "--json")
    (told,) = [one for line in result.stdout.splitlines() if (one := json.loads(line))["is_problem"]]
    assert told["check"] == "schema"
    assert "install the Gridlore that made it" in told["mend"]


def test_the_file_system_of_a_file_is_that_of_the_nearest_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    here = str(tmp_path.resolve())
    mounts.write_text(
        f"/dev/sda1 / ext4 rw 0 0\nserver:/x {here} nfs4 rw 0 0\nnone {here}/my\\040data tmpfs rw 0 0\n"
    )
    monkeypatch.setattr(hygiene, "MOUNTS", mounts)
    assert file_system(Path("/gridlore.db")) == "ext4"
    assert file_system(tmp_path / "gridlore.db") == "nfs4"
    assert file_system(tmp_path / "my data" / "gridlore.db") == "tmpfs"
    monkeypatch.setattr(hygiene, "MOUNTS", tmp_path / "none")
    assert file_system(tmp_path / "gridlore.db") == ""
