"""The record of changes that administrators and users make through the web interface.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.BigInteger, autoincrement=False, nullable=False, comment="order of recording"),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False, comment="who made the change"),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False, comment="account, user or sensor"),
        sa.Column("subject_id", sa.BigInteger, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("before", sa.Text, comment="JSON object of texts; NULL: it was not there"),
        sa.Column("after", sa.Text, comment="JSON object of texts"),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entry"),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name="fk_audit_entry_user_id"),
    )


def downgrade() -> None:
    op.drop_table("audit_entry")
