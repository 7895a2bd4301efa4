"""API keys, and access that accounts grant to one another.

Revision ID: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("prefix", sa.Text, nullable=False, comment="the part of the text it is found by"),
        sa.Column("secret_hash", sa.Text, nullable=False, comment="SHA-256 of the text, in hex"),
        sa.Column("read_only", sa.Boolean, nullable=False),
        sa.Column("sensor_ids", sa.Text, comment="comma separated; NULL: all its user may access"),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_api_key"),
        sa.UniqueConstraint("prefix", name="uq_api_key_prefix"),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name="fk_api_key_user_id"),
    )
    op.create_table(
        "access_grant",
        sa.Column("id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("from_account_id", sa.BigInteger, nullable=False),
        sa.Column("to_account_id", sa.BigInteger, nullable=False),
        sa.Column("access", sa.Text, nullable=False, comment="read, post or read+post"),
        sa.Column("sensor_id", sa.BigInteger, comment="NULL: all connections"),
        sa.Column("revoked_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_access_grant"),
        sa.ForeignKeyConstraint(["from_account_id"], ["account.id"], name="fk_access_grant_from_account_id"),
        sa.ForeignKeyConstraint(["to_account_id"], ["account.id"], name="fk_access_grant_to_account_id"),
        sa.ForeignKeyConstraint(["sensor_id"], ["sensor.id"], name="fk_access_grant_sensor_id"),
    )


def downgrade() -> None:
    op.drop_table("access_grant")
    op.drop_table("api_key")
