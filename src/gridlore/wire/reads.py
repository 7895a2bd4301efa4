"""Requests to read: from a query string and a body to the query they ask.

Layer: wire. Makes every check that the message alone shows, in the order of the API contract: JSON and
type, unit, sensors, horizon, prior, start and duration, prior against the period; and last the form of
``source``, the first of the checks that belong to the directory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

from gridlore.domain.commands import ReadQuery
from gridlore.domain.errors import (
    ConnectionGroupError,
    MessageError,
    ResolutionError,
    SourceError,
    TimezoneError,
)
from gridlore.domain.overlay import BeliefFilter
from gridlore.domain.sensors import SensorKind
from gridlore.wire.bodies import MAX_ITEMS, Fields
from gridlore.wire.endpoints import GET_METER_DATA, Endpoint
from gridlore.wire.fields import either, find_groups, for_all, plural, stated_groups
from gridlore.wire.iso8601 import Horizon, parse_resolution
from gridlore.wire.posts import check_type, read_unit
from gridlore.wire.queries import merge_fields
from gridlore.wire.quoting import ABSENT, shown
from gridlore.wire.timings import (
    Period,
    check_measured_prior,
    read_horizon,
    read_measured_horizon,
    read_period,
    read_period_to_end,
    read_prior,
)

ASKED_HORIZON = "Meter data can only be asked for with a zero or negative horizon, after the fact."

KINDS = ("any", "measured", "forecast")
FORMATS = ("json", "csv")
DEFAULT_LIMIT, MAX_LIMIT = 1_000, 10_000
"""Beliefs on a page of the history."""

_DIGITS = re.compile(r"[0-9]{1,18}")
_ZONE = re.compile(r"[A-Za-z0-9+_-]{1,32}(?:/[A-Za-z0-9+_-]{1,32}){0,3}")

QueryString = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, eq=False)
class ReadMessage:
    """A request of version 1.1: the query, and the words that its answer repeats."""

    query: ReadQuery
    start: str
    duration: str
    unit: str


@dataclass(frozen=True, slots=True, eq=False)
class DataMessage:
    """A request for values of sensors of any kind. ``zone`` is for showing times; None: none was asked."""

    query: ReadQuery
    start: str
    duration: str
    format: str
    zone: ZoneInfo | None


@dataclass(frozen=True, slots=True, eq=False)
class BeliefsMessage:
    """A request for a page of one sensor's history; ``cursor`` is what the page before gave."""

    query: ReadQuery
    start: str
    duration: str
    limit: int
    cursor: str | None


def read_get(endpoint: Endpoint, query: QueryString, body: bytes) -> ReadMessage:
    """What a getMeterData or getPrognosis request asks.

    Parameters
    ----------
    query : sequence of (key, value)
        The query string in order, decoded, empty values kept.
    body : bytes
        A JSON object, or nothing.

    Raises
    ------
    GridloreError
        The first complaint in the order of the contract.
    """
    message = merge_fields(query, body)
    check_type(endpoint, message)
    unit = read_unit(SensorKind.CONNECTION, message)
    addresses = _read_addresses(message, endpoint.noun)
    measured = endpoint.name == GET_METER_DATA.name
    horizon = read_measured_horizon(message, ASKED_HORIZON) if measured else read_horizon(message)
    prior = read_prior(message)
    period = read_period(message)
    if measured:
        check_measured_prior(prior, period)
    sources = _read_sources(message)
    asked = ReadQuery(
        endpoint.kind,
        unit,
        addresses,
        period.start,
        period.end,
        BeliefFilter(prior, _min_horizon(horizon, period), 0 if measured else None),
        sources,
        measured_sources=measured and sources is None,
        resolution=_read_resolution(message),
    )
    return ReadMessage(asked, period.start_text, period.duration_text, unit)


def read_data(query: QueryString, body: bytes) -> DataMessage:
    """What a request for values of sensors of any kind asks.

    Raises
    ------
    GridloreError
        The first complaint: format, kind and timezone, sensors, horizon, prior, start, duration or end,
        source.
    """
    message = merge_fields(query, body)
    form = _read_choice(message, "format", FORMATS)
    kind = _read_choice(message, "kind", KINDS)
    zone = read_zone(message)
    addresses = _read_addresses(message, "sensor")
    asked, period = _read_beliefs_query(message, addresses, kind)
    return DataMessage(asked, period.start_text, period.duration_text, form, zone)


