"""What both stores share: the engine, the schema's state, and the directory, through SQLAlchemy Core.

Layer: store. Blocks and heads, the hot path, are each store's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Table, func, select, update
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from gridlore.domain.access import ACCESS_WORDS, Grant, access_word
from gridlore.domain.audit import EVERY_ENTRY, AuditEntry, AuditFilter
from gridlore.domain.beliefs import Block
from gridlore.domain.errors import (
    SchemaError,
    SensorInUseError,
    StoreDamagedError,
    StoreUnavailableError,
)
from gridlore.domain.heads import Head, Latest
from gridlore.domain.keys import ApiKey
from gridlore.domain.sensors import Account, Direction, Sensor, SensorKind, Source, SourceKind, User
from gridlore.domain.timing import FloatArray
from gridlore.store import migration, schema
from gridlore.store.audit import read_entries, write_entry
from gridlore.store.codec import pack_floats, pack_integers, unpack_floats, unpack_integers
from gridlore.store.interface import BlockPage, DirectoryRecords

HEAD_COLUMNS = tuple(str(column.name) for column in schema.sensor_head.columns)
BLOCK_COLUMNS = tuple(column.name for column in schema.belief_block.columns)

BELIEF_COLUMNS = ("start", "source_id", "belief_time", "belief_horizon", "belief_times", "event_values")
"""What a block says. Rows that are read begin with these."""

READ_COLUMNS = (*BELIEF_COLUMNS, "recorded_at", "seq")
"""What is read of a block as it is stored."""

START, TIME, TIMES, VALUES = 0, 2, 4, 5
"""Where these stand in a row."""

HeadRow = tuple[
    int, int, int | None, int | None,
    int | None, float | None, int | None, int | None,
    int | None, float | None, int | None, int | None,
]  # fmt: skip


BlockRow = tuple[int, int, int, int, int, int | None, int | None, bytes | None, bytes]

NOTHING = (None, None, None, None)


def head_from_row(row: HeadRow) -> Head:
    """A head from its columns, in the order of HEAD_COLUMNS."""
    return Head(*row[:4], _latest_from_row(row[4:8]), _latest_from_row(row[8:12]))


def _latest_from_row(cells: tuple[int | None, float | None, int | None, int | None]) -> Latest | None:
    return None if cells[0] is None else Latest(*cells)  # type: ignore[arg-type]  # all are NULL, or none


def head_to_row(head: Head) -> HeadRow:
    """The columns of a head, in the order of HEAD_COLUMNS."""
    return (*head[:4], *(head.latest or NOTHING), *(head.measured or NOTHING))


def page_statement(mark: str) -> str:
    """The statement that reads a page of blocks, and its parameters' order: sensor, start, seq, limit."""
    return (
        f"SELECT {', '.join(READ_COLUMNS)} FROM belief_block "
        f"WHERE sensor_id = {mark} AND (start, seq) < ({mark}, {mark}) "
        f"ORDER BY start DESC, seq DESC LIMIT {mark}"
    )


def page_parameters(page: BlockPage) -> tuple[int, int, int, int]:
    """The parameters of ``page_statement``."""
    return page.sensor_id, page.before.start, page.before.seq, page.limit


def blocks_as_stored(rows: Sequence[Sequence[Any]], sensor_id: int, resolution: int) -> list[Block]:
    """A block of each row, which begins with READ_COLUMNS, in the same order."""
    arrays = unpack_floats([row[VALUES] for row in rows])
    return [
        block_from_row(row, sensor_id, resolution, values, *row[6:8])
        for row, values in zip(rows, arrays, strict=True)
    ]


def blocks_as_believed(rows: Sequence[Sequence[Any]], sensor_id: int, resolution: int) -> list[Block]:
    """The same of rows that begin with BELIEF_COLUMNS: when they arrived, and as which, is not told."""
    arrays = unpack_floats([row[VALUES] for row in rows])
    return [
        block_from_row(row, sensor_id, resolution, values) for row, values in zip(rows, arrays, strict=True)
    ]


def block_from_row(
    row: Sequence[Any],
    sensor_id: int,
    resolution: int,
    values: FloatArray,
    recorded_at: int = 0,
    seq: int = 0,
) -> Block:
    """What a row says that begins with BELIEF_COLUMNS; ``values``: the last of them, unpacked."""
    start, source_id, belief_time, belief_horizon, times = row[:5]
    belief_times = None if times is None else unpack_integers(times)
    known = (belief_time, belief_horizon, belief_times)
    return Block(sensor_id, source_id, start, resolution, values, *known, recorded_at, seq)


