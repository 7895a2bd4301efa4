"""Requests as bytes, built before the clock runs: messages of values that look like measurements.

Values are floats with three decimals: a daily and a weekly rhythm, and noise from a seeded generator, so
that two runs send the same and no two messages are alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import numpy as np
import orjson

DAY_SLOTS = 96
YEAR_SLOTS = 365 * DAY_SLOTS
SLOT = timedelta(minutes=15)
START = datetime(2016, 1, 4, tzinfo=UTC)

FIVE_MINUTES = ("Fed one by one", "Fed by days")
"""Names of two connections beside the others, of 5 minutes' resolution."""

POST_PATH = "/api/v1_1/postMeterData"
GET_PATH = "/api/v1_1/getMeterData"

Values = list[float]


def make_values(runs: int, slots: int, seed: int) -> list[Values]:
    """``runs`` different series of ``slots`` quarter-hourly powers. [MW, 3 decimals]"""
    noise = np.random.default_rng(seed)
    slot = np.arange(slots)
    rhythm = 8 + 5 * np.sin(slot * 2 * np.pi / 96) + 2 * np.sin(slot * 2 * np.pi / 672)
    table = rhythm * noise.uniform(0.5, 40, (runs, 1)) + noise.normal(0, 2, (runs, slots))
    series: list[Values] = np.round(table, 3).tolist()
    return series


class Requests:
    """Makes requests of one user.

    Parameters
    ----------
    token : str
        For the ``Authorization`` header.
    """

    def __init__(self, token: str) -> None:
        self._token = token

    def post(self, message: dict[str, object], path: str = POST_PATH) -> bytes:
        """A POST of a JSON message; its ``type`` follows from the path."""
        name = path.rsplit("/", 1)[1]
        body = orjson.dumps({"type": f"{name[0].upper()}{name[1:]}Request", **message, "unit": "MW"})
        head = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return self._head("POST", path, head) + body

    def get(self, path: str, **fields: str) -> bytes:
        """A GET of version 1.1 with these fields in its query string."""
        name = path.rsplit("/", 1)[1]
        query = {"type": f"{name[0].upper()}{name[1:]}Request", **fields, "unit": "MW"}
        return self.get_plain(f"{path}?{urlencode(query)}")

    def get_plain(self, path: str) -> bytes:
        """A GET of a path."""
        return self._head("GET", path, "")

    def _head(self, method: str, path: str, more: str) -> bytes:
        return (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {self._token}\r\n"
            f"Accept: application/json\r\n{more}\r\n"
        ).encode()


def period(start: datetime, slots: int) -> dict[str, str]:
    """The fields that state a period of quarter hours."""
    minutes = slots * 15
    hours = f"{minutes // 60}H" if minutes >= 60 else ""
    rest = f"{minutes % 60}M" if minutes % 60 else ""
    return {"start": start.isoformat().replace("+00:00", "Z"), "duration": f"PT{hours}{rest}"}


def groups(connections: Sequence[str], series: Sequence[Values]) -> dict[str, object]:
    """The fields that state values of several connections."""
    pairs = zip(connections, series, strict=True)
    return {"groups": [{"connection": name, "values": values} for name, values in pairs]}


def single_posts(
    requests: Requests, connections: Sequence[str], count: int, first: int, *, start: datetime = START
) -> list[bytes]:
    """``count`` posts of one value, from number ``first`` on: all connections in turn, slot after slot."""
    values = make_values(1, count, seed=first)[0]
    posts = []
    for number, value in enumerate(values, first):
        slot, connection = divmod(number, len(connections))
        message = {"connection": connections[connection], "value": value, **period(start + slot * SLOT, 1)}
        posts.append(requests.post(message))
    return posts


def day_posts(
    requests: Requests,
    connections: Sequence[str],
    count: int,
    first: int,
    *,
    start: datetime = START,
    each: int = 3,
) -> list[bytes]:
    """``count`` posts of a day of ``each`` connections, from number ``first`` on, day after day."""
    series = make_values(count * each, DAY_SLOTS, seed=first)
    sets = len(connections) // each
    posts = []
    for index in range(count):
        day, part = divmod(first + index, sets)
        named = connections[part * each : (part + 1) * each]
        content = groups(named, series[index * each : (index + 1) * each])
        posts.append(requests.post({**content, **period(start + timedelta(days=day), DAY_SLOTS)}))
    return posts


def year_posts(
    requests: Requests, connections: Sequence[str], count: int, first: int, *, start: datetime = START
) -> list[bytes]:
    """``count`` posts of a year of one connection, from number ``first`` on."""
    series = make_values(count, YEAR_SLOTS, seed=first)
    posts = []
    for number, values in enumerate(series, first):
        year, connection = divmod(number, len(connections))
        when = period(start + timedelta(days=365 * year), YEAR_SLOTS)
        posts.append(requests.post({"connection": connections[connection], "values": values, **when}))
    return posts
