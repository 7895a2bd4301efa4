"""The embedded store: one SQLite file in WAL mode, durable at every commit.

Layer: store.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import make_url

from gridlore.domain.audit import AuditEntry
from gridlore.domain.beliefs import MAX_BLOCK_VALUES, Block
from gridlore.domain.errors import StoreUnavailableError
from gridlore.domain.heads import Head
from gridlore.store import amounts
from gridlore.store.audit import write_entry
from gridlore.store.interface import BlockPage, Window
from gridlore.store.joining import blocks_from_rows
from gridlore.store.relational import (
    BELIEF_COLUMNS,
    BLOCK_COLUMNS,
    HEAD_COLUMNS,
    READ_COLUMNS,
    START,
    TIMES,
    VALUES,
    RelationalStore,
    block_to_row,
    blocks_as_stored,
    head_from_row,
    head_to_row,
    is_damage,
    page_parameters,
    page_statement,
    tell_damage,
    unavailable_on_failure,
)

BUSY_TIMEOUT = 5.0
"""How long a write waits for another process's. [s]"""

_READ_BLOCKS = """
    SELECT {columns} FROM belief_block
    WHERE sensor_id = ? AND start > ? AND start < ? AND start + length(event_values) / 8 * ? > ?"""
"""A row that ends before the window is passed over here: its values are not read, and no other Python thread
gets to run because of it."""
_OF_SOURCE = "source_id = ?"
_OF_SOURCES = "source_id IN (SELECT value FROM json_each(?))"
_KNOWN_UNTIL = "coalesce(belief_time <= ?, max(start, ?) + ? - belief_horizon <= ?, 1)"
_SHORT = "length(event_values) / 8 <= ?"
_READ_HEADS = f"""
    SELECT {", ".join(HEAD_COLUMNS)} FROM sensor_head WHERE sensor_id IN (SELECT value FROM json_each(?))
"""
_READ_PAGE = page_statement("?")
_FIRST_START = "SELECT min(start) FROM belief_block WHERE sensor_id = ?"
_READ_GRIDS = """
    SELECT id, resolution, grid_offset, unit FROM sensor WHERE id IN (SELECT value FROM json_each(?))
"""
_APPEND = f"INSERT INTO belief_block ({', '.join(BLOCK_COLUMNS)}) VALUES "
_DELETE = "DELETE FROM belief_block WHERE "
_IS_ROW = "(sensor_id, start, seq) = (?, ?, ?)"
"""Rows to delete are joined by OR: each is looked up in the index. A list (``IN (VALUES …)``) is not."""
_SAVE_HEADS = f"REPLACE INTO sensor_head ({', '.join(HEAD_COLUMNS)}) VALUES "

CHECKPOINT_PAGES = 4000
"""Pages in the log after which it is worked into the database: four times the usual, since the same pages
are written again and again, and need to be worked in only once. 16 MB."""

FETCHED_AT_ONCE = 256
"""Rows fetched before they are cut, and it is looked at whether they become too many. 8 MiB at most."""

STEPS_PER_BLOCK = 20
"""Instructions that SQLite's machine takes to pass over a block: ten for one that ends before the window,
twelve for one of another source, up to 25 for one that rolls and was not known by the time asked about."""

STEPS_AT_ONCE = 100_000
"""Instructions after which it is asked whether it goes on: some milliseconds."""

ROWS_AT_ONCE = 64
"""Rows written by one statement. Each statement lets other Python threads run, and may have to wait for
them afterwards: a statement per row would make the writer queue for the interpreter at every row."""


