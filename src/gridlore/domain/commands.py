"""What a message asks for, once everything that needs no directory has been checked.

Layer: domain. ``wire`` makes these from bytes; ``services`` carries them out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from gridlore.domain.overlay import EVERYTHING, BeliefFilter
from gridlore.domain.sensors import SensorKind
from gridlore.domain.timing import FloatArray, Timing

MAX_SENSORS = 20_000
"""Sensors that one message may name, counted once per group, unless a setting says otherwise."""


@dataclass(slots=True, eq=False)
class PostedGroup:
    """Values about one or more sensors: each of them gets all the values. Never changed once made, like
    ``Block``, and for the same reason not declared frozen.

    ``addresses``: texts as the client wrote them. ``values``: float64, shape (n,), finite.
    """

    addresses: tuple[str, ...]
    values: FloatArray


@dataclass(slots=True, eq=False)
class PostCommand:
    """Store these groups, whole or not at all. Never changed once made.

    ``timing`` is None when the values are known on arrival, but no later than each event's end.
    ``unit`` is in the spelling we keep. Period: ``start <= t < end``. [µs since epoch]
    """

    kind: SensorKind
    unit: str
    groups: tuple[PostedGroup, ...]
    start: int
    end: int
    timing: Timing | None


@dataclass(frozen=True, slots=True, eq=False)
class ReadQuery:
    """Which values to read.

    ``kind`` is None when sensors of every kind may be asked for. ``unit`` is None when each is answered
    in its own. ``sources`` are role names and user ids; None means all, ``measured_sources`` that only
    those who measure count. ``resolution`` gives the asked resolution [µs] or raises ResolutionError;
    it is called only after the sensors are known, as the contract's order of checks wants.
    """

    kind: SensorKind | None
    unit: str | None
    addresses: tuple[str, ...]
    start: int
    end: int
    only: BeliefFilter = EVERYTHING
    sources: tuple[str | int, ...] | None = None
    measured_sources: bool = False
    resolution: Callable[[], int] | None = field(default=None)


class Target(NamedTuple):
    """A sensor as who posts to it knows it: what it was called, and the unit that its values are in."""

    name: str
    unit: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """How many values of a message were stored, and how many were no news.

    ``sensors``: how many sensors they are about; told in the log, not part of what a receipt promises.
    """

    stored: int
    unchanged: int
    sensors: int = field(default=0, compare=False)
