"""Bring the schema of a database to the newest revision, or say that it is not there.

Layer: store.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from gridlore.domain.errors import OldSchemaError, SchemaError


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def upgrade_schema(connection: Connection, revision: str = "head") -> None:
    """Run every revision the database has not seen, up to this one, all in one transaction.

    Raises
    ------
    SchemaError
        It has seen revisions that this version does not know.
    """
    _current_revision(connection)
    command.upgrade(_config(connection), revision)


def check_schema(connection: Connection) -> None:
    """Check that the database has just the revisions of this version.

    Raises
    ------
    SchemaError
        It has fewer, or newer ones; the message says which command mends it.
    """
    newest = ScriptDirectory.from_config(_config(connection)).get_current_head()
    current = _current_revision(connection)
    if current != newest:
        raise OldSchemaError(
            f"The database has schema {current or 'none'}, this Gridlore works with {newest}. "
            "Run `gridlore db upgrade` (after a backup) and start again."
        )


def _current_revision(connection: Connection) -> str | None:
    """The newest revision the database has seen; raises SchemaError unless this version knows it."""
    scripts = ScriptDirectory.from_config(_config(connection))
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise SchemaError(
            f"The database has schema {current}, made by a newer Gridlore than this one (which knows up to "
            f"{scripts.get_current_head()}). Install that version, or point GRIDLORE_DATABASE_URL elsewhere."
        )
    return current
