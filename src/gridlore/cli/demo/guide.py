"""What to do with the demo world: where to look, as whom, and three commands to paste.

Layer: cli. Pure.
"""

from __future__ import annotations

from gridlore.cli.demo.scenario import CHARGERS, DESK, METER, PASSWORDS, SUNNY, WIND
from gridlore.domain.timing import HOUR, MINUTE, format_instant

ABOUT = {
    SUNNY: "Sunny Side Homes: solar roof, two charging stations",
    WIND: "Westerly Wind: wind farm",
    METER: "Clear Metering: posts the meter readings of all (admin)",
    DESK: "Grid Desk: posts prices and weather",
}

QUARTERS = [0.011, 0.022, 0.033, 0.022]
"""What the example posts. [MW]"""


def make_guide(address: str, now: int) -> str:
    """Text for somebody who sees the demo world for the first time.

    Parameters
    ----------
    address : str
        Of the server, like http://127.0.0.1:5000.
    now : int
        The examples are about the last full hour before. [µs since epoch]
    """
    start = format_instant(now // HOUR * HOUR - HOUR)
    before = format_instant(now // HOUR * HOUR - HOUR - 30 * MINUTE)
    accounts = "\n".join(f"  {email:20} {PASSWORDS[email]:12} {about}" for email, about in ABOUT.items())
    return f"""\
Where to look, while `gridlore serve` runs:
  {address}/        log in and look around
  {address}/docs    the API, to try out

Log-ins (e-mail, password):
{accounts}

Three commands to paste. A token:

{token_command(address)}

A post, of four quarters of an hour:

{post_command(address, start)}

A read, from half an hour before:

{read_command(address, before)}
"""


def token_command(address: str) -> str:
    """Puts a token of the first user into TOKEN."""
    credentials = f'{{"email": "{SUNNY}", "password": "{PASSWORDS[SUNNY]}"}}'
    take = """python3 -c 'import json, sys; print(json.load(sys.stdin)["auth_token"])'"""
    return (
        f"TOKEN=$(curl -s {address}/api/requestAuthToken -H 'Content-Type: application/json' \\\n"
        f"  -d '{credentials}' | {take})"
    )


def post_command(address: str, start: str) -> str:
    """Posts an hour of measurements of a charging station."""
    return (
        f'curl -s {address}/api/v1_1/postMeterData -H "Authorization: $TOKEN" '
        "-H 'Content-Type: application/json' \\\n"
        f'  -d \'{{"type": "PostMeterDataRequest", "connection": "{CHARGERS[0]}", "values": {QUARTERS},\n'
        f'  "start": "{start}", "duration": "PT1H", "unit": "MW"}}\''
    )


def read_command(address: str, start: str) -> str:
    """Reads that hour, and the half before, back."""
    return (
        f'curl -s -G {address}/api/v1_1/getMeterData -H "Authorization: $TOKEN" \\\n'
        f"  -d type=GetMeterDataRequest --data-urlencode 'connection={CHARGERS[0]}' \\\n"
        f"  -d start={start} -d duration=PT1H30M -d unit=MW"
    )
