"""``gridlore backup`` and ``gridlore restore``: a copy of the whole database, and its way back.

Layer: cli.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from gridlore.bootstrap import back_up, check_copy, connect_store, open_store, prepare_copy, put_in_place
from gridlore.cli.invocation import Invocation, done
from gridlore.cli.terminal import console
from gridlore.config import Settings, key_file
from gridlore.domain.errors import BackupError, SchemaError, StoreUnavailableError

PAGE = 4096
"""What a page of the database holds. [bytes]"""


@click.command(short_help="Copy the whole database to a file.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.pass_obj
def backup(invocation: Invocation, file: Path, force: bool) -> None:
    """Copy the whole embedded database to FILE, as it is at this moment, while servers go on.

    FILE gets its name once the copy has been read from end to end and its rows have been counted. It holds
    everything but the secret key: all data, users with the hashes of their passwords, and the record. So keep
    it where nobody else reads it; only its owner may read it as it is made.

    The secret key (`gridlore.db.key` beside the database, or SECRET_KEY) is not in it. Keep a copy of it
    elsewhere; with another key everything works, but tokens and sessions given out before end.

    PostgreSQL has its own tools for this: `pg_dump --format=custom`, see docs/data-care.md.

    \b
    Examples:
      gridlore backup /backups/gridlore-$(date +%F).db
      17 2 * * *  gridlore backup --force /backups/gridlore.db
    """
    settings = invocation.settings()
    database = _database(invocation, "pg_dump --format=custom --file=FILE")
    if file.resolve() == database.resolve():
        raise BackupError(f"{str(file)!r} is the database itself; name another file.")
    if file.exists() and not force:
        raise BackupError(f"{str(file)!r} is there already; with --force it is replaced.")
    with _progress() as progress:
        task = progress.add_task("Copying", total=None)
        copy = back_up(
            database,
            file,
            lambda copied, total: progress.update(task, completed=copied * PAGE, total=total * PAGE),
        )
    click.echo(
        f"{file}: {copy.size} bytes, {copy.rows.get('belief_block', 0)} blocks of "
        f"{copy.rows.get('sensor', 0)} sensors, schema {copy.revision}. It is whole."
    )
    click.echo(_tell_key(settings, "is not in it"))
    try:
        _record_backup(settings, file)
    except StoreUnavailableError as error:
        click.echo(f"That it was made is not in the record: {error.message}", err=True)


def _record_backup(settings: Settings, file: Path) -> None:
    with suppress(SchemaError):  # an older database can be copied too, before it is upgraded
        store = connect_store(settings)
        try:
            store.check_schema()
            store.record([done("back up", "database", None, "the database", after={"file": str(file)})])
        finally:
            store.close()


@click.command(short_help="Put a copy in the place of the database.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def restore(invocation: Invocation, file: Path) -> None:
    """Put FILE, which `gridlore backup` made, in the place of the embedded database.

    It is refused while a server or another command uses the database. FILE is read from end to end first, and
    brought to the newest schema; the database that was there is kept beside the new one, with the time in its
    name. What was changed since the copy was made is undone: also passwords, and who may come in.

    \b
    Example:
      gridlore restore /backups/gridlore-2026-01-31.db
    """
    database = _database(invocation, "pg_restore")
    copy = check_copy(file)
    settings = invocation.settings(make=True)
    aside = database.with_name(
        f"{database.name}.before-restore-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    )
    if aside.exists():
        raise BackupError(f"{str(aside)!r} is there already; try again in a second.")
    with prepare_copy(file, database) as draft:
        store = open_store(replace(settings, database_url=f"sqlite:///{draft}"))
        try:
            facts = {"file": str(file), "the old database": str(aside) if database.exists() else "none"}
            store.record([done("restore", "database", None, "the database", after=facts)])
        finally:
            store.close()
        kept = put_in_place(draft, database, aside)
    click.echo(
        f"{database} is {file} now: {copy.rows.get('belief_block', 0)} blocks of "
        f"{copy.rows.get('sensor', 0)} sensors."
    )
    if kept:
        names = " and ".join(map(str, kept))
        click.echo(f"What was there before is kept as {names}; remove it when it is not needed any more.")
    click.echo(_tell_key(settings, "stays as it is"))


def _database(invocation: Invocation, instead: str) -> Path:
    """The file of the embedded database."""
    database = invocation.database_file()
    if database is None:
        raise BackupError(
            f"The database is PostgreSQL, which has tools of its own for this: `{instead}` "
            "(docs/data-care.md)."
        )
    return database


def _tell_key(settings: Settings, what: str) -> str:
    file = key_file(settings.database_url)
    kept = f"The secret key, in {file}," if file is not None and file.exists() else "The secret key"
    return f"{kept} {what}."


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TimeRemainingColumn(),
        console=console(stderr=True),
    )
