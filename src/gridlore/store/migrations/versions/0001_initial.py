"""The first schema: directory, heads and belief blocks; on PostgreSQL also view and function for SQL users.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

FLOATS = sa.ARRAY(sa.Double).with_variant(sa.LargeBinary, "sqlite")
INTEGERS = sa.ARRAY(sa.BigInteger).with_variant(sa.LargeBinary, "sqlite")

BELIEF_VIEW = """
CREATE VIEW belief AS
SELECT b.sensor_id,
       b.source_id,
       timestamptz 'epoch' + (b.start + (v.i - 1) * s.resolution) * interval '1 microsecond' AS event_start,
       timestamptz 'epoch' + coalesce(
           b.belief_time, b.belief_times[v.i], b.start + v.i * s.resolution - b.belief_horizon
       ) * interval '1 microsecond' AS belief_time,
       v.value,
       timestamptz 'epoch' + b.recorded_at * interval '1 microsecond' AS recorded_at
FROM belief_block b
JOIN sensor s ON s.id = b.sensor_id
CROSS JOIN LATERAL unnest(b.event_values) WITH ORDINALITY AS v(value, i)
WHERE v.value <> 'NaN'
"""

BELIEFS_FUNCTION = """
CREATE FUNCTION beliefs(
    sensor bigint,
    event_from timestamptz,
    event_to timestamptz,
    prior timestamptz DEFAULT NULL,
    horizon interval DEFAULT NULL
) RETURNS TABLE (
    event_start timestamptz, belief_time timestamptz, source_id bigint, value float8, recorded_at timestamptz
) LANGUAGE sql STABLE AS $$
    WITH asked AS (
        SELECT s.id,
               s.resolution,
               (extract(epoch FROM event_from) * 1000000)::bigint AS first,
               (extract(epoch FROM event_to) * 1000000)::bigint AS last
        FROM sensor s WHERE s.id = beliefs.sensor
    ), known AS (
        SELECT timestamptz 'epoch' + (b.start + (v.i - 1) * a.resolution) * interval '1 microsecond'
                   AS event_start,
               timestamptz 'epoch' + (b.start + v.i * a.resolution) * interval '1 microsecond' AS event_end,
               timestamptz 'epoch' + coalesce(
                   b.belief_time, b.belief_times[v.i], b.start + v.i * a.resolution - b.belief_horizon
               ) * interval '1 microsecond' AS belief_time,
               b.source_id, v.value, b.recorded_at
        FROM asked a
        JOIN belief_block b ON b.sensor_id = a.id
            AND b.start > a.first - 2049 * a.resolution AND b.start < a.last
        CROSS JOIN LATERAL unnest(b.event_values) WITH ORDINALITY AS v(value, i)
        WHERE v.value <> 'NaN'
    )
    SELECT k.event_start, k.belief_time, k.source_id, k.value,
           timestamptz 'epoch' + k.recorded_at * interval '1 microsecond'
    FROM known k
    WHERE k.event_end > beliefs.event_from AND k.event_start < beliefs.event_to
        AND (beliefs.prior IS NULL OR k.belief_time <= beliefs.prior)
        AND (beliefs.horizon IS NULL OR k.event_end - k.belief_time >= beliefs.horizon)
    ORDER BY k.event_start, k.belief_time
