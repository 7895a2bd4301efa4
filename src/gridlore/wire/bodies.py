"""From the bytes of a body to the fields of a message.

Layer: wire. Knows JSON and the keys of posts, not what they mean.

There are two ways, and they agree (tests/wire/test_bodies.py):

* the **direct** way decodes a post whose values are plain JSON numbers straight into floats. It is taken
  by every message of a well-behaved client, and gives up on anything else;
* the **patient** way takes whatever JSON there is, so that the checks that follow can say precisely what
  is wrong with it, or find that it is right after all (numbers written as strings).

Of a key that is there twice, the last one counts.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn, TypedDict

import msgspec

from gridlore.domain.errors import GridloreError, MessageError
from gridlore.wire.quoting import shown

Fields = dict[str, Any]
"""The fields of a message, or of one of its groups, by key."""

Numbers = float | list[float]

MAX_ITEMS = 4_000_000
"""Items of all lists and objects of one message: a bound on memory, twice the values usually allowed."""

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

_MAX_DIGITS = 400
"""An integer of more digits is beyond any float, and costs too much to read."""


class _Whole(TypedDict, total=False):
    """What is said once for the whole message; in a group it must agree."""

    unit: Any
    start: Any
    duration: Any
    horizon: Any
    prior: Any
    value: Numbers
    values: Numbers


class _ConnectionGroup(_Whole, total=False):
    connection: Any
    connections: Any
    groups: Any


class _ConnectionPost(_Whole, total=False):
    type: Any
    connection: Any
    connections: Any
    groups: list[_ConnectionGroup]


class _MarketGroup(_Whole, total=False):
    market: Any
    markets: Any
    groups: Any


class _MarketPost(_Whole, total=False):
    type: Any
    market: Any
    markets: Any
    groups: list[_MarketGroup]


class _SensorGroup(_Whole, total=False):
    sensor: Any
    sensors: Any
    groups: Any


class _SensorPost(_Whole, total=False):
    type: Any
    sensor: Any
    sensors: Any
    groups: list[_SensorGroup]


_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    "connection": msgspec.json.Decoder(_ConnectionPost),
    "market": msgspec.json.Decoder(_MarketPost),
    "sensor": msgspec.json.Decoder(_SensorPost),
}


def check_items(body: bytes, limit: int, error: type[GridloreError]) -> None:
    """Bound the memory that decoding takes: items of all lists and objects, by counting commas.

    Raises
    ------
    GridloreError
        ``error``, when there are more than ``limit``.
    """
    if len(body) > limit and body.count(b",") > limit:
        raise error(f"A message may hold at most {limit} items; this one has more. Send it in parts.")


def decode_directly(body: bytes, noun: str) -> Fields | None:
    """The known fields of a post about sensors called ``noun``; None when it needs patience.

    Values are floats or lists of floats, all finite.

    >>> decode_directly(b'{"type": "X", "values": [1, 2.5], "foo": 3}', "connection")
    {'type': 'X', 'values': [1.0, 2.5]}
    """
    if b"\\" in body and _SURROGATE.search(body):
        return None
    try:
        if not body.isascii():
            body.decode()
        fields: Fields = _DECODERS[noun].decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return fields


def decode_patiently(body: bytes) -> Fields:
    """All fields of any JSON object. A byte order mark in front is passed over.

    Raises
    ------
    MessageError
        The body is no JSON, or no object.

    >>> decode_patiently(b'{"values": ["1", null]}')
    {'values': ['1', None]}
    """
    try:
        document = parse_json(body.decode("utf-8-sig"))
        if _SURROGATE.search(body):
            json.dumps(document, ensure_ascii=False).encode()
    except UnicodeDecodeError as problem:
        raise MessageError(
            f"The message should be JSON in UTF-8; byte {problem.start + 1} is no UTF-8."
        ) from problem
    except UnicodeEncodeError as problem:
        raise MessageError(
            "The message should be JSON; it escapes half a surrogate pair, which is no character."
        ) from problem
    except RecursionError as problem:
        raise MessageError("The message should be a JSON object; it is nested too deeply.") from problem
    except ValueError as problem:
        raise MessageError(f"The message should be a JSON object; it is not JSON: {problem}.") from problem
    if not isinstance(document, dict):
        raise MessageError(f"The message should be a JSON object; got {shown(document)}.")
    return document


def parse_json(text: str) -> object:
    """The value a JSON text stands for; numbers out of range are infinite.

    Raises
    ------
    ValueError, RecursionError
        It is no JSON, or nested too deeply.
    """
    return json.loads(text, parse_constant=_refuse_constant, parse_int=_parse_int)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(
        f"{name} is no JSON number; where nothing is known, post what lies before and after apart"
    )


def _parse_int(digits: str) -> int | float:
    if len(digits) <= _MAX_DIGITS:
        return int(digits)
    return float("-inf") if digits.startswith("-") else float("inf")
