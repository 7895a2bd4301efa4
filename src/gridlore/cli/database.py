"""``gridlore db``: the schema of the database.

Layer: cli.
"""

from __future__ import annotations

import click
from rich.progress import Progress

from gridlore.bootstrap import compact_sensor, count_events
from gridlore.cli.invocation import Invocation
from gridlore.cli.terminal import console
from gridlore.config.table import mask_password
from gridlore.domain.timing import format_instant


@click.group(short_help="Look after the database's schema.")
def db() -> None:
    """Look after the database's schema.

    An embedded database (SQLite) is made by `serve`, `apply` and `demo`, and upgraded by whatever uses it.
    A PostgreSQL database is upgraded only by `gridlore db upgrade`, and servers refuse to start on an older
    schema.
    """


@db.command(short_help="Bring the schema to the newest revision.")
@click.pass_obj
def upgrade(invocation: Invocation) -> None:
    """Bring the schema to the newest revision; does nothing when it is there.

    \b
    Example:
      GRIDLORE_DATABASE_URL=postgresql://grid:…@db.example.com/grid gridlore db upgrade
    """
    with invocation.connect_store(make=True) as store:
        store.upgrade_schema()
        store.check_schema()
    _tell_newest(invocation)


@db.command(short_help="Say whether the schema is the newest.")
@click.pass_obj
def check(invocation: Invocation) -> None:
    """Say whether the schema is the newest; exit code 1 when it is not.

    \b
    Example:
      gridlore db check && gridlore serve
    """
    with invocation.connect_store() as store:
        store.check_schema()
    _tell_newest(invocation)


def _tell_newest(invocation: Invocation) -> None:
    click.echo(f"The schema of {mask_password(invocation.settings().database_url)} is the newest.")


@db.command(short_help="Fold small blocks into long ones.")
@click.pass_obj
def compact(invocation: Invocation) -> None:
    """Fold small blocks into long ones, where the server could not do so while it stored them: after
    values of several senders have come in turns, or out of order.

    No value, belief time or source that is read changes; of what was folded, the history tells when the last
    of it arrived. Servers may go on, and it can be stopped and started again at any time.

    \b
    Example:
      gridlore db compact
    """
    before = after = 0
    left: dict[int, list[int]] = {}
    with invocation.open_store() as store, Progress(console=console(stderr=True)) as progress:
        sensors = store.read_directory().sensors
        task = progress.add_task("Compacting", total=count_events(store, sensors))
        for sensor in sensors:
            for step in compact_sensor(store, sensor):
                before, after = before + step.before, after + step.after
                if step.left is not None:
                    left.setdefault(sensor.id, []).append(step.left)
                progress.advance(task, step.events)
    click.echo(f"{before} blocks were looked at; {after} are left.")
    for sensor_id, events in left.items():
        click.echo(
            f"Of sensor {sensor_id}, events are left as they are ({len(events)}, from "
            f"{format_instant(min(events))} to {format_instant(max(events))}): more is known about them than "
            "can be gone through at once."
        )