$$
"""


def _id(name: str = "id") -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, autoincrement=False, nullable=False)


def _create_directory() -> None:
    op.create_table(
        "directory_state",
        _id(),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_directory_state"),
    )
    op.execute("INSERT INTO directory_state (id, version) VALUES (1, 1)")
    op.create_table(
        "account",
        _id(),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("roles", sa.Text, nullable=False, comment="comma separated"),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.UniqueConstraint("name", name="uq_account_name"),
    )
    op.create_table(
        "app_user",
        _id(),
        sa.Column("email", sa.Text, nullable=False, comment="in lower case"),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("roles", sa.Text, nullable=False, comment="comma separated"),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("password_hash", sa.Text, comment="Argon2id; NULL cannot log in"),
        sa.Column("token_key", sa.Text, nullable=False, comment="changes when all tokens are revoked"),
        sa.PrimaryKeyConstraint("id", name="pk_app_user"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_app_user_account_id"),
        sa.UniqueConstraint("email", name="uq_app_user_email"),
    )
    op.create_table(
        "source",
        _id(),
        sa.Column("kind", sa.Text, nullable=False, comment="user, scheduler, forecaster or script"),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("user_id", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_source"),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name="fk_source_user_id"),
    )
    op.create_table(
        "sensor",
        _id(),
        sa.Column("kind", sa.Text, nullable=False, comment="connection, market or weather"),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("resolution", sa.BigInteger, nullable=False, comment="length of an event [µs]"),
        sa.Column(
            "grid_offset",
            sa.BigInteger,
            nullable=False,
            comment="any event's start modulo resolution [µs]",
        ),
        sa.Column("timezone", sa.Text, nullable=False),
        sa.Column("owner_id", sa.BigInteger),
        sa.Column("direction", sa.Text, nullable=False, comment="both, consumer or producer"),
        sa.Column("quantity", sa.Text),
        sa.Column("latitude", sa.Double),
        sa.Column("longitude", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_sensor"),
        sa.ForeignKeyConstraint(["owner_id"], ["app_user.id"], name="fk_sensor_owner_id"),
    )


def _create_blocks() -> None:
    op.create_table(
        "sensor_head",
        _id("sensor_id"),
        sa.Column("next_seq", sa.BigInteger, nullable=False),
        sa.Column("events_start", sa.BigInteger),
        sa.Column("events_end", sa.BigInteger),
        sa.Column("latest_event", sa.BigInteger),
        sa.Column("latest_value", sa.Double),
        sa.Column("latest_belief_time", sa.BigInteger),
        sa.Column("latest_source_id", sa.BigInteger),
        sa.Column("measured_event", sa.BigInteger),
        sa.Column("measured_value", sa.Double),
        sa.Column("measured_belief_time", sa.BigInteger),
        sa.Column("measured_source_id", sa.BigInteger),
        sa.PrimaryKeyConstraint("sensor_id", name="pk_sensor_head"),
    )
    op.create_table(
        "belief_block",
        sa.Column("sensor_id", sa.BigInteger, nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False, comment="start of the first event"),
        sa.Column("seq", sa.BigInteger, nullable=False, comment="order of arrival within the sensor"),
        sa.Column("source_id", sa.BigInteger, nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("belief_time", sa.BigInteger, comment="all events known at one time, or"),
        sa.Column("belief_horizon", sa.BigInteger, comment="each known that long before its end, or"),
        sa.Column("belief_times", INTEGERS, comment="each known at its own time"),
        sa.Column("event_values", FLOATS, nullable=False, comment="in the sensor's unit; NaN is a hole"),
        sa.PrimaryKeyConstraint("sensor_id", "start", "seq", name="pk_belief_block"),
        sa.ForeignKeyConstraint(["sensor_id"], ["sensor.id"], name="fk_belief_block_sensor_id"),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name="fk_belief_block_source_id"),
        sa.CheckConstraint(
            "(CASE WHEN belief_time IS NULL THEN 0 ELSE 1 END)"
            " + (CASE WHEN belief_horizon IS NULL THEN 0 ELSE 1 END)"
            " + (CASE WHEN belief_times IS NULL THEN 0 ELSE 1 END) = 1",
            name="ck_belief_block_one_timing",
        ),
    )


def upgrade() -> None:
    _create_directory()
    _create_blocks()
    if op.get_bind().dialect.name == "postgresql":
        op.execute(BELIEF_VIEW)
        op.execute(BELIEFS_FUNCTION)
        # The arrays are as good as incompressible, and compressing them costs more than it saves.
        op.execute("ALTER TABLE belief_block ALTER COLUMN event_values SET STORAGE EXTERNAL")
        op.execute("ALTER TABLE belief_block ALTER COLUMN belief_times SET STORAGE EXTERNAL")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION beliefs")
        op.execute("DROP VIEW belief")
    for table in (
        "belief_block",
        "sensor_head",
        "sensor",
        "source",
        "app_user",
        "account",
        "directory_state",
    ):
        op.drop_table(table)
