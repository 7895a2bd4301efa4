"""``gridlore apply``: accounts, users and sensors from a world file.

Layer: cli.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from gridlore.bootstrap import open_accounts
from gridlore.cli.invocation import Invocation, done, operator
from gridlore.cli.moments import now
from gridlore.domain.audit import AuditEntry
from gridlore.domain.errors import WorldError
from gridlore.services.accounts import Accounts
from gridlore.services.world import World, WorldSummary, apply_world, parse_world
from gridlore.store.interface import Store
from gridlore.wire.iso8601 import parse_resolution


@click.command("apply", short_help="Make a world as a file states it.")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def apply(invocation: Invocation, file: Path) -> None:
    """Create or update the accounts, users, sensors and grants that FILE states.

    FILE is a world file in TOML. Applying it again changes nothing; what it does not mention stays as it
    is. When anything in it is wrong, every problem is listed with its line and nothing is changed. A
    running server takes the changes over within DIRECTORY_MAX_AGE seconds.

    \b
    A small world:
      [[account]]
      name = "Charge Co"
      roles = ["Prosumer"]       # Aggregator, Supplier, MDC, DSO, Prosumer, ESCo
      [[user]]
      email = "ann@example.com"
      account = "Charge Co"
      password_env = "ANN_PW"    # or password = "…"; none: cannot log in until set
      [[sensor]]
      kind = "connection"        # connection, market or weather
      name = "CS 1"
      owner = "ann@example.com"
      resolution = "PT15M"
      unit = "MW"
      direction = "consumer"     # consumer, producer or both
      [[grant]]
      from = "Charge Co"         # its connections
      to = "Metering Co"         # for the users of this account
      access = "post"            # read, post or read+post
      connections = ["CS 1"]     # none stated: all, later ones too
    \b
    Example:
      ANN_PW=… gridlore apply world.toml
    """
    world = read_world_file(file)
    with invocation.open_store(make=True) as store:
        accounts = open_accounts(invocation.settings())
        summary = bring_about(store, world, accounts, applied(f"world file {file}"))
    tell_summary(summary)
    click.echo(
        f"{file}: {len(summary.created)} created, {len(summary.updated)} updated, "
        f"{len(summary.unchanged)} as they were."
    )


def tell_summary(summary: WorldSummary) -> None:
    """Print what was created and updated."""
    for title in summary.created:
        click.echo(f"created  {title}")
    for title in summary.updated:
        click.echo(f"updated  {title}")


def read_world_file(file: Path) -> World:
    """What a world file states.

    Raises
    ------
    WorldError
        The file cannot be read, or something in it is wrong by itself.
    """
    try:
        text = file.read_text("utf-8-sig")
    except OSError as error:
        raise WorldError(f"{file}: this file cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise WorldError(f"{file}: a world file is text in UTF-8; got {error}.") from error
    return read_world_text(text, file=str(file))


def read_world_text(text: str, *, file: str) -> World:
    """The same for the text of a world file; ``file`` is its name in error messages."""
    return parse_world(text, file=file, environ=os.environ, parse_resolution=parse_resolution)


def applied(title: str) -> AuditEntry:
    """What the record shall say of a world that is brought about now."""
    return done("apply", "world", None, title)


def bring_about(
    store: Store, world: World, accounts: Accounts, entry: AuditEntry | None = None
) -> WorldSummary:
    """Bring a world about now, in the operator's name; ``entry`` says in the record where it came from."""
    return apply_world(
        store,
        world,
        hash_password=accounts.hash_password,
        verify_password=accounts.verify_password,
        now=now(),
        actor=operator(),
        entry=entry,
    )
