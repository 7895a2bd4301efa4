"""``gridlore doctor``: what is not as it should be, and how to mend it.

Layer: cli.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict

import click
from rich.table import Table

from gridlore.bootstrap import connect_store, naming_authority
from gridlore.cli.invocation import FAILURE, Invocation
from gridlore.cli.moments import now
from gridlore.cli.terminal import print_table
from gridlore.config import Settings
from gridlore.config.hygiene import examine_settings
from gridlore.config.table import mask_password
from gridlore.domain.errors import (
    GridloreError,
    OldSchemaError,
    SchemaError,
    StoreDamagedError,
    StoreUnavailableError,
)
from gridlore.domain.findings import Finding
from gridlore.services.diagnosis import examine_store
from gridlore.services.directory import Directory

MENDS: Mapping[type[GridloreError], tuple[str, str]] = {
    StoreDamagedError: ("database", "stop the server, and gridlore restore FILE (the last backup)"),
    StoreUnavailableError: ("database", "start it, or set DATABASE_URL to where it is"),
    OldSchemaError: ("schema", "gridlore db upgrade (after a backup)"),
    SchemaError: (
        "schema",
        "install the Gridlore that made it, restore a backup, or set DATABASE_URL to another",
    ),
}
"""What keeps the database from being examined: as which check it is told, and how it is mended. The first
that fits counts."""


@click.command(short_help="Tell what is not as it should be, and how to mend it.")
@click.option(
    "--days", default=7, show_default=True, type=click.IntRange(1), help="Look so far back for gaps."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for other programs.")
@click.pass_obj
def doctor(invocation: Invocation, days: int, as_json: bool) -> None:
    """Examine settings, files, database and data, and tell what is not as it should be and how to mend it.

    Late sensors, senders gone silent, gaps, weak secrets, files that others can read, a database that may
    forget, a wrong clock, and more. It changes nothing, and works beside running servers. Exit code 1 when
    there is a problem; 0 when all is well, or what was found (marked "note") may be meant so.

    \b
    Examples:
      gridlore doctor
      */15 * * * *  gridlore doctor --json > /var/log/gridlore-doctor.jsonl || notify-the-operator
    """
    findings = list(_examine(invocation, days))
    if as_json:
        for finding in findings:
            click.echo(json.dumps(asdict(finding), ensure_ascii=False))
    elif findings:
        table = Table("", "check", "where", "what", "how to mend it")
        for finding in findings:
            mark = "problem" if finding.is_problem else "note"
            table.add_row(mark, finding.check, finding.where, finding.what, finding.mend)
        print_table(table)
    else:
        click.echo("All is well.")
    if any(finding.is_problem for finding in findings):
        sys.exit(FAILURE)


def _examine(invocation: Invocation, days: int) -> Iterator[Finding]:
    missing = invocation.missing_database()
    if missing is not None:
        mend = "gridlore serve (or apply, or demo) makes it; --database-url names another"
        yield Finding("database", str(missing), "there is none", mend)
        return
    lost = invocation.missing_secret_key()
    if lost is not None:
        mend = "put it back from a backup; or let the server make another, which ends all tokens and sessions"
        yield Finding("secret key", str(lost), "there is none beside the database", mend)
        invocation = invocation.and_options({"secret_key": secrets.token_hex(32)})  # and none is made here
    settings = invocation.settings()
    yield from examine_settings(settings)
    try:
        yield from _examine_database(settings, days)
    except tuple(MENDS) as error:
        check, mend = next(found for kind, found in MENDS.items() if isinstance(error, kind))
        yield Finding(check, mask_password(settings.database_url), error.message, mend)


def _examine_database(settings: Settings, days: int) -> Iterator[Finding]:
    store = connect_store(settings)
    try:
        store.check_schema()
        directory = Directory(store.read_directory(), naming_authority(settings))
        yield from examine_store(store, directory, now(), days)
    finally:
        store.close()
