"""The production store: PostgreSQL through psycopg 3, arrays as bytes (ADR 023), writes by COPY.

Layer: store. Every statement about blocks and heads names its sensors, so that they can be spread by sensor.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import orjson
import psycopg
from psycopg import errors
from sqlalchemy import Double, create_engine
from sqlalchemy.engine import make_url

from gridlore.domain.audit import AuditEntry
from gridlore.domain.beliefs import MAX_BLOCK_VALUES, Block
from gridlore.domain.errors import StoreUnavailableError
from gridlore.domain.heads import Head
from gridlore.store import schema
from gridlore.store.audit import write_entry
from gridlore.store.codec import pack_floats, pack_integers, unpack_floats, unpack_integers
from gridlore.store.interface import BlockPage, StoreConflictError, Window
from gridlore.store.relational import (
    BLOCK_COLUMNS,
    HEAD_COLUMNS,
    RelationalStore,
    head_from_row,
    head_to_row,
    page_blocks,
    page_parameters,
    page_statement,
    unavailable_on_failure,
)

Connection = psycopg.Connection[Any]

T = TypeVar("T")

CONNECT_TIMEOUT = 5
"""How long to wait for a connection. [s]"""

CONNECTING = {
    "connect_timeout": CONNECT_TIMEOUT,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
"""A server that is gone without a word (a power cut, a broken line) is noticed after half a minute."""

CONNECTIONS = 8
"""Connections kept for blocks and heads; under load, as many more."""

COPY_HEADER, COPY_TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
"""Source: PostgreSQL, documentation of COPY, "Binary Format": rows are a number of fields, each with its
length; -1 is NULL."""
_COPIED_NUMBERS = struct.Struct(">hiqiqiqiqiq")
_COPIED_NUMBER = struct.Struct(">iq")
_COPIED_LENGTH = struct.Struct(">i")
_COPIED_NULL = _COPIED_LENGTH.pack(-1)

_COLUMNS = ", ".join(f"b.{column}" for column in BLOCK_COLUMNS)
_READ_BLOCKS = f"""
    SELECT {_COLUMNS} FROM belief_block b
    WHERE b.sensor_id = %s AND b.start > %s AND b.start < %s AND coalesce(b.source_id = %s, true)
    ORDER BY b.start
"""
_READ_WINDOWS = f"""
    SELECT w.number, {_COLUMNS}
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
        AS w(number, sensor_id, first, last, source_id)
    JOIN belief_block b ON b.sensor_id = w.sensor_id AND b.start > w.first AND b.start < w.last
    WHERE coalesce(b.source_id = w.source_id, true)
    ORDER BY b.start
"""
_READ_HEADS = f"SELECT {', '.join(HEAD_COLUMNS)} FROM sensor_head WHERE sensor_id = ANY(%s)"
_LOCK_HEADS = f"""
    SELECT {", ".join(HEAD_COLUMNS)} FROM sensor_head WHERE sensor_id = ANY(%s::bigint[])
    ORDER BY sensor_id FOR UPDATE
"""
_READ_PAGE = page_statement("%s")
_FIRST_START = "SELECT min(start) FROM belief_block WHERE sensor_id = %s"
_READ_GRIDS = "SELECT id, resolution, grid_offset FROM sensor WHERE id = ANY(%s)"
_APPEND = f"COPY belief_block ({', '.join(BLOCK_COLUMNS)}) FROM STDIN (FORMAT BINARY)"
_DELETE = "DELETE FROM belief_block WHERE sensor_id = %s AND start = %s AND seq = %s"
_HEAD_FIELDS = ", ".join(
    f"{column.name} {'float8' if isinstance(column.type, Double) else 'bigint'}"
    for column in schema.sensor_head.columns
)
_SAVE_HEADS = f"""
    UPDATE sensor_head h SET {", ".join(f"{column} = new.{column}" for column in HEAD_COLUMNS[1:])}
    FROM json_to_recordset(%s::json) AS new({_HEAD_FIELDS})
    WHERE h.sensor_id = ANY(%s::bigint[]) AND h.sensor_id = new.sensor_id
