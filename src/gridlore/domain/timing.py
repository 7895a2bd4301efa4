"""Instants, spans, grids of events, and when a block of values was known.

Layer: domain. All times are int64 microseconds since 1970-01-01T00:00Z, all spans microseconds.
Ranges are half open: ``start <= t < end``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ObjectArray = NDArray[np.object_]

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NEVER: int = np.iinfo(np.int64).min
"""Belief time where nobody held a belief."""


def to_instant(moment: datetime) -> int:
    """Microseconds since the epoch of an aware ``datetime``.

    >>> to_instant(datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))))
    0
    """
    return (moment - EPOCH) // MICROSECOND


def to_datetime(instant: int, zone: timezone | ZoneInfo = UTC) -> datetime:
    """The aware ``datetime`` of an instant, on the clock of ``zone``."""
    return (EPOCH + timedelta(microseconds=instant)).astimezone(zone)


EARLIEST = to_instant(datetime(1900, 1, 1, tzinfo=UTC))
LATEST = to_instant(datetime(2200, 1, 1, tzinfo=UTC))
"""Instants outside [EARLIEST, LATEST] are mistakes, and are refused before any memory is taken."""


def format_instant(instant: int, zone: timezone | ZoneInfo = UTC) -> str:
    """ISO 8601 text of an instant.

    >>> format_instant(0)
    '1970-01-01T00:00:00Z'
    """
    return to_datetime(instant, zone).isoformat().replace("+00:00", "Z")


def format_instants(instants: IntArray, zone: timezone | ZoneInfo = UTC) -> list[str]:
    """What ``format_instant`` says of each of them, shape (n,), in one go.

    >>> format_instants(np.array([0, 1_500_000]), timezone(timedelta(hours=1)))
    ['1970-01-01T01:00:00+01:00', '1970-01-01T01:00:01.500000+01:00']
    """
    offsets, names = _find_offsets(instants, zone)
    local = (instants + offsets).view("datetime64[us]")
    texts = np.datetime_as_string(local, unit="s").astype(object)
    broken = instants % SECOND != 0
    texts[broken] = np.datetime_as_string(local[broken], unit="us")
    told: list[str] = (texts + names).tolist()
    return told


def _find_offsets(instants: IntArray, zone: timezone | ZoneInfo) -> tuple[IntArray, ObjectArray]:
    """How far a zone's clock is ahead of UTC at each instant [µs], and how that is written; shape (n,) each.

    It is looked up once for a day (of UTC) that begins and ends with the same, as none of the IANA's zones
    ever changed its clock twice in one (tzdata 2026f).
    """

    def look_up(instant: int) -> int:
        return to_instant(to_datetime(instant, zone).replace(tzinfo=UTC)) - instant

    if isinstance(zone, timezone):
        offsets = np.full(instants.shape, look_up(0))
    else:
        days, which = np.unique(instants // DAY, return_inverse=True)
        midnights, places = np.unique(np.concatenate([days, days + 1]), return_inverse=True)
        looked_up = np.array([look_up(int(day) * DAY) for day in midnights], dtype=np.int64)
        begins, ends = looked_up[places].reshape(2, days.size)
        offsets = begins[which]
        for place in np.flatnonzero((begins != ends)[which]):
            offsets[place] = look_up(int(instants[place]))
    written, which = np.unique(offsets, return_inverse=True)
    names = np.array([_write_offset(int(offset)) for offset in written], dtype=object)
    return offsets, names[which]


def _write_offset(offset: int) -> str:
    text = EPOCH.replace(tzinfo=timezone(timedelta(microseconds=offset))).isoformat()
    return text.removeprefix("1970-01-01T00:00:00").replace("+00:00", "Z")


def format_span(span: int) -> str:
    """ISO 8601 duration of a span of microseconds.

    >>> format_span(15 * MINUTE), format_span(36 * HOUR), format_span(-90 * SECOND)
    ('PT15M', 'P1DT12H', '-PT1M30S')
    """
    sign, rest = ("-", -span) if span < 0 else ("", span)
    days, rest = divmod(rest, DAY)
    hours, rest = divmod(rest, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    seconds = f"{rest / SECOND:.6f}".rstrip("0").rstrip(".")
    date = f"{days}D" if days else ""
    time = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    time += f"{seconds}S" if rest or not (date or time) else ""
    return f"{sign}P{date}" + (f"T{time}" if time else "")


def standard_offset(zone_name: str, year: int) -> int:
    """Offset of a zone's standard time from UTC in ``year``. [µs]

    Clocks only ever go forward in summer, so of the offsets in January and July the smaller one is
    standard time, on both hemispheres.

    >>> standard_offset("Europe/Amsterdam", 2024) == HOUR
    True
    """
    zone = ZoneInfo(zone_name)
    offsets = [datetime(year, month, 1, 12, tzinfo=zone).utcoffset() for month in (1, 7)]
    return min(offset // timedelta(microseconds=1) for offset in offsets if offset is not None)


@dataclass(frozen=True, slots=True)
class Grid:
    """``count`` consecutive events of one sensor: event i starts at ``start + i * resolution``."""

    start: int
    resolution: int
    count: int

    @classmethod
    def covering(cls, start: int, end: int, resolution: int, offset: int = 0) -> Grid:
        """Every event that overlaps ``start <= t < end``.

        Parameters
        ----------
        start, end : int
            The period. [µs since epoch]
        resolution : int
            Length of an event. [µs]
        offset : int
            Any event's start, modulo resolution: where the sensor's grid lies. [µs]

        >>> Grid.covering(5, 21, 10)
        Grid(start=0, resolution=10, count=3)
        """
        first = start - (start - offset) % resolution
        return cls(first, resolution, -((first - end) // resolution))

    @property
    def end(self) -> int:
        """End of the last event. [µs since epoch]"""
        return self.start + self.count * self.resolution

    def event_starts(self) -> IntArray:
        """Start of each event, shape (count,). [µs since epoch]"""
        return np.arange(self.start, self.end, self.resolution, dtype=np.int64)

    def event_ends(self) -> IntArray:
        """End of each event, shape (count,). [µs since epoch]"""
        step = self.resolution
        return np.arange(self.start + step, self.end + step, step, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Timing:
    """When the values of a group were known: the earlier of the two, for each event.

    ``belief_time`` alone: all at one time. ``belief_horizon`` alone: each event that long before its
    own end. Both: each event that long ahead, but none later than ``belief_time``; so "known on
    arrival, but no later than the event's end" is ``Timing(belief_time=now, belief_horizon=0)``.
    """

    belief_time: int | None = None
    belief_horizon: int | None = None

    def __post_init__(self) -> None:
        if self.belief_time is None and self.belief_horizon is None:
            raise ValueError("a timing states a belief time, a belief horizon or both")
