"""The production store: PostgreSQL through psycopg 3, arrays as bytes (ADR 023), writes in pipelines.

Layer: store. Every statement about blocks and heads names its sensors, so that they can be spread by sensor.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar, cast

import orjson
import psycopg
from psycopg import errors
from sqlalchemy import Double, create_engine, event
from sqlalchemy.engine import make_url

from gridlore.domain.audit import AuditEntry
from gridlore.domain.beliefs import Block
from gridlore.domain.errors import StoreRefusalError, StoreUnavailableError
from gridlore.domain.heads import Head
from gridlore.store import schema
from gridlore.store.audit import write_entry
from gridlore.store.columns import BigintArray, blocks_to_columns, pack_bigints
from gridlore.store.interface import BlockPage, StoreConflictError, Window
from gridlore.store.postgres_windows import read_blocks
from gridlore.store.relational import (
    BLOCK_COLUMNS,
    HEAD_COLUMNS,
    TAKES_NO_WRITES,
    RelationalStore,
    blocks_as_stored,
    head_from_row,
    head_to_row,
    page_parameters,
    page_statement,
    unavailable_on_failure,
)
from gridlore.store.sessions import BOUNDS, BOUNDS_FOR_BLOCKS, CONNECT_TIMEOUT, CONNECTING, set_bounds

Connection = psycopg.Connection[Any]

T = TypeVar("T")

PORTION = 4 * 2**20
"""Values after which the next statement begins, as PostgreSQL has what one brings in memory several times.
[bytes]"""

KEPT_FOR_BLOCKS, MOST_FOR_BLOCKS = 8, 16
"""Connections for blocks and heads, the writer's too: kept, and opened under load."""

KEPT, MOST = 4, 14
"""Connections for the directory and the record, likewise. docs/operations.md states the sum of the most."""

_READ_HEADS = f"SELECT {', '.join(HEAD_COLUMNS)} FROM sensor_head WHERE sensor_id = ANY(%s)"
_LOCK_HEADS = f"""
    SELECT {", ".join(HEAD_COLUMNS)} FROM sensor_head WHERE sensor_id = ANY(%s::bigint[])
    ORDER BY sensor_id FOR UPDATE
"""
_READ_PAGE = page_statement("%s")
_FIRST_START = "SELECT min(start) FROM belief_block WHERE sensor_id = %s"
_READ_GRIDS = "SELECT id, resolution, grid_offset, unit FROM sensor WHERE id = ANY(%s)"
_APPEND = f"""
    INSERT INTO belief_block ({", ".join(BLOCK_COLUMNS)})
    SELECT * FROM unnest({", ".join(["%s"] * len(BLOCK_COLUMNS))})
"""
_DELETE = """
    DELETE FROM belief_block b USING unnest(%s, %s, %s) AS gone(sensor_id, start, seq)
    WHERE b.sensor_id = gone.sensor_id AND b.start = gone.start AND b.seq = gone.seq
"""
_HEAD_FIELDS = ", ".join(
    f"{column.name} {'float8' if isinstance(column.type, Double) else 'bigint'}"
    for column in schema.sensor_head.columns
)
_SAVE_HEADS = f"""
    UPDATE sensor_head h SET {", ".join(f"{column} = new.{column}" for column in HEAD_COLUMNS[1:])}
    FROM json_to_recordset(%s::json) AS new({_HEAD_FIELDS})
    WHERE h.sensor_id = ANY(%s::bigint[]) AND h.sensor_id = new.sensor_id
"""

_DURABILITY = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s) AND setting = 'off'"

DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
"""Settings of a server that must not be off, or committed data can be lost."""


