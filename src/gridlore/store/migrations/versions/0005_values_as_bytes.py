"""Values and belief times are bytes on PostgreSQL too (ADR 023); view and function unpack them for SQL users.

Revision ID: 0005
"""

from alembic import op

revision = "0005"
down_revision = "0004"

PACK = """
CREATE FUNCTION pg_temp.pack_{name}({name} {type}[]) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT string_agg(
        substring(sent, 8, 1) || substring(sent, 7, 1) || substring(sent, 6, 1) || substring(sent, 5, 1)
            || substring(sent, 4, 1) || substring(sent, 3, 1) || substring(sent, 2, 1)
            || substring(sent, 1, 1),
        ''::bytea ORDER BY i
    )
    FROM unnest({name}) WITH ORDINALITY AS one(element, i), LATERAL (SELECT {send}(element) AS sent) AS bytes
$$
"""
"""Big-endian is how PostgreSQL sends a number."""

UNPACK_BIGINT = """
CREATE FUNCTION unpack_bigint(packed bytea, i integer) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT get_byte(packed, 8 * i - 8)::bigint
        | (get_byte(packed, 8 * i - 7)::bigint << 8)
        | (get_byte(packed, 8 * i - 6)::bigint << 16)
        | (get_byte(packed, 8 * i - 5)::bigint << 24)
        | (get_byte(packed, 8 * i - 4)::bigint << 32)
        | (get_byte(packed, 8 * i - 3)::bigint << 40)
        | (get_byte(packed, 8 * i - 2)::bigint << 48)
        | (get_byte(packed, 8 * i - 1)::bigint << 56)
$$
"""

# A float64 is its sign, 11 bits of exponent and 52 of fraction (IEEE 754); the power of two is taken in two
# parts, as one alone may be smaller than the smallest number. `|| ''` fetches long bytes once, not per value.
UNPACK_BLOCK = """
CREATE FUNCTION unpack_block(event_values bytea, belief_times bytea)
RETURNS TABLE (i integer, value float8, belief_time bigint) LANGUAGE sql IMMUTABLE ROWS 100 AS $$
    SELECT number,
        CASE WHEN exponent = 2047 THEN 'NaN' ELSE
            CASE WHEN bits < 0 THEN -1::float8 ELSE 1::float8 END
            * ((bits & 4503599627370495) + CASE WHEN exponent > 0 THEN 4503599627370496 ELSE 0 END)::float8
            * power(2::float8, shift / 2) * power(2::float8, shift - shift / 2)
        END,
        unpack_bigint(packed.times, number)
    FROM (SELECT event_values || ''::bytea AS floats, belief_times || ''::bytea AS times OFFSET 0) AS packed,
        generate_series(1, length(packed.floats) / 8) AS number,
        LATERAL (SELECT unpack_bigint(packed.floats, number) AS bits OFFSET 0) AS whole,
        LATERAL (SELECT (bits >> 52) & 2047 AS exponent OFFSET 0) AS part,
        LATERAL (SELECT greatest(exponent, 1) - 1075 AS shift OFFSET 0) AS power
$$
"""

BELIEF_VIEW = """
CREATE VIEW belief AS
SELECT b.sensor_id,
       b.source_id,
       timestamptz 'epoch' + (b.start + (v.i - 1) * s.resolution) * interval '1 microsecond' AS event_start,
       timestamptz 'epoch' + coalesce(
           b.belief_time, v.belief_time, b.start + v.i * s.resolution - b.belief_horizon
       ) * interval '1 microsecond' AS belief_time,
       v.value,
       timestamptz 'epoch' + b.recorded_at * interval '1 microsecond' AS recorded_at
FROM belief_block b
JOIN sensor s ON s.id = b.sensor_id
CROSS JOIN LATERAL unpack_block(b.event_values, b.belief_times) AS v
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
                   b.belief_time, v.belief_time, b.start + v.i * a.resolution - b.belief_horizon
               ) * interval '1 microsecond' AS belief_time,
               b.source_id, v.value, b.recorded_at
        FROM asked a
        JOIN belief_block b ON b.sensor_id = a.id
            AND b.start > a.first - 2049 * a.resolution AND b.start < a.last
        CROSS JOIN LATERAL unpack_block(b.event_values, b.belief_times) AS v
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


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("DROP FUNCTION beliefs")
    op.execute("DROP VIEW belief")
    op.execute(PACK.format(name="floats", type="float8", send="float8send"))
    op.execute(PACK.format(name="integers", type="bigint", send="int8send"))
    op.execute(
        "ALTER TABLE belief_block"
        " ALTER COLUMN event_values TYPE bytea USING pg_temp.pack_floats(event_values),"
        " ALTER COLUMN belief_times TYPE bytea USING pg_temp.pack_integers(belief_times)"
    )
    op.execute("ALTER TABLE belief_block ALTER COLUMN event_values SET STORAGE EXTERNAL")
    op.execute("ALTER TABLE belief_block ALTER COLUMN belief_times SET STORAGE EXTERNAL")
    for statement in (UNPACK_BIGINT, UNPACK_BLOCK, BELIEF_VIEW, BELIEFS_FUNCTION):
        op.execute(statement)
