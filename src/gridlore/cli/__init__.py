"""The command line ``gridlore``.

Layer: cli; imports bootstrap, config, services and wire, never the HTTP framework or SQL.
"""

from __future__ import annotations

import click

from gridlore import __version__
from gridlore.cli.copies import backup, restore
from gridlore.cli.data import data
from gridlore.cli.database import db
from gridlore.cli.demo import demo
from gridlore.cli.doctor import doctor
from gridlore.cli.grants import grant
from gridlore.cli.invocation import GROUP_SETTINGS, CommandGroup, Invocation, setting_options
from gridlore.cli.keys import key
from gridlore.cli.listing import settings
from gridlore.cli.record import audit
from gridlore.cli.request import get
from gridlore.cli.serving import serve
from gridlore.cli.users import token, user
from gridlore.cli.world import apply

__all__ = ["main"]


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="gridlore")
@setting_options(GROUP_SETTINGS, shown=("DATABASE_URL", "MODE", "LOG_LEVEL"))
@click.pass_context
def main(context: click.Context, /, **options: str | None) -> None:
    """The book of record for grid data: what happened, what was expected, and when each was known.

    \b
    First steps:
      gridlore demo                     a small world with a year of data
      gridlore serve                    serve it at http://127.0.0.1:5000
    \b
    A world of your own:
      gridlore apply world.toml         accounts, users and sensors from a file
      gridlore token ann@example.com    a token to send with requests

    Everything that can be set is an environment variable GRIDLORE_NAME and, before the command, an option
    --name. `gridlore settings` lists them all, with what they are now.
    """
    context.obj = Invocation.from_options(options)


PEOPLE = (apply, token, user, key, grant, audit)
DATA = (data, backup, restore, doctor, db, demo)

for command in (serve, *PEOPLE, *DATA, get, settings):
    main.add_command(command)
