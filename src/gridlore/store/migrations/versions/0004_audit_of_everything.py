"""The record holds what was done on the command line too, and stays when a user goes: actors as text.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    with op.batch_alter_table("audit_entry") as table:
        table.drop_constraint("fk_audit_entry_user_id", type_="foreignkey")
        table.add_column(sa.Column("actor", sa.Text, comment="who did it, as text"))
        table.alter_column(
            "user_id",
            existing_type=sa.BigInteger,
            nullable=True,
            comment="who did it; NULL: nobody with an id",
            existing_comment="who made the change",
        )
        table.alter_column(
            "subject_id",
            existing_type=sa.BigInteger,
            nullable=True,
        )
        table.alter_column(
            "subject",
            existing_type=sa.Text,
            comment="account, user, sensor, world or database",
            existing_comment="account, user or sensor",
        )
    op.execute(
        "UPDATE audit_entry SET actor = "
        "coalesce((SELECT email FROM app_user WHERE app_user.id = audit_entry.user_id), '')"
    )
    with op.batch_alter_table("audit_entry") as table:
        table.alter_column(
            "actor", existing_type=sa.Text, nullable=False, existing_comment="who did it, as text"
        )


def downgrade() -> None:
    # Entries without an id of a user stay as they are: nothing is ever taken out of the record.
    with op.batch_alter_table("audit_entry") as table:
        table.drop_column("actor")
