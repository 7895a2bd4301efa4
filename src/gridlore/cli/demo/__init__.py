"""``gridlore demo``: a small world with a year of plausible data.

Layer: cli. ``series`` makes what happened, ``scenario`` the messages about it, ``sending`` posts them through
the whole application as clients would, ``guide`` tells what to do with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from gridlore.bootstrap import open_accounts
from gridlore.cli.demo.guide import make_guide
from gridlore.cli.demo.scenario import PASSWORDS, WORLD, Message, Stream, make_streams
from gridlore.cli.demo.sending import DemoError, send_streams
from gridlore.cli.invocation import ALL_SETTINGS, Invocation, setting_options
from gridlore.cli.moments import now
from gridlore.cli.request import open_client
from gridlore.cli.serving import show_address
from gridlore.cli.terminal import console
from gridlore.cli.world import applied, bring_about, read_world_text
from gridlore.config import Settings
from gridlore.config.table import mask_password
from gridlore.store.interface import DirectoryRecords


@click.command(short_help="Make a small world with a year of data.")
@click.option("--if-empty", is_flag=True, help="Succeed, doing nothing, when the database is not empty.")
@click.option(
    "--days", type=click.IntRange(7, 3660), default=365, show_default=True, help="How many past days to fill."
)
@click.option("--no-guide", is_flag=True, help="Do not tell at the end what to do with it.")
@setting_options(ALL_SETTINGS, shown=("HOST", "PORT"))
@click.pass_obj
def demo(invocation: Invocation, /, if_empty: bool, days: int, no_guide: bool, **options: str | None) -> None:
    """Make a small world with a year of plausible data, in an empty database.

    A solar roof and two charging stations, a wind farm, a market and a weather station, with forecasts at
    several horizons, gaps and a correction, up to now. It is sent through the whole application, message
    by message, as clients would. HOST and PORT only stand in the commands that are shown at the end.

    \b
    Examples:
      gridlore demo && gridlore serve
      gridlore --database-url sqlite:///try.db demo
    """
    invocation = invocation.and_options(options)
    settings = invocation.settings(make=True)
    made_at = now()
    with invocation.open_store(make=True) as store:
        records = store.read_directory()
        is_new = not (records.accounts or records.users or records.sensors)
        if not is_new and not if_empty:
            raise DemoError(
                f"The demo world is made in an empty database; {mask_password(settings.database_url)} has "
                f"{len(records.accounts)} accounts and {len(records.sensors)} sensors. Name another one, as "
                "in `gridlore --database-url sqlite:///demo.db demo`."
            )
        if is_new:
            world = read_world_text(WORLD, file="the demo world")
            bring_about(store, world, open_accounts(settings), applied("the demo world"))
    if is_new:
        _send(settings, make_streams(made_at, days))
    if not is_new and not _is_demo(records):
        click.echo("The database has another world than the demo's; it was left as it is.")
    elif not no_guide:
        click.echo("\n" + make_guide(show_address(settings.host, settings.port), made_at))


def _is_demo(records: DirectoryRecords) -> bool:
    return PASSWORDS.keys() <= {user.email for user in records.users}


def _send(settings: Settings, streams: Sequence[Stream]) -> None:
    """Send everything, with a bar for each stream."""
    width = max(len(stream.title) for stream in streams)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.completed:>9,.0f} values"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console()) as progress:
        tasks = {
            stream.title: progress.add_task(stream.title.ljust(width), total=stream.size)
            for stream in streams
        }

        def report(stream: Stream, message: Message) -> None:
            progress.update(tasks[stream.title], advance=message.size)

        async def send() -> None:
            async with open_client(settings) as client:
                await send_streams(client, streams, PASSWORDS, report)

        asyncio.run(send())
