"""How fresh what is known of a sensor is: its newest value, how late it is, and the gaps of its last day.

Layer: services. ``now`` is an argument. What counts is what was measured; of markets, whose prices are known
before the fact, what is known; of sensors that were never measured, what was forecast up to now.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from gridlore.domain.beliefs import Block
from gridlore.domain.errors import PeriodError
from gridlore.domain.heads import Head
from gridlore.domain.overlay import EVERYTHING, BeliefFilter, overlay
from gridlore.domain.sensors import Sensor, SensorKind, User
from gridlore.domain.timing import DAY, FloatArray, Grid
from gridlore.services.directory import Directory
from gridlore.store.interface import Store, Window

TOLERANCE = 2
"""Data is late when it ended more than this many times the resolution ago."""

MAX_EVENTS = 1440
"""The last day of a sensor with more events a day than this is shown from its last so many."""

COUNT_MAX_AGE = 30_000_000
"""How long the count of late sensors is good for. [µs]"""

PATIENCE = 2.0
"""How long sensors are read one by one, of which too much is known to read them at once. [s]"""

MEASURED = BeliefFilter(max_horizon=0)


@dataclass(frozen=True, slots=True, eq=False)
class Freshness:
    """How fresh what is known of a sensor is.

    ``day``: the last day of events that something is known about, up to the one that holds now; None when
    there is none. ``values``: shape (day.count,), NaN is a gap. ``latest`` and ``latest_end``: the newest of
    them and when its event ends. ``known_until``: end of the newest event that counts. ``late_by``: how long
    ago that was when that is too long, else None. ``is_too_much``: more is known about the last day than can
    be gone through, or than there was time for, and none of it is told. Instants [µs since epoch], spans
    [µs].
    """

    sensor: Sensor
    is_forecast: bool
    day: Grid | None
    values: FloatArray
    latest: float | None
    latest_end: int | None
    known_until: int | None
    late_by: int | None
    is_too_much: bool = False

    @property
    def missing(self) -> int:
        """Events of the last day that nothing is known about."""
        return int(np.isnan(self.values).sum())


def known_until(sensor: Sensor, head: Head) -> int | None:
    """End of the newest event that counts for lateness; None when there is none. [µs since epoch]"""
    if sensor.kind is SensorKind.MARKET:
        return head.events_end
    return None if head.measured is None else head.measured.event_start + sensor.resolution


def late_by(sensor: Sensor, head: Head, now: int) -> int | None:
    """How long ago the newest event that counts ended, None unless that is more than twice the resolution.

    Sensors about which nothing that counts is known are not late: nobody knows when to expect something.
    """
    end = known_until(sensor, head)
    if end is None or now - end <= TOLERANCE * sensor.resolution:
        return None
    return now - end


def last_day(sensor: Sensor, head: Head, now: int) -> Grid | None:
    """The last day of events that something is known about, up to the event that holds ``now``."""
    if head.events_start is None or head.events_end is None:
        return None
    until = known_until(sensor, head)
    end = head.events_end if until is None else until
    this_event = sensor.grid(now, now + 1)
    end = min(end, this_event.end)
    start = max(end - DAY, end - MAX_EVENTS * sensor.resolution, head.events_start)
    return sensor.grid(start, end) if start < end else None


class FreshnessReader:
    """Reads how fresh sensors are."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._late: tuple[int, int] | None = None

    def count_late(self, directory: Directory, now: int) -> int:
        """How many sensors are late, as of at most ``COUNT_MAX_AGE`` ago: it takes every head there is."""
        if self._late is None or not 0 <= now - self._late[0] < COUNT_MAX_AGE:
            heads = self._store.read_heads(list(directory.sensors))
            known = [(directory.sensors[head.sensor_id], head) for head in heads.values()]
            self._late = now, sum(late_by(sensor, head, now) is not None for sensor, head in known)
        return self._late[1]

    def read(
        self,
        directory: Directory,
        user: User,
        sensors: Sequence[Sensor],
        heads: Mapping[int, Head],
        now: int,
    ) -> list[Freshness]:
        """How fresh each sensor is, in the same order; the blocks of all are read at once.

        If that is too much, they are read for one after the other; when that takes long, the rest is not.
        """
        days = [last_day(sensor, heads[sensor.id], now) for sensor in sensors]
        windows = [
            Window(sensor.id, day.start, day.end, sensor.resolution)
            for sensor, day in zip(sensors, days, strict=True)
            if day is not None
        ]
        found: Iterator[list[Block] | None] = self._read_each(windows)
        with suppress(PeriodError):
            found = iter(self._store.read_blocks(windows) if windows else [])
        described = []
        for sensor, day in zip(sensors, days, strict=True):
            blocks = [] if day is None else next(found)
            described.append(_describe(directory, user, sensor, heads[sensor.id], day, blocks, now))
        return described

    def _read_each(self, windows: Sequence[Window]) -> Iterator[list[Block] | None]:
        """The blocks of one window after the other, None where they are too many or it takes too long."""
        until = time.monotonic() + PATIENCE
        for window in windows:
            blocks = None
            if time.monotonic() < until:
                with suppress(PeriodError):
                    (blocks,) = self._store.read_blocks([window])
            yield blocks


def _describe(
    directory: Directory,
    user: User,
    sensor: Sensor,
    head: Head,
    day: Grid | None,
    blocks: Sequence[Block] | None,
    now: int,
) -> Freshness:
    until = known_until(sensor, head)
    if day is None or blocks is None:
        late = None if day is None else late_by(sensor, head, now)
        return Freshness(
            sensor, until is None, None, np.zeros(0), None, None, until, late, is_too_much=blocks is None
        )
    measured = until is not None and sensor.kind is not SensorKind.MARKET
    values = overlay(
        blocks,
        day,
        MEASURED if measured else EVERYTHING,
        sources=directory.sources,
        own_source_id=directory.source_of(user).id,
    ).values
    known = np.flatnonzero(~np.isnan(values))
    latest = latest_end = None
    if known.size:
        latest = float(values[known[-1]]) + 0.0
        latest_end = day.start + (int(known[-1]) + 1) * day.resolution
    return Freshness(
        sensor, until is None, day, values, latest, latest_end, until, late_by(sensor, head, now)
    )
