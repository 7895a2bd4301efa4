"""``gridlore db``: the schema of the database.

Layer: cli.
"""

from __future__ import annotations

import click

from gridlore.bootstrap import connect_store
from gridlore.cli.invocation import Invocation
from gridlore.config.table import mask_password


@click.group(short_help="Look after the database's schema.")
def db() -> None:
    """Look after the database's schema.

    An embedded database (SQLite) is made and upgraded by whatever uses it. A PostgreSQL database is
    upgraded only by `gridlore db upgrade`, and servers refuse to start on an older schema.
    """


@db.command(short_help="Bring the schema to the newest revision.")
@click.pass_obj
def upgrade(invocation: Invocation) -> None:
    """Bring the schema to the newest revision; does nothing when it is there.

    \b
    Example:
      GRIDLORE_DATABASE_URL=postgresql://grid:…@db.example.com/grid gridlore db upgrade
    """
    settings = invocation.settings()
    store = connect_store(settings)
    try:
        store.upgrade_schema()
        store.check_schema()
    finally:
        store.close()
    click.echo(f"The schema of {mask_password(settings.database_url)} is the newest.")


@db.command(short_help="Say whether the schema is the newest.")
@click.pass_obj
def check(invocation: Invocation) -> None:
    """Say whether the schema is the newest; exit code 1 when it is not.

    \b
    Example:
      gridlore db check && gridlore serve
    """
    settings = invocation.settings()
    store = connect_store(settings)
    try:
        store.check_schema()
    finally:
        store.close()
    click.echo(f"The schema of {mask_password(settings.database_url)} is the newest.")