class PostgresStore(RelationalStore):
    """See store.interface.Store.

    Blocks and heads have connections of their own, which are not asked before each use whether they still
    live: that would cost a round trip. A lost one shows at its first statement, before anything was done;
    then all are let go, and it is tried again.
    """

    snapshot = "REPEATABLE READ"

    def __init__(self, url: str) -> None:
        address = make_url(url).set(drivername="postgresql+psycopg")
        super().__init__(
            create_engine(
                address,
                connect_args=CONNECTING,
                pool_size=KEPT,
                max_overflow=MOST - KEPT,
                pool_timeout=CONNECT_TIMEOUT,
                pool_pre_ping=True,
            )
        )
        self._blocks = create_engine(
            address,
            connect_args={**CONNECTING, "autocommit": True},
            pool_size=KEPT_FOR_BLOCKS,
            max_overflow=MOST_FOR_BLOCKS - KEPT_FOR_BLOCKS,
            pool_timeout=CONNECT_TIMEOUT,
            pool_reset_on_return=None,
        )
        event.listen(self.engine, "connect", partial(set_bounds, BOUNDS))
        event.listen(self._blocks, "connect", partial(set_bounds, BOUNDS_FOR_BLOCKS))

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
            except psycopg.OperationalError as error:
                if connection.closed or error.sqlstate in TAKES_NO_WRITES:
                    raise
                raise StoreRefusalError(
                    "The database did not carry this out: it was held up, or has no room. "
                    "Please send this again."
                ) from error
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

    def read_blocks(
        self, windows: Sequence[Window], source_ids: Collection[int] | None = None
    ) -> list[list[Block]]:
        return self._read(lambda cursor: read_blocks(cursor, windows, source_ids))

    def read_page(self, page: BlockPage) -> list[Block]:
        return self._read(lambda cursor: _read_page(cursor, page))

    def read_heads(self, sensor_ids: Sequence[int]) -> Mapping[int, Head]:
        def read(cursor: psycopg.Cursor[Any]) -> dict[int, Head]:
            rows = cursor.execute(_READ_HEADS, (pack_bigints(sensor_ids),)).fetchall()
            return {row[0]: head_from_row(row) for row in rows}

        return self._read(read)

    def unsafe_settings(self) -> Mapping[str, str]:
        def read(cursor: psycopg.Cursor[Any]) -> dict[str, str]:
            return dict(cursor.execute(_DURABILITY, (list(DURABLE),)).fetchall())

        return self._read(read)

    def is_writable(self) -> bool:
        def read(cursor: psycopg.Cursor[Any]) -> bool:
            ((is_read_only,),) = cursor.execute("SHOW transaction_read_only").fetchall()
            return bool(is_read_only == "off")

        return self._read(read)

    @contextmanager
    def begin_write(self) -> Iterator[PostgresWriteTransaction]:
        with self._connection() as connection, connection.cursor(binary=True) as cursor:
            transaction = PostgresWriteTransaction(connection, cursor)
            try:
                with connection.pipeline():
                    yield transaction
                    transaction.commit()
            except BaseException as error:
                if connection.closed:
                    if transaction.untouched:
                        raise StoreConflictError("the connection had been lost before") from error
                    raise
                connection.rollback()  # which forgets prepared statements: some may never have been
                if isinstance(error, errors.DeadlockDetected | errors.SerializationFailure):
                    raise StoreConflictError(str(error)) from error
                raise


