"""``gridlore settings``: everything that can be set, and what it is now.

Layer: cli.
"""

from __future__ import annotations

import click
from rich.table import Table

from gridlore.cli.invocation import Invocation
from gridlore.cli.terminal import print_table
from gridlore.config import GivenValue, given_values, key_file


@click.command(short_help="List every setting and its value.")
@click.pass_obj
def settings(invocation: Invocation) -> None:
    """List every setting: its value, default, unit and meaning, and where the value came from.

    A setting NAME is the environment variable GRIDLORE_NAME and the option --name (in small letters, with
    hyphens). Options win over the environment, and that wins over defaults. Secrets are not shown.

    \b
    Examples:
      gridlore settings
      GRIDLORE_MODE=play gridlore settings
      gridlore --max-body-bytes "16 MiB" settings
    """
    given = given_values(invocation.overrides)
    url = next(value.text for value in given if value.setting.name == "DATABASE_URL")
    table = Table("name", "value", "default", "unit", "from", "meaning")
    for value in given:
        setting = value.setting
        table.add_row(
            setting.name,
            _shown(value, url or ""),
            setting.default,
            setting.unit,
            value.origin,
            setting.meaning,
        )
    print_table(table)


def _shown(value: GivenValue, database_url: str) -> str:
    if value.text is not None:
        return value.shown or ""
    file = key_file(database_url)
    return "missing, but required" if file is None else f"kept in {file}"
