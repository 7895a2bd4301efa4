"""``gridlore audit``: who did what, and when.

Layer: cli.
"""

from __future__ import annotations

import json
from dataclasses import asdict

import click
from rich.table import Table

from gridlore.cli.invocation import Invocation
from gridlore.cli.moments import SinceType
from gridlore.cli.terminal import print_table
from gridlore.domain.audit import AuditEntry, AuditFilter
from gridlore.domain.timing import format_instant
from gridlore.services.world.document import visible


@click.command("audit", short_help="Tell who did what, and when.")
@click.option("--user", "email", metavar="EMAIL", help="Only what this user did, or had done to it.")
@click.option(
    "--since",
    type=SinceType(),
    metavar="TIME",
    help="Only from then on: a time (2026-01-31T12:00Z) or a span that ends now (P7D).",
)
@click.option("--action", metavar="ACTION", help='Only of this kind, such as "log in" or "delete data".')
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1), help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for other programs.")
@click.pass_obj
def audit(
    invocation: Invocation,
    email: str | None,
    since: int | None,
    action: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Tell who did what and when, newest first: log-ins (failed ones too), tokens, changes of accounts, users
    and sensors, world files, imports and deletions of data, backups.

    What was done on the command line is told with the name of the user of the operating system. Nothing is
    ever taken out of the record, and it stays as it is when a user goes.

    \b
    Examples:
      gridlore audit --since P7D
      gridlore audit --user ann@example.com --action "fail to log in"
      gridlore audit --json --limit 100000 > record.jsonl
    """
    with invocation.open_store() as store:
        entries = store.read_audit(limit, only=AuditFilter(email, since, action))
    if as_json:
        for entry in entries:
            click.echo(json.dumps(_as_object(entry), ensure_ascii=False))
        return
    table = Table("when", "who", "did", "to", "told")
    for entry in entries:
        table.add_row(
            format_instant(entry.recorded_at // 1_000_000 * 1_000_000),
            *map(visible, (entry.actor, entry.action, entry.title, _tell(entry))),
        )
    print_table(table)


def _as_object(entry: AuditEntry) -> dict[str, object]:
    return {**asdict(entry), "recorded_at": format_instant(entry.recorded_at)}


def _tell(entry: AuditEntry) -> str:
    """What became different, or what there is to tell."""
    before, after = entry.before or {}, entry.after or {}
    told = []
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name, ""), after.get(name, "")
        if old != new:
            told.append(f"{name}: {old} → {new}" if old and new else f"{name}: {old or new}")
    return "; ".join(told)
