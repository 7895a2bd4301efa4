"""Alembic revisions of the schema, for both stores."""
