"""Alembic's entry point: runs the revisions on the connection that ``store/migration.py`` hands over."""

from alembic import context

from gridlore.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
