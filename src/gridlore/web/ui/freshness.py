"""What is newest about a sensor, in words and as a small drawing: for the overview and the sensor's page.

Layer: web.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridlore.domain.sensors import Sensor
from gridlore.domain.timing import format_instant
from gridlore.services.callers import Caller
from gridlore.services.freshness import Freshness
from gridlore.web.ui.sparkline import Sparkline, draw_sparkline
from gridlore.web.ui.wording import tell_day_and_time, tell_instant, tell_resolution, tell_span, tell_value


@dataclass(frozen=True, slots=True)
class Newest:
    """What is shown of one sensor, if it is not too much.

    ``instant`` and ``moment``: when the newest event starts, for programs and for people. ``is_late``: its
    newest data ended more than two events ago. ``missing`` of ``expected`` events of the last day are gaps.
    """

    sensor: Sensor
    note: str
    resolution: str
    value: str | None
    instant: str
    moment: str
    age: str
    until: str
    sparkline: Sparkline | None
    span: str
    is_forecast: bool
    is_late: bool
    missing: int
    expected: int
    is_too_much: bool


def describe_newest(caller: Caller, freshness: Freshness, now: int) -> Newest:
    """What is newest about a sensor, as this caller sees it."""
    sensor, until = freshness.sensor, freshness.known_until
    owner = caller.directory.owner(sensor)
    note = caller.directory.address(sensor)
    if owner is not None and caller.user.is_admin:
        note = f"{caller.directory.account(owner).name} · {note}"
    value, end, age = None, freshness.latest_end, ""
    if freshness.latest is not None and end is not None:
        value = tell_value(freshness.latest)
        age = f"{tell_span(now - end)} ago" if end <= now else "now"
    day = freshness.day
    return Newest(
        sensor=sensor,
        note=note,
        resolution=tell_resolution(sensor.resolution),
        value=value,
        instant="" if end is None else format_instant(end - sensor.resolution),
        moment="" if end is None else tell_instant(end - sensor.resolution, sensor.timezone),
        age=age,
        until=tell_day_and_time(until, sensor.timezone, now) if until is not None and until > now else "",
        sparkline=None if day is None else draw_sparkline(freshness.values),
        span="" if day is None else _tell_day(freshness),
        is_forecast=freshness.is_forecast,
        is_late=freshness.late_by is not None,
        missing=freshness.missing,
        expected=freshness.values.size,
        is_too_much=freshness.is_too_much,
    )


def _tell_day(freshness: Freshness) -> str:
    """What the drawing shows, for those who cannot see it."""
    day, sensor = freshness.day, freshness.sensor
    known = freshness.values[~np.isnan(freshness.values)]
    if day is None or not known.size:
        return "nothing known in the last day"
    return (
        f"{tell_instant(day.start, sensor.timezone)} to {tell_instant(day.end, sensor.timezone)}: "
        f"{tell_value(float(known.min()))} to {tell_value(float(known.max()))} {sensor.unit}"
    )