def block_to_row(block: Block) -> BlockRow:
    """The columns of a block, in the order of BLOCK_COLUMNS."""
    return (
        block.sensor_id,
        block.start,
        block.seq,
        block.source_id,
        block.recorded_at,
        block.belief_time,
        block.belief_horizon,
        None if block.belief_times is None else pack_integers(block.belief_times),
        pack_floats(block.values),
    )


TAKES_NO_WRITES = ("25006", "25P03", "25P04")
"""SQLSTATEs of a PostgreSQL that is read-only, as after a failover, or has waited too long for us."""

_DAMAGED = ("database disk image is malformed", "malformed database schema")
"""What SQLite says of a file that is not what it wrote."""


def is_damage(error: BaseException | None) -> bool:
    """Whether the file itself is what is wrong."""
    return any(text in str(error) for text in _DAMAGED)


def tell_damage(error: BaseException | None) -> StoreDamagedError:
    """What to say of it."""
    return StoreDamagedError(
        f"The database is damaged: {error}. Stop the server, and put a backup in its place: gridlore restore."
    )


@contextmanager
def unavailable_on_failure() -> Iterator[None]:
    """Turn a database that cannot be reached, or is too busy, into StoreUnavailableError."""
    try:
        yield
    except (DBAPIError, PoolTimeoutError) as error:
        if isinstance(error, DBAPIError) and not _is_operational(error):
            if "not a database" in str(error.orig):
                raise SchemaError(f"This file is no database of Gridlore's: {error.orig}.") from error
            if is_damage(error.orig):
                raise tell_damage(error.orig) from error
            raise
        raise StoreUnavailableError(
            "The database cannot be reached, or is too busy, right now. Please send this again."
        ) from error


def _is_operational(error: DBAPIError) -> bool:
    return (
        isinstance(error, OperationalError | InterfaceError)
        or error.connection_invalidated
        or getattr(error.orig, "sqlstate", None) in TAKES_NO_WRITES
    )


class RelationalDirectoryTransaction:
    """A change of the directory, on one connection. See store.interface.DirectoryTransaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def records(self) -> DirectoryRecords:
        return read_directory(self._connection)

    def save_account(self, account: Account) -> None:
        self._save(schema.account, {"id": account.id, "name": account.name, "roles": _join(account.roles)})

    def save_user(self, user: User) -> None:
        self._save(
            schema.app_user,
            {
                "id": user.id,
                "email": user.email,
                "name": user.name,
                "account_id": user.account_id,
                "roles": _join(user.roles),
                "active": user.active,
                "password_hash": user.password_hash,
                "token_key": user.token_key,
            },
        )

    def save_source(self, source: Source) -> None:
        self._save(
            schema.source,
            {"id": source.id, "kind": source.kind.value, "name": source.name, "user_id": source.user_id},
        )

    def save_sensor(self, sensor: Sensor) -> None:
        self._check_unused(sensor)
        created = self._save(
            schema.sensor,
            {
                "id": sensor.id,
                "kind": sensor.kind.value,
                "name": sensor.name,
                "unit": sensor.unit,
                "resolution": sensor.resolution,
                "grid_offset": sensor.grid_offset,
                "timezone": sensor.timezone,
                "owner_id": sensor.owner_id,
                "direction": sensor.direction.value,
                "quantity": sensor.quantity,
                "latitude": sensor.latitude,
                "longitude": sensor.longitude,
            },
        )
        if created:
            self._connection.execute(schema.sensor_head.insert().values(sensor_id=sensor.id, next_seq=1))

    def save_key(self, key: ApiKey) -> ApiKey:
        saved = replace(key, id=key.id or self._next_id(schema.api_key))
        self._save(schema.api_key, {**_columns(saved), "sensor_ids": _join_ids(saved.sensor_ids)})
        return saved

    def save_grant(self, grant: Grant) -> Grant:
        saved = replace(grant, id=grant.id or self._next_id(schema.access_grant))
        self._save(schema.access_grant, {**_columns(saved), "access": access_word(saved.access)})
        return saved

    def _check_unused(self, sensor: Sensor) -> None:
        """Nobody stores the first values of a sensor while what they depend on changes: both lock it."""
        table, head = schema.sensor.c, schema.sensor_head.c
        fixed = select(table.unit, table.resolution, table.grid_offset).where(table.id == sensor.id)
        row = self._connection.execute(fixed).one_or_none()
        if row is None or tuple(row) == (sensor.unit, sensor.resolution, sensor.grid_offset):
            return
        lock = select(head.events_start).where(head.sensor_id == sensor.id).with_for_update()
        if self._connection.execute(lock).scalar_one() is not None:
            raise SensorInUseError(
                f"Values of {sensor.kind} {sensor.name} have been stored in the meantime; its unit, "
                "resolution and grid stay as they are."
            )

    def sensors_with_data(self) -> set[int]:
        head = schema.sensor_head.c
        query = select(head.sensor_id).where(head.events_start.is_not(None))
        return set(self._connection.execute(query).scalars())

    def record(self, entry: AuditEntry) -> AuditEntry:
        return _record(self._connection, entry)

    def _next_id(self, table: Table) -> int:
        return (self._connection.execute(select(func.max(table.c.id))).scalar() or 0) + 1

    def _save(self, table: Table, values: dict[str, object]) -> bool:
        changed = self._connection.execute(update(table).where(table.c.id == values["id"]).values(**values))
        if changed.rowcount:
            return False
        self._connection.execute(table.insert().values(**values))
        return True


class RelationalStore:
    """The parts of store.interface.Store that do not touch blocks."""

    snapshot: Literal["REPEATABLE READ"] | None = None
    """What makes several reads of one transaction see the same, where they do not anyway."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def read_directory(self) -> DirectoryRecords:
        with unavailable_on_failure(), self.engine.connect() as connection:
            if self.snapshot is not None:
                connection = connection.execution_options(isolation_level=self.snapshot)  # noqa: PLW2901
            return read_directory(connection)

    def directory_version(self) -> int:
        with unavailable_on_failure(), self.engine.connect() as connection:
            return _version(connection)

    @contextmanager
    def change_directory(self) -> Iterator[RelationalDirectoryTransaction]:
        with unavailable_on_failure(), self.engine.connect() as connection:
            connection.execution_options(writes=True)
            with connection.begin():
                state = schema.directory_state
                # First of all: this row is the lock that makes changes wait for one another.
                connection.execute(update(state).values(version=state.c.version + 1))
                yield RelationalDirectoryTransaction(connection)

    def record(self, entries: Sequence[AuditEntry]) -> None:
        with unavailable_on_failure(), self.engine.connect() as connection:
            connection.execution_options(writes=True)
            with connection.begin():
                for entry in entries:
                    _record(connection, entry)

    def read_audit(
        self, limit: int, before: int | None = None, only: AuditFilter = EVERY_ENTRY
    ) -> list[AuditEntry]:
        with unavailable_on_failure(), self.engine.connect() as connection:
            return read_entries(connection, limit, before, only)

    def upgrade_schema(self) -> None:
        with unavailable_on_failure(), self.engine.connect() as connection:
            migration.upgrade_schema(connection)
            connection.commit()

    def check_schema(self) -> None:
        with unavailable_on_failure(), self.engine.connect() as connection:
            migration.check_schema(connection)

    def close(self) -> None:
        self.engine.dispose()


