"""What every command shares: settings given as options, errors told in one way, and how to find a user.

Layer: cli.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click

from gridlore.bootstrap import connect_store, open_store
from gridlore.cli.moments import now
from gridlore.config import SETTINGS, Settings, database_file, given_values, key_file, load_settings
from gridlore.domain.audit import AuditEntry, Facts
from gridlore.domain.errors import GridloreError, SettingError, UserError, WorldError
from gridlore.domain.sensors import User
from gridlore.store.interface import DirectoryRecords, Store

SERVE_SETTINGS = ("HOST", "PORT", "WORKERS")
GROUP_SETTINGS = tuple(setting.name for setting in SETTINGS if setting.name not in SERVE_SETTINGS)
ALL_SETTINGS = (*SERVE_SETTINGS, *GROUP_SETTINGS)

FAILURE = 1
"""Exit code when something could not be done."""

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass(frozen=True)
class Invocation:
    """The settings given on the command line, before the command."""

    overrides: Mapping[str, str | None] = field(default_factory=dict)

    @classmethod
    def from_options(cls, options: Mapping[str, str | None]) -> Invocation:
        """From what ``setting_options`` pass to a function."""
        return cls({name.upper(): text for name, text in options.items()})

    def and_options(self, options: Mapping[str, str | None]) -> Invocation:
        """With those given after the command too; these win."""
        later = {name.upper(): text for name, text in options.items() if text is not None}
        return Invocation({**self.overrides, **later})

    def settings(self, *, make: bool = False) -> Settings:
        """All settings; no file is made, not even a secret key's, where there is no database to go with it.

        ``make``: for commands that make an embedded database where there is none.

        Raises
        ------
        SettingError
            A setting cannot be used.
        UserError
            There is no database, and none shall be made.
        """
        file = None if make else self.missing_database()
        if file is not None:
            raise UserError(
                f"There is no database {str(file)!r}. `gridlore serve` makes it, or `gridlore demo` with "
                "data to try; --database-url (GRIDLORE_DATABASE_URL) names another."
            )
        return load_settings(self.overrides)

    def missing_database(self) -> Path | None:
        """The file of an embedded database that is not there; None where it is, and for PostgreSQL."""
        file = self.database_file()
        return None if file is None or file.exists() else file

    def database_file(self) -> Path | None:
        """The file of an embedded database, be it there or not; None for PostgreSQL."""
        given = given_values(self.overrides)
        url = next(value.text for value in given if value.setting.name == "DATABASE_URL")
        return database_file(url or "")

    def missing_secret_key(self) -> Path | None:
        """Where the secret key of an embedded database should be; None when one is there, or given."""
        given = {value.setting.name: value.text for value in given_values(self.overrides)}
        file = None if given["SECRET_KEY"] else key_file(given["DATABASE_URL"] or "")
        return None if file is None or file.exists() else file

    @contextmanager
    def open_store(self, *, make: bool = False) -> Iterator[Store]:
        """The store with the newest schema, closed afterwards; ``make``: see ``settings``."""
        missing = self.missing_database()
        with closing(open_store(self.settings(make=make))) as store:
            if missing is not None:
                click.echo(
                    f"Made {missing}, a new and empty database; --database-url names another.", err=True
                )
            yield store

    @contextmanager
    def connect_store(self, *, make: bool = False) -> Iterator[Store]:
        """The store, whatever the state of its schema, closed afterwards; ``make``: see ``settings``."""
        with closing(connect_store(self.settings(make=make))) as store:
            yield store


def setting_options(names: Collection[str], *, shown: Collection[str]) -> Callable[[Decorated], Decorated]:
    """An option for each of these settings; those not ``shown`` work without standing in the help."""

    def decorate(function: Decorated) -> Decorated:
        for setting in reversed([setting for setting in SETTINGS if setting.name in names]):
            default = f"; default: {setting.default}" if setting.default else ""
            option = click.option(
                setting.option,
                setting.attribute,
                metavar=setting.unit.replace(" ", "") if "|" in setting.unit else "TEXT",
                help=f"{setting.meaning[0].upper()}{setting.meaning[1:]}. [{setting.variable}{default}]",
                hidden=setting.name not in shown,
            )
            function = option(function)
        return function

    return decorate


class BadInput(click.ClickException):
    """What was written down, in settings or in a world file, is wrong."""

    exit_code = 2


class CommandGroup(click.Group):
    """A group whose commands tell errors as sentences on stderr, with an exit code and no traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except GridloreError as error:
            kind = BadInput if isinstance(error, SettingError | WorldError) else click.ClickException
            raise kind(describe_error(error)) from error


def describe_error(error: GridloreError) -> str:
    """The error's message; one line for each problem when there are several."""
    problems = error.message.split("\n")
    if isinstance(error, WorldError):
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        return "\n".join([f"{count}; nothing was changed.", *problems])
    return "\n".join(problems)


def operator() -> str:
    """Who runs this command, as the record of what was done tells it."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container may run under an id that has no name
        name = f"user id {os.getuid()}"
    asked_by = os.environ.get("SUDO_USER")
    return f"{name} (command line{f', for {asked_by}' if asked_by else ''})"


def done(
    action: str,
    subject: str,
    subject_id: int | None,
    title: str,
    before: Facts | None = None,
    after: Facts | None = None,
) -> AuditEntry:
    """What the record shall say of something done by this command now."""
    return AuditEntry(now(), None, action, subject, subject_id, title, before, after, actor=operator())


def find_user(records: DirectoryRecords, email: str) -> User:
    """The user with this e-mail, in whatever case.

    Raises
    ------
    UserError
        There is none.
    """
    for user in records.users:
        if user.email == email.strip().lower():
            return user
    raise UserError(f"There is no user with the e-mail {email!r}; `gridlore user list` shows all users.")
