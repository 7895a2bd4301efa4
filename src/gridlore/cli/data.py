"""``gridlore data``: delete data, exactly what is meant, once or when it has become too old.

Layer: cli.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import click
from rich.progress import Progress
from rich.table import Table

from gridlore.bootstrap import Selection, count_beliefs, delete_beliefs, naming_authority
from gridlore.cli.invocation import Invocation, done
from gridlore.cli.moments import InstantType, SpanType, ago, now
from gridlore.cli.terminal import console, print_table
from gridlore.domain.erasure import Period, Tally
from gridlore.domain.errors import UserError
from gridlore.domain.sensors import ADMIN, Sensor, SensorKind, Source, User
from gridlore.domain.timing import EARLIEST, format_instant
from gridlore.services.directory import Directory
from gridlore.store.interface import Store
from gridlore.wire.iso8601 import Duration

Counted = list[tuple[Selection, dict[int, Tally]]]

OPERATOR = User(0, "", "", 0, frozenset({ADMIN}), True, None, "")
"""Who runs commands may name every sensor."""

KINDS = [kind.value for kind in SensorKind]

DRY_RUN = click.option("--dry-run", is_flag=True, help="Only tell what would go; change nothing.")
YES = click.option("--yes", is_flag=True, help="Do not ask.")


@click.group(short_help="Delete data, once or when it is old.")
def data() -> None:
    """Delete data for good: exactly the values that are meant, and no others.

    It works while servers run. Each step is whole or not done at all, and in the record (`gridlore audit`);
    what was interrupted is finished by the same command again. Afterwards every answer is as if these values
    had never been posted, and they may be posted again. Nothing brings them back but a backup.
    """


@data.command(short_help="Delete values of some sensors and a period.")
@click.option(
    "--sensor", "texts", multiple=True, required=True, help="Id, entity address or name; may be given often."
)
@click.option("--start", type=InstantType(), required=True, help="First moment, such as 2026-01-01T00:00Z.")
@click.option("--end", type=InstantType(), required=True, help="First moment that is not meant any more.")
@click.option(
    "--source", "senders", multiple=True, help="Only values from this user (e-mail); may be given often."
)
@DRY_RUN
@YES
@click.pass_obj
def delete(
    invocation: Invocation,
    texts: Sequence[str],
    start: int,
    end: int,
    senders: Sequence[str],
    dry_run: bool,
    yes: bool,
) -> None:
    """Delete what was posted about the events that begin from START on and before END.

    All beliefs about these events go, forecasts and measurements, of all sources unless some are named. What
    will go is told first, and asked about.

    \b
    Examples:
      gridlore data delete --sensor 7 --start 2026-01-01T00:00Z --end 2026-02-01T00:00Z --dry-run
      gridlore data delete --sensor "CS 1" --sensor "CS 2" --source ann@example.com \\
          --start 2026-01-01T00:00+01:00 --end 2026-01-02T00:00+01:00
    """
    if start >= end:
        raise click.BadParameter("The end must come after the start.", param_hint="--end")
    with _open(invocation) as (store, directory):
        sources = {source.id: source.name for source in _find_sources(directory, senders)} or None
        sensors = _find_sensors(directory, texts)
        selections = [Selection(sensor, Period(start, end), sources) for sensor in sensors]
        _delete(store, directory, selections, dry_run=dry_run, yes=yes)


@data.command(short_help="Delete values that are too old.")
@click.option(
    "--older-than", "age", type=SpanType(), required=True, metavar="SPAN", help="Such as P5Y or P400D."
)
@click.option(
    "--kind", type=click.Choice([kind.value for kind in SensorKind]), help="Only of sensors of this kind."
)
@click.option("--sensor", "texts", multiple=True, help="Only of this sensor (id, address or name).")
@DRY_RUN
@YES
@click.pass_obj
def retain(
    invocation: Invocation, age: Duration, kind: str | None, texts: Sequence[str], dry_run: bool, yes: bool
) -> None:
    """Retain what is younger than SPAN, and delete what is about events that ended longer ago.

    Years and months are counted by the calendar of UTC. Meant for cron, with --yes.

    \b
    Examples:
      gridlore data retain --older-than P5Y --dry-run
      17 3 * * *  gridlore data retain --older-than P400D --kind weather --yes
    """
    edge = ago(age, now())
    with _open(invocation) as (store, directory):
        sensors = _find_sensors(directory, texts) if texts else list(directory.sensors.values())
        selections = [
            Selection(sensor, Period(EARLIEST, edge - sensor.resolution + 1))
            for sensor in sensors
            if kind in (None, sensor.kind)
        ]
        _delete(store, directory, selections, dry_run=dry_run, yes=yes)


@contextmanager
def _open(invocation: Invocation) -> Iterator[tuple[Store, Directory]]:
    settings = invocation.settings()
    with invocation.open_store() as store:
        yield store, Directory(store.read_directory(), naming_authority(settings))


def _find_sensors(directory: Directory, texts: Sequence[str]) -> list[Sensor]:
    found = {}
    for text in texts:
        if text.isascii() and text.isdigit() and int(text) in directory.sensors:
            sensor = directory.sensors[int(text)]
        else:
            (sensor,) = directory.find_sensors(OPERATOR, None, [text])
        found[sensor.id] = sensor
    return list(found.values())


def _find_sources(directory: Directory, senders: Iterable[str]) -> Iterator[Source]:
    for text in senders:
        user = directory.find_user(text)
        named = [
            source for source in directory.sources.values() if source.name == text and not source.user_id
        ]
        if user is not None:
            yield directory.source_of(user)
        elif named:
            yield from named
        else:
            raise UserError(
                f"A source is a user, by e-mail, or a scheduler, forecaster or script, by name; got "
                f"{text!r}, which is none. `gridlore user list` shows all users."
            )


def _delete(
    store: Store, directory: Directory, selections: Sequence[Selection], *, dry_run: bool, yes: bool
) -> None:
    counted = _count(store, selections)
    total = sum(_total(tallies) for _, tallies in counted)
    if not total:
        click.echo("There is nothing to delete.")
        return
    _tell(directory, counted)
    if dry_run:
        click.echo(f"{total} values would be deleted; nothing was changed.")
        return
    if not yes:
        click.confirm(f"Delete these {total} values for good?", abort=True)
    deleted = 0
    try:
        with Progress(console=console(stderr=True)) as progress:
            task = progress.add_task("Deleting values", total=total)
            for selection, _ in counted:
                for step in delete_beliefs(store, selection, done("delete data", "sensor", None, "")):
                    deleted += _total(step)
                    progress.update(task, completed=deleted)
    finally:
        click.echo(f"{deleted} values were deleted.")


def _count(store: Store, selections: Sequence[Selection]) -> Counted:
    """What each selection holds, without those that hold nothing."""
    counted = []
    with Progress(console=console(stderr=True)) as progress:
        for selection in progress.track(selections, description="Counting values"):
            tallies = count_beliefs(store, selection)
            if tallies:
                counted.append((selection, tallies))
    return counted


def _total(tallies: Mapping[int, Tally]) -> int:
    return sum(tally.count for tally in tallies.values())


def _tell(directory: Directory, counted: Counted) -> None:
    table = Table("sensor", "name", "source", "values", "events from", "until")
    for selection, tallies in counted:
        for source_id, tally in sorted(tallies.items()):
            table.add_row(
                str(selection.sensor.id),
                selection.sensor.name,
                directory.sources[source_id].name if source_id in directory.sources else str(source_id),
                str(tally.count),
                format_instant(tally.start),
                format_instant(tally.end),
            )
    print_table(table)