class SQLiteStore(RelationalStore):
    """See store.interface.Store."""

    def __init__(self, url: str) -> None:
        engine = create_engine(
            make_url(url),
            connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT, "check_same_thread": False},
            pool_size=8,
            max_overflow=8,
            pool_timeout=BUSY_TIMEOUT,
        )
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
        super().__init__(engine)

    @contextmanager
    def _cursor(self) -> Iterator[sqlite3.Cursor]:
        with unavailable_on_failure(), _unavailable_when_busy():
            connection = self.engine.raw_connection()
            cursor = connection.cursor()
            try:
                yield cursor  # type: ignore[misc]
            finally:
                cursor.close()  # a statement that was not read to its end would hold its snapshot
                connection.close()

    def read_blocks(
        self, windows: Sequence[Window], source_ids: Collection[int] | None = None
    ) -> list[list[Block]]:
        with self._cursor() as cursor:
            if len(windows) > 1:
                cursor.execute("BEGIN")
            found = read_blocks(cursor, windows, source_ids)
            if len(windows) > 1:
                cursor.execute("COMMIT")
            return found

    def read_page(self, page: BlockPage) -> list[Block]:
        with self._cursor() as cursor:
            return _read_page(cursor, page)

    def read_heads(self, sensor_ids: Sequence[int]) -> Mapping[int, Head]:
        with self._cursor() as cursor:
            return _read_heads(cursor, sensor_ids)

    def unsafe_settings(self) -> Mapping[str, str]:
        return {}  # each connection makes sure itself

    def is_writable(self) -> bool:
        file = Path(str(self.engine.url.database))
        return os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)

    @contextmanager
    def begin_write(self) -> Iterator[SQLiteWriteTransaction]:
        with self._cursor() as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield SQLiteWriteTransaction(cursor)
                cursor.execute("COMMIT")
            except BaseException:
                if cursor.connection.in_transaction:
                    cursor.execute("ROLLBACK")
                raise


