"""Copy an embedded database while it is in use, and put a copy in its place.

Layer: store. A copy is one file, whole and checked before it gets its name. SQLite's backup begins anew
whenever another process writes, which would be for ever beside a busy server; so the copy is made of one
snapshot, held by a read transaction. Writers do not wait for it; their log grows meanwhile.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from gridlore.domain.errors import BackupError
from gridlore.store.schema import metadata

PAGES = 2048
"""Pages copied between two reports of progress: 8 MiB."""

BESIDE = ("-journal", "-wal", "-shm")
"""What the names of the files end with that SQLite keeps beside a database."""

REVISIONS = "alembic_version"
COUNTED = tuple(table.name for table in metadata.sorted_tables)

Report = Callable[[int, int], None]
"""Hears how many pages have been copied, of how many."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that was checked: its size [bytes], rows by table, and the revision of its schema."""

    size: int
    rows: Mapping[str, int]
    revision: str | None


def back_up(database: Path, file: Path, report: Report) -> Copy:
    """Make ``file`` a copy of a database, as it is now; what was there before is replaced at once.

    Raises
    ------
    BackupError
        There is no such database, no room, something of another database beside ``file``, or the copy is not
        whole; no file was made or changed.
    """
    if not database.is_file():
        raise BackupError(f"There is no database {str(database)!r}; --database-url names another.")
    for beside in (file.with_name(file.name + end) for end in BESIDE):
        if beside.exists():
            raise BackupError(
                f"{str(beside)!r} is there, of a database that is or was used as {str(file)!r}; it would be "
                "worked into the copy. Name another file, or move it away."
            )
    with _draft(file) as draft:
        with (
            _sentences(f"{str(database)!r} cannot be copied to {str(file)!r}"),
            closing(_open(database, "rw")) as source,
            closing(sqlite3.connect(draft)) as target,
        ):
            source.execute("BEGIN")
            rows = _count(source)  # the first to read, which is what begins the snapshot
            source.backup(
                target, pages=PAGES, progress=lambda _, left, total: report(total - left, total), sleep=0
            )
            source.execute("COMMIT")
            # One file, which needs no other beside it.
            target.execute("PRAGMA journal_mode = DELETE")
        copy = check_copy(draft)
        if copy.rows != rows:
            raise BackupError(f"The copy of {str(database)!r} holds {copy.rows}, and should hold {rows}.")
        _keep(draft, file)
    return copy


def check_copy(file: Path) -> Copy:
    """What a copy holds, once it has been read from end to end.

    Raises
    ------
    BackupError
        It cannot be read, is damaged, or is no database of Gridlore's.
    """
    if not file.is_file():
        raise BackupError(f"There is no file {str(file)!r}.")
    with _sentences(f"{str(file)!r} is no whole database"), closing(_open(file, "ro")) as connection:
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise BackupError(f"{str(file)!r} is damaged: {found}.")
        rows = _count(connection)
        if REVISIONS not in _tables(connection):
            raise BackupError(f"{str(file)!r} is no database of Gridlore's: it has no schema.")
        revision = connection.execute(f"SELECT version_num FROM {REVISIONS}").fetchone()
    return Copy(file.stat().st_size, rows, None if revision is None else str(revision[0]))


@contextmanager
def prepare_copy(file: Path, database: Path) -> Iterator[Path]:
    """A copy of ``file`` beside a database, to be made ready there; it is gone afterwards."""
    with _draft(database) as draft:
        with (
            _sentences(f"{str(file)!r} cannot be copied beside {str(database)!r}"),
            closing(_open(file, "ro")) as source,
            closing(sqlite3.connect(draft)) as target,
        ):
            source.backup(target)
        yield draft


def put_in_place(draft: Path, database: Path, aside: Path) -> list[Path]:
    """Make ``draft`` the database, and keep what was there as ``aside``; the files that were kept.

    Where there was a database, there is one of this name at every moment, the old one or the new one. What
    SQLite kept beside one that is gone is kept too: it would be worked into the new one.

    Raises
    ------
    BackupError
        A server or command uses the database, or there is no room: nothing was changed. Or it was replaced,
        and the disk does not say that this lasts; the message tells which.
    """
    unchanged = f"{str(database)!r} cannot be replaced, and is as it was"
    with _sentences(unchanged), closing(sqlite3.connect(draft)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    with _only_user(database) if database.exists() else nullcontext():
        with _sentences(unchanged):
            _sync(draft)
            kept = _exchange(draft, database, aside)
        before = f", and what was there before is {' and '.join(map(str, kept))}" if kept else ""
        replaced = f"{str(database)!r} has been replaced{before}"
        with _sentences(f"{replaced}; but the disk does not say that this outlasts a loss of power"):
            _sync(database.parent)
    return kept


def _exchange(draft: Path, database: Path, aside: Path) -> list[Path]:
    """Give the database, and what SQLite keeps beside it, another name, and its own to ``draft``; or none."""
    parts = [(database.with_name(database.name + end), aside.with_name(aside.name + end)) for end in BESIDE]
    moved: list[tuple[Path, Path]] = []
    try:
        for part, place in parts:
            if part.exists():
                part.rename(place)
                moved.append((part, place))
        if database.exists():
            _name_again(database, aside)
            moved.append((database, aside))
        draft.replace(database)
    except BaseException:
        for part, place in reversed(moved):
            if not part.exists():
                place.rename(part)
            elif part.samefile(place):
                place.unlink()
        raise
    return [place for _, place in moved]


def _name_again(file: Path, name: Path) -> None:
    """Give a file a second name; where it cannot have two, only that one."""
    try:
        name.hardlink_to(file)
    except FileExistsError:
        raise
    except OSError:
        file.rename(name)


@contextmanager
def _only_user(database: Path) -> Iterator[None]:
    """Hold a database so that nobody else uses it; one that is damaged cannot be in use.

    Whoever has it open keeps it from leaving WAL mode. A server that opens it after that waits for the lock,
    and then finds that the file has been moved, which SQLite refuses to write to.
    """
    with closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise BackupError(f"{str(database)!r} cannot be replaced: {error}.") from error
            raise BackupError(
                f"{str(database)!r} is in use. Stop the server, and what else works with it, and try again."
            ) from error
        except sqlite3.DatabaseError:
            yield
            return
        yield
        connection.execute("ROLLBACK")


def _open(file: Path, mode: str) -> sqlite3.Connection:
    address = f"{file.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(address, uri=True, timeout=5, isolation_level=None)


@contextmanager
def _sentences(what: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise BackupError(f"{what}: {error}.") from error


@contextmanager
def _draft(file: Path) -> Iterator[Path]:
    """A file beside another that only its owner may read, to be made ready and then renamed."""
    draft = file.with_name(f"{file.name}.{os.getpid()}.part")
    with _sentences(f"{str(file)!r} cannot be written"):
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    try:
        yield draft
    finally:
        for suffix in ("", *BESIDE):
            draft.with_name(draft.name + suffix).unlink(missing_ok=True)


def _keep(draft: Path, file: Path) -> None:
    """Give a finished file its name, durably."""
    with _sentences(f"{str(file)!r} cannot be written"):
        _sync(draft)
        draft.replace(file)
        _sync(file.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _count(connection: sqlite3.Connection) -> dict[str, int]:
    """Rows of each of our tables, as this connection's transaction sees them."""
    here = _tables(connection)
    return {
        name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
        for name in COUNTED
        if name in here
    }
