"""``gridlore grant``: which account may use connections of another.

Layer: cli.
"""

from __future__ import annotations

import click
from rich.table import Table

from gridlore.bootstrap import open_accounts
from gridlore.cli.invocation import Invocation, operator
from gridlore.cli.moments import now
from gridlore.cli.terminal import print_table
from gridlore.cli.world import bring_about, tell_summary
from gridlore.domain.access import ACCESS_WORDS
from gridlore.domain.errors import UserError, WorldError
from gridlore.services.grants import revoke_grant, tell_grants
from gridlore.services.world.document import TABLES, Place, Problems, RawEntry, suggest_similar
from gridlore.services.world.reading import read_entries
from gridlore.store.interface import DirectoryRecords
from gridlore.wire.iso8601 import parse_resolution


@click.group(short_help="Let accounts use connections of others.")
def grant() -> None:
    """Let an account read, or post to, connections of another, and end that again.

    A home owner lets the metering company post, and an aggregator read. All users of the account can; servers
    follow within DIRECTORY_MAX_AGE seconds.
    """


@grant.command("give", short_help="Let an account use connections of another.")
@click.argument("from_account", metavar="FROM")
@click.argument("to_account", metavar="TO")
@click.argument("access", type=click.Choice(tuple(ACCESS_WORDS)))
@click.option(
    "--connection",
    "connections",
    multiple=True,
    metavar="NAME",
    help="Only the connection of this name; may be repeated. None: all of them, later ones too.",
)
@click.pass_obj
def give_grant(
    invocation: Invocation, from_account: str, to_account: str, access: str, connections: tuple[str, ...]
) -> None:
    """Let the users of the account TO use connections of the account FROM: read, post or read+post.

    Both are names of accounts. Who may only post does not see what is known. Giving again what is given
    changes nothing; giving other access to the same connections changes it.

    \b
    Examples:
      gridlore grant give "Charge Co" "Metering Co" post --connection "CS 1"
      gridlore grant give "Charge Co" "Pool of Flex" read
    """
    fields = {"from": from_account, "to": to_account, "access": access}
    given = {**fields, "connections": list(connections)} if connections else fields
    raw = {table: [RawEntry(Place("grant"), given)] if table == "grant" else [] for table in TABLES}
    accounts = open_accounts(invocation.settings())
    try:
        world = read_entries(raw, Problems("command line"), {}, parse_resolution)
        with invocation.open_store() as store:
            records = store.read_directory()
            for name in (from_account, to_account):
                _check_account(records, name)
            summary = bring_about(store, world, accounts)
    except WorldError as error:
        raise UserError("\n".join(text for _, text in error.problems)) from error
    tell_summary(summary)
    if not summary.created and not summary.updated:
        click.echo("Nothing was changed: it is given already.")


@grant.command("list", short_help="List grants.")
@click.argument("account", required=False)
@click.pass_obj
def list_grants(invocation: Invocation, account: str | None) -> None:
    """List all grants, or those that the account of this name gave or was given.

    \b
    Examples:
      gridlore grant list
      gridlore grant list "Charge Co"
    """
    with invocation.open_store() as store:
        records = store.read_directory()
    if account is not None:
        _check_account(records, account)
    table = Table("id", "from", "to", "may", "connections")
    for told in tell_grants(records, records.grants):
        if account in (None, told.giver, told.taker):
            table.add_row(str(told.id), told.giver, told.taker, told.access, told.connections)
    print_table(table)


@grant.command("revoke", short_help="End a grant.")
@click.argument("grant_id", metavar="ID", type=int)
@click.pass_obj
def end_grant(invocation: Invocation, grant_id: int) -> None:
    """End the grant with this ID; `gridlore grant list` tells ids. What was posted stays.

    \b
    Example:
      gridlore grant revoke 2
    """
    with invocation.open_store() as store, store.change_directory() as transaction:
        told = revoke_grant(transaction, grant_id, now(), actor=operator())
    click.echo(f"The grant {told.id} is revoked: {told.access}, {told.connections} of {told.giver}.")


def _check_account(records: DirectoryRecords, name: str) -> None:
    """Raise UserError unless there is an account of this name."""
    names = {known.name for known in records.accounts}
    if name not in names:
        raise UserError(
            f"There is no account with the name {name!r}; `gridlore user list` shows them."
            f"{suggest_similar(name, names)}"
        )
