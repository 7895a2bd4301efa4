"""The tables, declared once for SQLite and PostgreSQL (docs/storage-format.md).

Layer: store. Times are int64 microseconds since 1970-01-01T00:00Z. Arrays are bytes (``codec.py``). Ids are
given, never drawn from a sequence. Nothing references a block, and every key of a block starts with
``sensor_id``, so that blocks can be spread over a cluster by sensor.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)


def _id(name: str = "id") -> Column[int]:
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


directory_state = Table(
    "directory_state",
    metadata,
    _id(),
    Column("version", BigInteger, nullable=False),
)

account = Table(
    "account",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    Column("roles", Text, nullable=False, comment="comma separated"),
)

app_user = Table(
    "app_user",
    metadata,
    _id(),
    Column("email", Text, nullable=False, unique=True, comment="in lower case"),
    Column("name", Text, nullable=False),
    Column("account_id", BigInteger, ForeignKey("account.id"), nullable=False),
    Column("roles", Text, nullable=False, comment="comma separated"),
    Column("active", Boolean, nullable=False),
    Column("password_hash", Text, comment="Argon2id; NULL cannot log in"),
    Column("token_key", Text, nullable=False, comment="changes when all tokens are revoked"),
)

source = Table(
    "source",
    metadata,
    _id(),
    Column("kind", Text, nullable=False, comment="user, scheduler, forecaster or script"),
    Column("name", Text, nullable=False),
    Column("user_id", BigInteger, ForeignKey("app_user.id")),
)

sensor = Table(
    "sensor",
    metadata,
    _id(),
    Column("kind", Text, nullable=False, comment="connection, market or weather"),
    Column("name", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("resolution", BigInteger, nullable=False, comment="length of an event [µs]"),
    Column("grid_offset", BigInteger, nullable=False, comment="any event's start modulo resolution [µs]"),
    Column("timezone", Text, nullable=False),
    Column("owner_id", BigInteger, ForeignKey("app_user.id")),
    Column("direction", Text, nullable=False, comment="both, consumer or producer"),
    Column("quantity", Text),
    Column("latitude", Double),
    Column("longitude", Double),
)

api_key = Table(
    "api_key",
    metadata,
    _id(),
    Column("user_id", BigInteger, ForeignKey("app_user.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False, unique=True, comment="the part of the text it is found by"),
    Column("secret_hash", Text, nullable=False, comment="SHA-256 of the text, in hex"),
    Column("read_only", Boolean, nullable=False),
    Column("sensor_ids", Text, comment="comma separated; NULL: all its user may access"),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
)

access_grant = Table(
    "access_grant",
    metadata,
    _id(),
    Column("from_account_id", BigInteger, ForeignKey("account.id"), nullable=False),
    Column("to_account_id", BigInteger, ForeignKey("account.id"), nullable=False),
    Column("access", Text, nullable=False, comment="read, post or read+post"),
    Column("sensor_id", BigInteger, ForeignKey("sensor.id"), comment="NULL: all connections"),
    Column("revoked_at", BigInteger),
)

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False, comment="order of recording"),
    Column("recorded_at", BigInteger, nullable=False),
    Column("user_id", BigInteger, comment="who did it; NULL: nobody with an id"),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False, comment="account, user, sensor, world or database"),
    Column("subject_id", BigInteger),
    Column("title", Text, nullable=False),
    Column("before", Text, comment="JSON object of texts; NULL: it was not there"),
    Column("after", Text, comment="JSON object of texts"),
    Column("actor", Text, nullable=False, comment="who did it, as text"),
)

sensor_head = Table(
    "sensor_head",
    metadata,
    _id("sensor_id"),
    Column("next_seq", BigInteger, nullable=False),
    Column("events_start", BigInteger),
    Column("events_end", BigInteger),
    *(
        column
        for sort in ("latest", "measured")
        for column in (
            Column(f"{sort}_event", BigInteger),
            Column(f"{sort}_value", Double),
            Column(f"{sort}_belief_time", BigInteger),
            Column(f"{sort}_source_id", BigInteger),
        )
    ),
)

belief_block = Table(
    "belief_block",
    metadata,
    Column("sensor_id", BigInteger, ForeignKey("sensor.id"), nullable=False),
    Column("start", BigInteger, nullable=False, comment="start of the first event"),
    Column("seq", BigInteger, nullable=False, comment="order of arrival within the sensor"),
    Column("source_id", BigInteger, ForeignKey("source.id"), nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("belief_time", BigInteger, comment="all events known at one time, or"),
    Column("belief_horizon", BigInteger, comment="each known that long before its end, or"),
    Column("belief_times", LargeBinary, comment="each known at its own time"),
    Column("event_values", LargeBinary, nullable=False, comment="in the sensor's unit; NaN is a hole"),
    PrimaryKeyConstraint("sensor_id", "start", "seq"),
    CheckConstraint(
        "(CASE WHEN belief_time IS NULL THEN 0 ELSE 1 END)"
        " + (CASE WHEN belief_horizon IS NULL THEN 0 ELSE 1 END)"
        " + (CASE WHEN belief_times IS NULL THEN 0 ELSE 1 END) = 1",
        name="one_timing",
    ),
)