def read_beliefs(query: QueryString, body: bytes) -> BeliefsMessage:
    """What a request for a sensor's history asks.

    Raises
    ------
    GridloreError
        The first complaint: kind, limit and cursor, sensor, horizon, prior, start, duration or end,
        source.
    """
    message = merge_fields(query, body)
    kind = _read_choice(message, "kind", KINDS)
    limit = _read_limit(message)
    cursor = _read_cursor(message)
    addresses = _read_addresses(message, "sensor")
    if len(addresses) != 1:
        raise ConnectionGroupError(f"The history is read of one sensor at a time; got {len(addresses)}.")
    asked, period = _read_beliefs_query(message, addresses, kind)
    return BeliefsMessage(asked, period.start_text, period.duration_text, limit, cursor)


def _read_beliefs_query(message: Fields, addresses: tuple[str, ...], kind: str) -> tuple[ReadQuery, Period]:
    horizon = read_horizon(message)
    prior = read_prior(message)
    period = read_period_to_end(message)
    min_horizon = _min_horizon(horizon, period)
    if kind == "forecast":
        min_horizon = 1 if min_horizon is None else max(1, min_horizon)
    asked = ReadQuery(
        None,
        None,
        addresses,
        period.start,
        period.end,
        BeliefFilter(prior, min_horizon, 0 if kind == "measured" else None),
        _read_sources(message),
        resolution=_read_resolution(message),
    )
    return asked, period


def _read_addresses(message: Fields, noun: str) -> tuple[str, ...]:
    groups = find_groups(message, noun, valued=False)
    count = sum(len(addresses) for addresses, _ in groups)
    if count > MAX_ITEMS:
        raise ConnectionGroupError(
            f"A request may name at most {MAX_ITEMS} {plural(noun)}; got {count}. Ask in parts."
        )
    return tuple(address for addresses, _ in groups for address in addresses)


def _min_horizon(horizon: Horizon | None, period: Period) -> int | None:
    return None if horizon is None else horizon.resolve(period.last)


def _read_sources(message: Fields) -> tuple[str | int, ...] | None:
    """Role names and user ids; None when no source is asked for."""
    for_all(message, "source", SourceError)
    for_all(message, "sources", SourceError)
    named = either(message, "source", SourceError)
    if named is ABSENT:
        return None
    sources = named if isinstance(named, list) else [named]
    if not sources:
        raise SourceError("At least one source should be named; got an empty list.")
    return tuple(_read_source(source) for source in sources)


def _read_source(source: object) -> str | int:
    if isinstance(source, int) and not isinstance(source, bool):
        return source
    if not isinstance(source, str) or not source:
        got = "an empty text" if source == "" else shown(source)
        raise SourceError(f"A source should be the name of a role or the id of a user; got {got}.")
    return int(source) if _DIGITS.fullmatch(source) else source


def _read_resolution(message: Fields) -> Callable[[], int] | None:
    """What reads the asked resolution, once it is its turn; None when none is asked for."""
    if any("resolution" in group for _, group in stated_groups(message)):
        return lambda: parse_resolution(for_all(message, "resolution", ResolutionError))
    text = message.get("resolution")
    if text is None or text == "":
        return None
    return lambda: parse_resolution(text)


def _read_choice(message: Fields, key: str, choices: Sequence[str]) -> str:
    """One of the choices; the first when the message says nothing."""
    choice = message.get(key, choices[0])
    if choice not in choices:
        raise MessageError(f"The {key} should be one of {', '.join(choices)}; got {shown(choice)}.")
    return str(choice)


def _read_limit(message: Fields) -> int:
    limit = message.get("limit", DEFAULT_LIMIT)
    if isinstance(limit, str) and _DIGITS.fullmatch(limit):
        limit = int(limit)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_LIMIT:
        raise MessageError(
            f"The limit should be a whole number from 1 to {MAX_LIMIT}; got {shown(message['limit'])}."
        )
    return limit


def _read_cursor(message: Fields) -> str | None:
    """What the page before gave; None for the first page."""
    cursor = message.get("cursor")
    if cursor is not None and not isinstance(cursor, str):
        raise MessageError(f"The cursor should be the text that the page before gave; got {shown(cursor)}.")
    return cursor or None


def read_zone(message: Fields) -> ZoneInfo | None:
    """The time zone to show times in; None when the message names none.

    Raises
    ------
    TimezoneError
        There is no such time zone.
    """
    name = message.get("timezone", ABSENT)
    if name is ABSENT:
        return None
    zone = _find_zone(name) if isinstance(name, str) else None
    if zone is None:
        raise TimezoneError(
            "The timezone should be a name of the IANA time zone database, such as Europe/Amsterdam; "
            f"got {shown(name)}."
        )
    return zone


@lru_cache(maxsize=1024)
def _find_zone(name: str) -> ZoneInfo | None:
    """The zone of that name; None when there is none."""
    if not _ZONE.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