def _record(connection: Connection, entry: AuditEntry) -> AuditEntry:
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    return write_entry(lambda sql, row: connection.exec_driver_sql(sql, row).rowcount, mark, entry)


def _version(connection: Connection) -> int:
    return int(connection.execute(select(schema.directory_state.c.version)).scalar_one())


def read_directory(connection: Connection) -> DirectoryRecords:
    """Everything in the directory, in order of id, as this connection's transaction sees it."""
    version = _version(connection)

    def rows(table: Table) -> list[dict[str, object]]:
        query = select(table).order_by(table.c.id)
        if "revoked_at" in table.c:
            query = query.where(table.c.revoked_at.is_(None))
        return [dict(row._mapping) for row in connection.execute(query)]

    return DirectoryRecords(
        version,
        [Account(**{**row, "roles": _split(row["roles"])}) for row in rows(schema.account)],  # type: ignore[arg-type]
        [User(**{**row, "roles": _split(row["roles"])}) for row in rows(schema.app_user)],  # type: ignore[arg-type]
        [Source(**{**row, "kind": SourceKind(row["kind"])}) for row in rows(schema.source)],  # type: ignore[arg-type]
        [
            Sensor(
                **{  # type: ignore[arg-type]
                    **row,
                    "kind": SensorKind(str(row["kind"])),
                    "direction": Direction(str(row["direction"])),
                }
            )
            for row in rows(schema.sensor)
        ],
        [ApiKey(**{**row, "sensor_ids": _split_ids(row["sensor_ids"])}) for row in rows(schema.api_key)],  # type: ignore[arg-type]
        [Grant(**{**row, "access": ACCESS_WORDS[str(row["access"])]}) for row in rows(schema.access_grant)],  # type: ignore[arg-type]
    )


def _columns(record: ApiKey | Grant) -> dict[str, object]:
    """What a record holds, by column."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _join(words: frozenset[str]) -> str:
    return ",".join(sorted(words))


def _split(text: object) -> frozenset[str]:
    return frozenset(str(text).split(",")) if text else frozenset()


def _join_ids(ids: frozenset[int] | None) -> str | None:
    return None if ids is None else ",".join(map(str, sorted(ids)))


def _split_ids(text: object) -> frozenset[int] | None:
    return None if text is None else frozenset(map(int, str(text).split(",")))