class PostgresWriteTransaction:
    """See store.interface.WriteTransaction. The row of a sensor's head is its lock.

    All of it is in one pipeline: statements that need no answer wait until one that does is sent, or the
    COMMIT, so that a commit takes few round trips. ``untouched``: the database has not answered yet, nor been
    asked to commit, so that whatever was sent can be sent again.
    """

    def __init__(self, connection: Connection, cursor: psycopg.Cursor[Any]) -> None:
        self._cursor = cursor
        self._sender = connection.cursor(binary=True)
        self._begun = False
        self.untouched = True

    def _send(self, statement: str, parameters: Sequence[object]) -> None:
        """Carry out a statement some time before the next that is asked for rows."""
        self._begin()
        self._sender.execute(statement, parameters)

    def _ask(self, read: Callable[[psycopg.Cursor[Any]], T]) -> T:
        self._begin()
        found = read(self._cursor)
        self.untouched = False
        return found

    def _begin(self) -> None:
        if not self._begun:
            self._sender.execute("BEGIN")
            self._begun = True

    def lock_sensors(self, sensor_ids: Iterable[int]) -> dict[int, Head]:
        # Locked in order of id: two writers can wait for each other, never in a circle.
        wanted = list(set(sensor_ids))
        if not wanted:
            return {}
        rows = self._ask(lambda cursor: cursor.execute(_LOCK_HEADS, (pack_bigints(wanted),)).fetchall())
        return {row[0]: head_from_row(row) for row in rows}

    def read_blocks(self, windows: Sequence[Window]) -> list[list[Block]]:
        return self._ask(lambda cursor: read_blocks(cursor, windows))

    def read_page(self, page: BlockPage) -> list[Block]:
        return self._ask(lambda cursor: _read_page(cursor, page))

    def first_start(self, sensor_id: int) -> int | None:
        ((start,),) = self._ask(lambda cursor: cursor.execute(_FIRST_START, (sensor_id,)).fetchall())
        return None if start is None else int(start)

    def read_grids(self, sensor_ids: Sequence[int]) -> Mapping[int, tuple[int, int, str]]:
        rows = self._ask(lambda cursor: cursor.execute(_READ_GRIDS, (pack_bigints(sensor_ids),)).fetchall())
        return {sensor_id: (resolution, offset, unit) for sensor_id, resolution, offset, unit in rows}

    def append_blocks(self, blocks: Sequence[Block]) -> None:
        for portion in _portions(blocks):
            self._send(_APPEND, blocks_to_columns(portion))

    def delete_blocks(self, blocks: Sequence[Block]) -> None:
        if blocks:
            keys = zip(*[(block.sensor_id, block.start, block.seq) for block in blocks], strict=True)
            self._send(_DELETE, [*map(pack_bigints, keys)])

    def save_heads(self, heads: Iterable[Head]) -> None:
        if saved := list(heads):
            self._send(_SAVE_HEADS, _heads_to_parameters(saved))

    def record(self, entry: AuditEntry) -> AuditEntry:
        def execute(statement: str, row: tuple[object, ...]) -> int:
            return len(self._ask(lambda cursor: cursor.execute(f"{statement} RETURNING id", row).fetchall()))

        return write_entry(execute, "%s", entry)

    def commit(self) -> None:
        """Make it durable; it is when the pipeline has ended."""
        if self._begun:
            self.untouched = False
            self._sender.execute("COMMIT")


@contextmanager
def _unavailable_when_lost() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate in TAKES_NO_WRITES:
            raise StoreUnavailableError(
                "The database takes no writes right now. Please send this again."
            ) from error
        if not isinstance(error, psycopg.OperationalError):
            raise
        raise StoreUnavailableError(
            "The database cannot be reached right now. Please send this again."
        ) from error


def _portions(blocks: Sequence[Block]) -> Iterator[Sequence[Block]]:
    first = size = 0
    for index, block in enumerate(blocks, 1):
        size += block.values.nbytes
        if size >= PORTION or index == len(blocks):
            yield blocks[first:index]
            first, size = index, 0


def _heads_to_parameters(heads: Sequence[Head]) -> tuple[str, BigintArray]:
    """All heads as one JSON text, which takes the time of two rows of parameters; and their sensors."""
    rows = [dict(zip(HEAD_COLUMNS, head_to_row(head), strict=True)) for head in heads]
    return orjson.dumps(rows).decode(), pack_bigints([head.sensor_id for head in heads])


def _read_page(cursor: psycopg.Cursor[Any], page: BlockPage) -> list[Block]:
    rows = cursor.execute(_READ_PAGE, page_parameters(page)).fetchall()
    return blocks_as_stored(rows, page.sensor_id, page.resolution)
