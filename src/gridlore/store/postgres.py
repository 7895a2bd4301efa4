"""The production store: PostgreSQL through psycopg 3, arrays in binary, writes by COPY.

Layer: store. Every statement about blocks names its sensors, so that they can be spread by sensor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from psycopg import errors
from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url

from gridlore.domain.beliefs import MAX_BLOCK_VALUES, Block
from gridlore.domain.errors import StoreUnavailableError
from gridlore.domain.heads import Head
from gridlore.store.codec import floats_from_elements, integers_from_elements, register_arrays
from gridlore.store.interface import StoreConflictError, Window
from gridlore.store.relational import (
    BLOCK_COLUMNS,
    HEAD_COLUMNS,
    RelationalStore,
    head_from_row,
    head_to_row,
    unavailable_on_failure,
)

Connection = psycopg.Connection[Any]

CONNECT_TIMEOUT = 5
"""How long to wait for a connection. [s]"""

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
_LOCK_HEAD = f"SELECT {', '.join(HEAD_COLUMNS)} FROM sensor_head WHERE sensor_id = %s FOR UPDATE"
_APPEND = f"COPY belief_block ({', '.join(BLOCK_COLUMNS)}) FROM STDIN (FORMAT BINARY)"
_APPEND_TYPES = [*["int8"] * (len(BLOCK_COLUMNS) - 2), "int8[]", "float8[]"]
_DELETE = "DELETE FROM belief_block WHERE sensor_id = %s AND start = %s AND seq = %s"
_SAVE_HEAD = f"""
    UPDATE sensor_head SET {", ".join(f"{column} = %s" for column in HEAD_COLUMNS[1:])} WHERE sensor_id = %s
"""


class PostgresStore(RelationalStore):
    """See store.interface.Store."""

    def __init__(self, url: str) -> None:
        engine = create_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            connect_args={"connect_timeout": CONNECT_TIMEOUT},
            pool_size=8,
            max_overflow=8,
            pool_timeout=CONNECT_TIMEOUT,
            pool_pre_ping=True,
        )
        event.listen(engine, "connect", lambda connection, _: register_arrays(connection))
        super().__init__(engine)

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        with unavailable_on_failure(), _unavailable_when_lost():
            pooled = self.engine.raw_connection()
            try:
                yield cast(Connection, pooled.driver_connection)
            finally:
                pooled.close()

    @contextmanager
    def _reader(self) -> Iterator[psycopg.Cursor[Any]]:
        """A cursor whose every statement is a transaction, which saves two round trips."""
        with self._connection() as connection:
            connection.autocommit = True
            try:
                with connection.cursor(binary=True) as cursor:
                    yield cursor
            finally:
                if not connection.closed:
                    connection.autocommit = False

    def read_blocks(self, windows: Sequence[Window]) -> list[list[Block]]:
        with self._reader() as cursor:
            return _read_blocks(cursor, windows)

    def read_heads(self, sensor_ids: Sequence[int]) -> Mapping[int, Head]:
        with self._reader() as cursor:
            rows = cursor.execute(_READ_HEADS, (list(sensor_ids),)).fetchall()
            return {row[0]: head_from_row(row) for row in rows}

    @contextmanager
    def begin_write(self) -> Iterator[PostgresWriteTransaction]:
        with self._connection() as connection:
            try:
                with connection.cursor(binary=True) as cursor:
                    yield PostgresWriteTransaction(connection, cursor)
                connection.commit()
            except (errors.DeadlockDetected, errors.SerializationFailure) as error:
                connection.rollback()
                raise StoreConflictError(str(error)) from error
            except BaseException:
                if not connection.closed:
                    connection.rollback()
                raise


class PostgresWriteTransaction:
    """See store.interface.WriteTransaction. The row of a sensor's head is its lock."""

    def __init__(self, connection: Connection, cursor: psycopg.Cursor[Any]) -> None:
        self._connection = connection
        self._cursor = cursor

    def lock_sensors(self, sensor_ids: Iterable[int]) -> dict[int, Head]:
        # One statement per sensor, in order of id: two writers can wait for each other, never in a circle.
        with self._connection.pipeline():
            cursors = [
                self._connection.execute(_LOCK_HEAD, (sensor_id,), binary=True)
                for sensor_id in sorted(set(sensor_ids))
            ]
        rows = [row for cursor in cursors for row in cursor.fetchall()]
        return {row[0]: head_from_row(row) for row in rows}

    def read_blocks(self, windows: Sequence[Window]) -> list[list[Block]]:
        return _read_blocks(self._cursor, windows)

    def append_blocks(self, blocks: Sequence[Block]) -> None:
        with self._cursor.copy(_APPEND) as copy:
            copy.set_types(_APPEND_TYPES)
            for block in blocks:
                copy.write_row(
                    (
                        block.sensor_id,
                        block.start,
                        block.seq,
                        block.source_id,
                        block.recorded_at,
                        block.belief_time,
                        block.belief_horizon,
                        block.belief_times,
                        block.values,
                    )
                )

    def delete_blocks(self, blocks: Sequence[Block]) -> None:
        self._cursor.executemany(_DELETE, [(block.sensor_id, block.start, block.seq) for block in blocks])

    def save_heads(self, heads: Iterable[Head]) -> None:
        rows = [head_to_row(head) for head in heads]
        self._cursor.executemany(_SAVE_HEAD, [(*row[1:], row[0]) for row in rows])


@contextmanager
def _unavailable_when_lost() -> Iterator[None]:
    try:
        yield
    except psycopg.OperationalError as error:
        raise StoreUnavailableError(
            "The database cannot be reached right now. Please send this again."
        ) from error


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
    arrays = floats_from_elements([row[-1] for row in rows])
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
            None if times is None else integers_from_elements(times),
            recorded_at,
            seq,
        )
        if start >= window.start or block.end > window.start:
            found[number].append(block)
    return found