"""


_DURABILITY = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)"

DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
"""Settings of a server that must not be off, or committed data can be lost."""


class PostgresStore(RelationalStore):
    """See store.interface.Store.

    Blocks and heads have connections of their own, which are not asked before each use whether they still
    live: that would cost a round trip. A lost one shows at its first statement, before anything was done;
    then all are let go, and it is tried again.
    """

    def __init__(self, url: str) -> None:
        address = make_url(url).set(drivername="postgresql+psycopg")
        super().__init__(
            create_engine(address, connect_args=CONNECTING, pool_timeout=CONNECT_TIMEOUT, pool_pre_ping=True)
        )
        self._blocks = create_engine(
            address,
            connect_args={**CONNECTING, "autocommit": True},
            pool_size=CONNECTIONS,
            max_overflow=CONNECTIONS,
            pool_timeout=CONNECT_TIMEOUT,
            pool_reset_on_return=None,
        )

    def close(self) -> None:
        self._blocks.dispose()
        super().close()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """A connection on which every statement outside of BEGIN and COMMIT is a transaction."""
        with unavailable_on_failure(), _unavailable_when_lost():
            pooled = self._blocks.raw_connection()
            connection = cast(Connection, pooled.driver_connection)
            try:
                yield connection
            finally:
                if connection.closed:
                    pooled.invalidate()
                    self._blocks.dispose()  # the others were lost with it
                pooled.close()

    def _read(self, read: Callable[[psycopg.Cursor[Any]], T]) -> T:
        with self._connection() as connection, connection.cursor(binary=True) as cursor:
            try:
                return read(cursor)
            except psycopg.OperationalError:
                if not connection.closed:
                    raise
        with self._connection() as connection, connection.cursor(binary=True) as cursor:
            return read(cursor)

    def read_blocks(self, windows: Sequence[Window]) -> list[list[Block]]:
        return self._read(lambda cursor: _read_blocks(cursor, windows))

    def read_page(self, page: BlockPage) -> list[Block]:
        return self._read(lambda cursor: _read_page(cursor, page))

    def read_heads(self, sensor_ids: Sequence[int]) -> Mapping[int, Head]:
        def read(cursor: psycopg.Cursor[Any]) -> dict[int, Head]:
            rows = cursor.execute(_READ_HEADS, (list(sensor_ids),)).fetchall()
            return {row[0]: head_from_row(row) for row in rows}

        return self._read(read)

    def unsafe_settings(self) -> Mapping[str, str]:
        def read(cursor: psycopg.Cursor[Any]) -> dict[str, str]:
            rows = cursor.execute(_DURABILITY, (list(DURABLE),)).fetchall()
            return {name: value for name, value in rows if value == "off"}

        return self._read(read)

    @contextmanager
    def begin_write(self) -> Iterator[PostgresWriteTransaction]:
        with self._connection() as connection, connection.cursor(binary=True) as cursor:
            transaction = PostgresWriteTransaction(connection, cursor)
            try:
                yield transaction
                transaction.commit()
            except BaseException as error:
                if connection.closed:
                    if not transaction.begun:
                        raise StoreConflictError("the connection had been lost before") from error
                    raise
                transaction.roll_back()
                if isinstance(error, errors.DeadlockDetected | errors.SerializationFailure):
                    raise StoreConflictError(str(error)) from error
                raise


class PostgresWriteTransaction:
    """See store.interface.WriteTransaction. The row of a sensor's head is its lock.

    Statements that need no answer wait until others are sent, so that a commit takes few round trips.
    ``begun`` says that the database has answered at least once.
    """

    def __init__(self, connection: Connection, cursor: psycopg.Cursor[Any]) -> None:
        self._connection = connection
        self._cursor = cursor
        self._heads: list[Head] = []
        self.begun = False

    @contextmanager
    def _pipeline(self) -> Iterator[None]:
        with self._connection.pipeline():
            if not self.begun:
                self._connection.execute("BEGIN")
            yield
        self.begun = True

    def lock_sensors(self, sensor_ids: Iterable[int]) -> dict[int, Head]:
        # Locked in order of id: two writers can wait for each other, never in a circle.
        wanted = list(set(sensor_ids))
        if not wanted:
            return {}
        with self._pipeline():
            self._cursor.execute(_LOCK_HEADS, (wanted,))
        return {row[0]: head_from_row(row) for row in self._cursor}

    def read_blocks(self, windows: Sequence[Window]) -> list[list[Block]]:
        self._begin()
        return _read_blocks(self._cursor, windows)

    def read_page(self, page: BlockPage) -> list[Block]:
        self._begin()
        return _read_page(self._cursor, page)

    def first_start(self, sensor_id: int) -> int | None:
        self._begin()
        found = self._cursor.execute(_FIRST_START, (sensor_id,)).fetchone()
        return None if found is None or found[0] is None else int(found[0])

    def read_grids(self, sensor_ids: Sequence[int]) -> Mapping[int, tuple[int, int]]:
        self._begin()
        rows = self._cursor.execute(_READ_GRIDS, (list(sensor_ids),)).fetchall()
        return {sensor_id: (resolution, offset) for sensor_id, resolution, offset in rows}

    def append_blocks(self, blocks: Sequence[Block]) -> None:
        self._begin()
        with self._cursor.copy(_APPEND) as copy:
            copy.write(b"".join([COPY_HEADER, *map(_to_copied_row, blocks), COPY_TRAILER]))

    def delete_blocks(self, blocks: Sequence[Block]) -> None:
        self._begin()
        self._cursor.executemany(_DELETE, [(block.sensor_id, block.start, block.seq) for block in blocks])

    def save_heads(self, heads: Iterable[Head]) -> None:
        self._heads += heads

    def commit(self) -> None:
        """Make it durable."""
        if not self.begun and not self._heads:
            return
        with self._pipeline():
            if self._heads:
                self._cursor.execute(_SAVE_HEADS, _heads_to_parameters(self._heads))
            self._connection.execute("COMMIT")

    def roll_back(self) -> None:
        """Undo it."""
        self._connection.execute("ROLLBACK")

    def _begin(self) -> None:
        if not self.begun:
            self._connection.execute("BEGIN")
            self.begun = True

    def record(self, entry: AuditEntry) -> AuditEntry:
        self._begin()
        return write_entry(lambda sql, row: self._connection.execute(sql, row).rowcount, "%s", entry)


@contextmanager
def _unavailable_when_lost() -> Iterator[None]:
    try:
        yield
    except psycopg.OperationalError as error:
        raise StoreUnavailableError(
            "The database cannot be reached right now. Please send this again."
        ) from error


def _to_copied_row(block: Block) -> bytes:
    """A block as a row to COPY, its columns in the order of BLOCK_COLUMNS."""
    numbers = (block.sensor_id, block.start, block.seq, block.source_id, block.recorded_at)
    values = pack_floats(block.values)
    times = None if block.belief_times is None else pack_integers(block.belief_times)
    return b"".join(
        [
            _COPIED_NUMBERS.pack(len(BLOCK_COLUMNS), *(part for number in numbers for part in (8, number))),
            *(
                _COPIED_NULL if number is None else _COPIED_NUMBER.pack(8, number)
                for number in (block.belief_time, block.belief_horizon)
            ),
            *((_COPIED_NULL,) if times is None else (_COPIED_LENGTH.pack(len(times)), times)),
            _COPIED_LENGTH.pack(len(values)),
            values,
        ]
    )


def _heads_to_parameters(heads: Sequence[Head]) -> tuple[str, list[int]]:
    """All heads as one JSON text, which takes the time of two rows of parameters; and their sensors."""
    rows = [dict(zip(HEAD_COLUMNS, head_to_row(head), strict=True)) for head in heads]
    return orjson.dumps(rows).decode(), [head.sensor_id for head in heads]


def _read_page(cursor: psycopg.Cursor[Any], page: BlockPage) -> list[Block]:
    rows = cursor.execute(_READ_PAGE, page_parameters(page)).fetchall()
    return page_blocks(page, rows)


def _read_blocks(cursor: psycopg.Cursor[Any], windows: Sequence[Window]) -> list[list[Block]]:
    found: list[list[Block]] = [[] for _ in windows]
    if not windows:
        return found
    firsts = [window.start - MAX_BLOCK_VALUES * window.resolution for window in windows]
    if len(windows) == 1:
        only = windows[0]
        cursor.execute(_READ_BLOCKS, (only.sensor_id, firsts[0], only.end, only.source_id))
        rows: list[tuple[Any, ...]] = [(0, *row) for row in cursor.fetchall()]
    else:
        cursor.execute(
            _READ_WINDOWS,
            (
                list(range(len(windows))),
                [window.sensor_id for window in windows],
                firsts,
                [window.end for window in windows],
                [window.source_id for window in windows],
            ),
        )
        rows = cursor.fetchall()
    arrays = unpack_floats([row[-1] for row in rows])
    for row, values in zip(rows, arrays, strict=True):
        number, sensor_id, start, seq, source_id, recorded_at, belief_time, belief_horizon, times, _ = row
        window = windows[number]
        block = Block(
            sensor_id,
            source_id,
            start,
            window.resolution,
            values,
            belief_time,
            belief_horizon,
            None if times is None else unpack_integers(times),
            recorded_at,
            seq,
        )
        if start >= window.start or block.end > window.start:
            found[number].append(block)
    return found
