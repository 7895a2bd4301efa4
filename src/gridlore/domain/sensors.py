"""Sensors, and the parties around them: accounts, users, sources.

Layer: domain. Plain records; what may be done with them stands in ``access.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gridlore.domain.timing import Grid


class SensorKind(StrEnum):
    """What a sensor is about."""

    CONNECTION = "connection"
    MARKET = "market"
    WEATHER = "weather"


class Direction(StrEnum):
    """Which signs of power a connection can have: positive is consumption, negative production."""

    BOTH = "both"
    CONSUMER = "consumer"
    PRODUCER = "producer"


class SourceKind(StrEnum):
    """Who says so. The order is the order of trust: users first."""

    USER = "user"
    SCHEDULER = "scheduler"
    FORECASTER = "forecaster"
    SCRIPT = "script"


SOURCE_RANK = {kind: rank for rank, kind in enumerate(SourceKind)}
"""0 is trusted most."""

ROLES = ("Aggregator", "Supplier", "MDC", "DSO", "Prosumer", "ESCo")
"""Account roles; each of them may use all services."""

ADMIN = "admin"
"""The user role that sees, and may post to, everything."""


@dataclass(frozen=True, slots=True)
class Account:
    """A company or household."""

    id: int
    name: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class User:
    """A person or program that logs in; ``token_key`` changes when all tokens are revoked."""

    id: int
    email: str
    name: str
    account_id: int
    roles: frozenset[str]
    active: bool
    password_hash: str | None
    token_key: str

    @property
    def is_admin(self) -> bool:
        """Whether this user sees everything."""
        return ADMIN in self.roles


@dataclass(frozen=True, slots=True)
class Source:
    """Who holds beliefs: a user, or a scheduler, forecaster or script of the platform."""

    id: int
    kind: SourceKind
    name: str
    user_id: int | None


@dataclass(frozen=True, slots=True)
class Sensor:
    """What beliefs are about.

    ``resolution`` is the length of its events [µs]; ``grid_offset`` is any event's start modulo the
    resolution [µs]. ``owner_id`` is a user, for connections; quantity and place are for weather.
    """

    id: int
    kind: SensorKind
    name: str
    unit: str
    resolution: int
    grid_offset: int = 0
    timezone: str = "UTC"
    owner_id: int | None = None
    direction: Direction = Direction.BOTH
    quantity: str | None = None
    latitude: float | None = None
    longitude: float | None = None

    def grid(self, start: int, end: int) -> Grid:
        """This sensor's events that overlap ``start <= t < end``. [µs since epoch]"""
        return Grid.covering(start, end, self.resolution, self.grid_offset)