class SQLiteWriteTransaction:
    """See store.interface.WriteTransaction. BEGIN IMMEDIATE has locked every sensor at once."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor

    def lock_sensors(self, sensor_ids: Iterable[int]) -> dict[int, Head]:
        return _read_heads(self._cursor, list(sensor_ids))

    def read_blocks(self, windows: Sequence[Window]) -> list[list[Block]]:
        return read_blocks(self._cursor, windows)

    def read_page(self, page: BlockPage) -> list[Block]:
        return _read_page(self._cursor, page)

    def first_start(self, sensor_id: int) -> int | None:
        (start,) = self._cursor.execute(_FIRST_START, (sensor_id,)).fetchone()
        return None if start is None else int(start)

    def read_grids(self, sensor_ids: Sequence[int]) -> Mapping[int, tuple[int, int, str]]:
        rows = self._cursor.execute(_READ_GRIDS, (str(list(sensor_ids)),)).fetchall()
        return {sensor_id: (resolution, offset, unit) for sensor_id, resolution, offset, unit in rows}

    def append_blocks(self, blocks: Sequence[Block]) -> None:
        self._write_rows(_APPEND, [block_to_row(block) for block in blocks])

    def delete_blocks(self, blocks: Sequence[Block]) -> None:
        keys = [(block.sensor_id, block.start, block.seq) for block in blocks]
        self._write_rows(_DELETE, keys, place=_IS_ROW, between=" OR ")

    def save_heads(self, heads: Iterable[Head]) -> None:
        self._write_rows(_SAVE_HEADS, [head_to_row(head) for head in heads])

    def record(self, entry: AuditEntry) -> AuditEntry:
        return write_entry(lambda sql, row: self._cursor.execute(sql, row).rowcount, "?", entry)

    def _write_rows(
        self, statement: str, rows: Sequence[tuple[Any, ...]], *, place: str = "", between: str = ", "
    ) -> None:
        for first in range(0, len(rows), ROWS_AT_ONCE):
            part = rows[first : first + ROWS_AT_ONCE]
            one = place or f"({', '.join('?' * len(part[0]))})"
            cells = [cell for row in part for cell in row]
            self._cursor.execute(statement + between.join([one] * len(part)), cells)


def _prepare(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA mmap_size = 1073741824")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _unavailable_when_busy() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreUnavailableError(
            f"The database cannot be used right now ({error}). Please send this again."
        ) from error
    except sqlite3.DatabaseError as error:
        if is_damage(error) or "not a database" in str(error):
            raise tell_damage(error) from error
        raise


def read_blocks(
    cursor: sqlite3.Cursor, windows: Sequence[Window], source_ids: Collection[int] | None = None
) -> list[list[Block]]:
    """What touches each window; raises as ``check_amount`` does, and ``_bound_steps``."""
    with _bound_steps(cursor.connection):
        return _read_windows(cursor, windows, source_ids)


@contextmanager
def _bound_steps(connection: sqlite3.Connection) -> Iterator[None]:
    """Have statements go through no more blocks than one question may, by what they make the machine do.

    Raises
    ------
    PeriodError
        They would.
    """
    most = amounts.MAX_GONE_THROUGH * STEPS_PER_BLOCK // STEPS_AT_ONCE
    done = itertools.count()
    connection.set_progress_handler(lambda: next(done) >= most, STEPS_AT_ONCE)
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_INTERRUPT:
            raise
        raise amounts.too_many() from error
    finally:
        connection.set_progress_handler(None, STEPS_AT_ONCE)


def _read_windows(
    cursor: sqlite3.Cursor, windows: Sequence[Window], source_ids: Collection[int] | None
) -> list[list[Block]]:
    found = []
    size = 0
    for window in windows:
        rows: list[Any] = []
        cursor.execute(*_ask_for_blocks(window, source_ids))
        within = window.end - MAX_BLOCK_VALUES * window.resolution
        while part := cursor.fetchmany(FETCHED_AT_ONCE):
            if not window.whole and (part[0][START] < window.start or part[-1][START] > within):
                read = sum([len(row[VALUES]) for row in part])
                part = [row if window.start <= row[START] <= within else _cut(row, window) for row in part]
                size += (read - sum([len(row[VALUES]) for row in part])) // amounts.PASSED_OVER
            size += sum([len(row[VALUES]) if row[TIMES] is None else 2 * len(row[VALUES]) for row in part])
            size += len(part) * amounts.ROW_OVERHEAD
            amounts.check_amount(size)
            rows += part
        found.append(blocks_from_rows(rows, window))
    return found


def _ask_for_blocks(window: Window, source_ids: Collection[int] | None) -> tuple[str, list[object]]:
    """The statement that finds what touches a window, and its parameters."""
    resolution = window.resolution
    parameters: list[object] = [window.sensor_id, window.after, window.end, resolution, window.start]
    limits = []
    if window.source_id is not None:
        limits.append(_OF_SOURCE)
        parameters.append(window.source_id)
    if window.known_until is not None:
        limits.append(_KNOWN_UNTIL)
        parameters += (window.known_until, window.start, resolution, window.known_until)
    if window.max_values < MAX_BLOCK_VALUES:
        limits.append(_SHORT)
        parameters.append(window.max_values)
    if source_ids is not None:
        limits.append(_OF_SOURCES)
        parameters.append(str(list(source_ids)))
    statement = _READ_BLOCKS.format(columns=", ".join(BELIEF_COLUMNS if window.joined else READ_COLUMNS))
    return "\n    AND ".join([statement, *limits]) + " ORDER BY start", parameters


def _cut(row: tuple[Any, ...], window: Window) -> tuple[Any, ...]:
    """A row of a block without what it says beyond the window."""
    start, source_id, known, horizon, times, values, *rest = row
    resolution, count = window.resolution, len(values) // 8
    first = max(0, (window.start - start) // resolution)
    last = min(count, -((start - window.end) // resolution))
    if last - first == count:
        return row
    part = slice(8 * first, 8 * last)
    times = None if times is None else times[part]
    return (start + first * resolution, source_id, known, horizon, times, values[part], *rest)


def _read_page(cursor: sqlite3.Cursor, page: BlockPage) -> list[Block]:
    rows = cursor.execute(_READ_PAGE, page_parameters(page)).fetchall()
    return blocks_as_stored(rows, page.sensor_id, page.resolution)


def _read_heads(cursor: sqlite3.Cursor, sensor_ids: Sequence[int]) -> dict[int, Head]:
    rows = cursor.execute(_READ_HEADS, (str(list(sensor_ids)),)).fetchall()
    return {row[0]: head_from_row(row) for row in rows}
