"""Requests to read that are right, to be changed one field at a time.

Layer: tests.
"""

from __future__ import annotations

import json

from gridlore.wire.endpoints import Endpoint
from gridlore.wire.messages import (
    BeliefsMessage,
    DataMessage,
    ReadMessage,
    read_beliefs,
    read_data,
    read_get,
)

from .examples import START

Pairs = list[tuple[str, str]]


def query_of(right: dict[str, str], changes: dict[str, str | list[str] | None]) -> Pairs:
    """A query string; None leaves a key out, a list repeats it."""
    pairs: Pairs = []
    for key, value in {**right, **changes}.items():
        if isinstance(value, list):
            pairs += [(key, text) for text in value]
        elif value is not None:
            pairs.append((key, value))
    return pairs


def ask(endpoint: Endpoint, body: object = None, **changes: str | list[str] | None) -> ReadMessage:
    right = {
        "type": endpoint.request_type,
        "connection": "Roof 7",
        "start": START,
        "duration": "PT1H",
        "unit": "MW",
    }
    return read_get(endpoint, query_of(right, changes), b"" if body is None else json.dumps(body).encode())


def data(body: object = None, **changes: str | list[str] | None) -> DataMessage:
    right = {"sensor": "Roof 7", "start": START, "duration": "PT1H"}
    return read_data(query_of(right, changes), b"" if body is None else json.dumps(body).encode())


def history(body: object = None, **changes: str | list[str] | None) -> BeliefsMessage:
    right = {"sensor": "Roof 7", "start": START, "duration": "PT1H"}
    return read_beliefs(query_of(right, changes), b"" if body is None else json.dumps(body).encode())
