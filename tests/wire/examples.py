"""Messages that are right, to be changed one field at a time.

Layer: tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from gridlore.domain.timing import to_instant
from gridlore.domain.units import WEATHER_UNITS
from gridlore.wire.endpoints import (
    POST_METER_DATA,
    POST_PRICE_DATA,
    POST_PROGNOSIS,
    POST_WEATHER_DATA,
    Endpoint,
)

UNITS = WEATHER_UNITS | {"humidity": "%"}
"""Weather units of a server on which somebody registered humidity."""

POSTS = {
    endpoint.name: endpoint
    for endpoint in (POST_METER_DATA, POST_PROGNOSIS, POST_PRICE_DATA, POST_WEATHER_DATA)
}
_UNIT = {"connection": "MW", "market": "EUR/MWh", "sensor": "°C"}

START, END = "2024-02-29T06:00:00+01:00", "2024-02-29T07:00:00+01:00"


def instant(text: str) -> int:
    """The instant of a plain timestamp, by the standard library alone. [µs since epoch]"""
    return to_instant(datetime.fromisoformat(text))


def message_of(endpoint: Endpoint, without: Iterable[str] = (), **fields: Any) -> dict[str, Any]:
    """The fields of a right post of four quarter hours, some of them changed or left out."""
    right = {
        "type": endpoint.request_type,
        endpoint.noun: "Roof 7",
        "values": [1, 2.5, -3, 0],
        "start": START,
        "duration": "PT1H",
        "unit": _UNIT[endpoint.noun],
    }
    if endpoint is POST_PROGNOSIS:
        right["horizon"] = "PT6H"
    changed = right | fields
    return {key: value for key, value in changed.items() if key not in without}


def post_of(endpoint: Endpoint, without: Iterable[str] = (), **fields: Any) -> bytes:
    """The same as JSON."""
    return json.dumps(message_of(endpoint, without, **fields), ensure_ascii=False).encode()
