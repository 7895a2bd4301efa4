"""``gridlore user`` and ``gridlore token``: who may come in.

Layer: cli.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace

import click
from rich.table import Table

from gridlore.bootstrap import open_accounts
from gridlore.cli.invocation import Invocation, done, find_user, operator
from gridlore.cli.moments import now
from gridlore.cli.terminal import print_table
from gridlore.domain.audit import ISSUE_TOKEN
from gridlore.domain.errors import UserError
from gridlore.domain.sensors import User
from gridlore.services.accounts import new_token_key
from gridlore.services.keys import revoke_keys
from gridlore.services.world import MAX_PASSWORD


@click.command(short_help="Print an authentication token.")
@click.argument("email")
@click.pass_obj
def token(invocation: Invocation, email: str) -> None:
    """Print an authentication token of the user EMAIL, and nothing else.

    It goes into the Authorization header, and is good for SECURITY_TOKEN_MAX_AGE seconds (six hours by
    default), or until the user is deactivated, logged out or given another password.

    \b
    Example:
      TOKEN=$(gridlore token ann@example.com)
      curl -H "Authorization: $TOKEN" http://127.0.0.1:5000/api/v1_1/getConnection
    """
    settings = invocation.settings()
    with invocation.open_store() as store:
        known = find_user(store.read_directory(), email)
        if not known.active:
            raise UserError(
                f"{known.email} is deactivated; `gridlore user activate {known.email}` comes first."
            )
        store.record([done(ISSUE_TOKEN, "user", known.id, f"user {known.email}")])
    click.echo(open_accounts(settings).issue_token(known, time.time()))


@click.group(short_help="List users, let them in, keep them out.")
def user() -> None:
    """List users, and decide how and whether they come in.

    All of it works while servers run: they follow within DIRECTORY_MAX_AGE seconds (0.1 by default). Users
    are made by `gridlore apply`.
    """


@user.command("list", short_help="List all users.")
@click.pass_obj
def list_users(invocation: Invocation) -> None:
    """List all users: id, e-mail, name, account and its roles, own roles, and whether they can log in.

    Accounts without users come last, each in a row of its own.

    \b
    Example:
      gridlore user list
    """
    with invocation.open_store() as store:
        records = store.read_directory()
    accounts = {account.id: account for account in records.accounts}
    table = Table("id", "e-mail", "name", "account", "account roles", "roles", "state")
    for known in records.users:
        account = accounts[known.account_id]
        table.add_row(
            str(known.id),
            known.email,
            known.name,
            account.name,
            ", ".join(sorted(account.roles)),
            ", ".join(sorted(known.roles)),
            _state(known),
        )
    for account in accounts.values():
        if all(known.account_id != account.id for known in records.users):
            table.add_row("", "", "", account.name, ", ".join(sorted(account.roles)), "", "no users")
    print_table(table)


def _state(known: User) -> str:
    if not known.active:
        return "deactivated"
    return "active" if known.password_hash else "active, no password"


@user.command("set-password", short_help="Give a user a new password.")
@click.argument("email")
@click.option(
    "--stdin", "from_stdin", is_flag=True, help="Read the password from standard input, for scripts."
)
@click.pass_obj
def set_password(invocation: Invocation, email: str, from_stdin: bool) -> None:
    """Give the user EMAIL a new password; tokens and sessions given out before end, API keys go on.

    The password is asked for twice and not shown.

    \b
    Examples:
      gridlore user set-password ann@example.com
      printf %s "$ANN_PW" | gridlore user set-password ann@example.com --stdin
    """
    accounts = open_accounts(invocation.settings())
    with invocation.open_store() as store:
        find_user(store.read_directory(), email)  # before anything is typed
    password = _read_password(from_stdin=from_stdin)
    password_hash = accounts.hash_password(password)
    changed = _change(
        invocation,
        email,
        "change password",
        lambda known: replace(known, password_hash=password_hash, token_key=new_token_key()),
    )
    click.echo(f"{changed.email} has a new password. Tokens and sessions have ended; API keys go on.")


def _read_password(*, from_stdin: bool) -> str:
    password: str
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("New password", hide_input=True, confirmation_prompt="Once more", err=True)
    if not password or len(password) > MAX_PASSWORD:
        raise UserError(f"A password has 1 to {MAX_PASSWORD} characters; got {len(password)}.")
    return password


@user.command(short_help="Keep a user out.")
@click.argument("email")
@click.pass_obj
def deactivate(invocation: Invocation, email: str) -> None:
    """Keep the user EMAIL out: no log-in, no API keys; tokens and sessions end. What was posted stays.

    \b
    Example:
      gridlore user deactivate ann@example.com
    """
    changed = _change(
        invocation,
        email,
        "deactivate",
        lambda known: replace(known, active=False, token_key=new_token_key()),
    )
    click.echo(f"{changed.email} is deactivated.")


@user.command(short_help="Let a user in again.")
@click.argument("email")
@click.pass_obj
def activate(invocation: Invocation, email: str) -> None:
    """Let the user EMAIL in again; API keys count again, tokens and sessions from before do not.

    \b
    Example:
      gridlore user activate ann@example.com
    """
    changed = _change(invocation, email, "activate", lambda known: replace(known, active=True))
    click.echo(f"{changed.email} is active.")


@user.command("logout-everywhere", short_help="End all tokens and sessions of a user.")
@click.argument("email")
@click.option("--keys", is_flag=True, help="Revoke the user's API keys as well, for good.")
@click.pass_obj
def log_out_everywhere(invocation: Invocation, email: str, keys: bool) -> None:
    """End all tokens and sessions of the user EMAIL, who may log in again.

    API keys belong to programs and go on, unless --keys is given.

    \b
    Examples:
      gridlore user logout-everywhere ann@example.com
      gridlore user logout-everywhere ann@example.com --keys
    """
    with invocation.open_store() as store, store.change_directory() as transaction:
        changed = replace(find_user(transaction.records(), email), token_key=new_token_key())
        transaction.save_user(changed)
        transaction.record(done("end all tokens", "user", changed.id, f"user {changed.email}"))
        revoked = revoke_keys(transaction, changed, now(), operator()) if keys else 0
    told = f" API keys revoked: {revoked}." if keys else ""
    click.echo(f"All tokens and sessions of {changed.email} have ended.{told}")


user.add_command(log_out_everywhere, "logout")  # its first name


def _change(invocation: Invocation, email: str, action: str, change: Callable[[User], User]) -> User:
    with invocation.open_store() as store, store.change_directory() as transaction:
        changed = change(find_user(transaction.records(), email))
        transaction.save_user(changed)
        transaction.record(done(action, "user", changed.id, f"user {changed.email}"))
    return changed
