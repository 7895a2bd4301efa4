"""``gridlore key``: what lets programs in for a long time.

Layer: cli.
"""

from __future__ import annotations

import click
from rich.table import Table

from gridlore.bootstrap import naming_authority
from gridlore.cli.invocation import Invocation, find_user, operator
from gridlore.cli.moments import now
from gridlore.cli.terminal import print_table
from gridlore.domain.errors import PeriodError
from gridlore.domain.keys import ApiKey
from gridlore.domain.sensors import Sensor
from gridlore.domain.timing import format_instant, to_datetime, to_instant
from gridlore.services.directory import Directory
from gridlore.services.keys import KeyRequest, KeyRing
from gridlore.wire.iso8601 import parse_duration


@click.group(short_help="Make, list and revoke API keys.")
def key() -> None:
    """Make, list and revoke API keys: what lets programs in, in a user's name, for a long time.

    A key goes where a token goes, opens the API only, and can be limited to reading, to some sensors and in
    time. It ends when it is revoked, when its time is over and while its user is deactivated; a new password
    does not end it. Servers follow within DIRECTORY_MAX_AGE seconds.
    """


@key.command("create", short_help="Make a key, and print it once.")
@click.argument("email")
@click.argument("name")
@click.option("--read-only", is_flag=True, help="It may read, not post.")
@click.option(
    "--sensor",
    "sensors",
    multiple=True,
    metavar="SENSOR",
    help="It opens this sensor (an address or a name) and no others; may be repeated.",
)
@click.option(
    "--expires", metavar="DURATION", help="It ends after this ISO 8601 duration, such as P90D or P1Y."
)
@click.pass_obj
def create_key(
    invocation: Invocation,
    email: str,
    name: str,
    read_only: bool,
    sensors: tuple[str, ...],
    expires: str | None,
) -> None:
    """Make an API key with a NAME of its own for the user EMAIL, and print it, and nothing else.

    It is shown this once: only a hash of it is kept.

    \b
    Examples:
      gridlore key create ann@example.com "meter gateway" --sensor "CS 1" --expires P1Y
      KEY=$(gridlore key create ann@example.com dashboard --read-only)
      curl -H "Authorization: Bearer $KEY" http://127.0.0.1:5000/api/gridlore/v1/sensors
    """
    made_at = now()
    request = KeyRequest(name, read_only, sensors, None if expires is None else _end(expires, made_at))
    with invocation.open_store() as store:
        records = store.read_directory()
        user = find_user(records, email)
        directory = Directory(records, naming_authority(invocation.settings()))
        _, text = KeyRing(store).create(directory, user, request, made_at, actor=operator())
    click.echo(text)


def _end(expires: str, made_at: int) -> int:
    """When a key ends. [µs since epoch]"""
    duration = parse_duration(expires, PeriodError, what="time until the key ends")
    return to_instant(duration.add_to(to_datetime(made_at), what="end of the key"))


@key.command("list", short_help="List keys.")
@click.argument("email", required=False)
@click.pass_obj
def list_keys(invocation: Invocation, email: str | None) -> None:
    """List all API keys that are not revoked, or those of the user EMAIL.

    \b
    Examples:
      gridlore key list
      gridlore key list ann@example.com
    """
    with invocation.open_store() as store:
        records = store.read_directory()
    emails = {user.id: user.email for user in records.users}
    only = None if email is None else find_user(records, email).id
    sensors = {sensor.id: sensor for sensor in records.sensors}
    table = Table("id", "user", "name", "begins with", "may", "sensors", "made", "ends")
    for known in records.keys:
        if only in (None, known.user_id):
            table.add_row(
                str(known.id),
                emails[known.user_id],
                known.name,
                known.prefix,
                "read" if known.read_only else "read and post",
                _told_sensors(known, sensors),
                format_instant(known.created_at),
                _told_end(known),
            )
    print_table(table)


def _told_sensors(known: ApiKey, sensors: dict[int, Sensor]) -> str:
    if known.sensor_ids is None:
        return "all"
    return ", ".join(sensors[sensor_id].name for sensor_id in sorted(known.sensor_ids & sensors.keys()))


def _told_end(known: ApiKey) -> str:
    if known.expires_at is None:
        return "never"
    return format_instant(known.expires_at) + (" (over)" if known.is_expired(now()) else "")


@key.command("revoke", short_help="End a key.")
@click.argument("key_id", metavar="ID", type=int)
@click.pass_obj
def revoke_key(invocation: Invocation, key_id: int) -> None:
    """End the API key with this ID for good; `gridlore key list` tells ids.

    \b
    Example:
      gridlore key revoke 3
    """
    with invocation.open_store() as store:
        revoked = KeyRing(store).revoke(key_id, now(), actor=operator())
    click.echo(f"The key {revoked.id} ({revoked.name}) is revoked.")
