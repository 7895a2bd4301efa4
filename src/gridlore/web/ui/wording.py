"""Values, spans and instants in words for people.

Layer: web.
"""

from __future__ import annotations

import math
from zoneinfo import ZoneInfo

from gridlore.domain.timing import DAY, HOUR, MINUTE, to_datetime

NARROW_SPACE = "\u202f"
"""Between groups of three digits."""


def tell_value(value: float) -> str:
    """A value with about four digits that say something.

    >>> tell_value(0.01234567), tell_value(306.66), tell_value(-0.0), tell_value(1234567.8)
    ('0.01235', '306.7', '0', '1\u202f234\u202f568')
    >>> tell_value(3e-9), tell_value(2.5e12)
    ('3e-09', '2.5e+12')
    """
    size = abs(value)
    if size == 0:
        return "0"
    if not 1e-5 <= size < 1e9:
        return f"{value:.4g}".replace("-", "\u2212", 1) if value < 0 else f"{value:.4g}"
    decimals = max(0, 3 - math.floor(math.log10(size)))
    text = f"{value:,.{decimals}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace(",", NARROW_SPACE).replace("-", "\u2212")


def tell_span(span: int) -> str:
    """A span of microseconds, in its largest fitting unit.

    >>> tell_span(30_000_000), tell_span(90 * MINUTE), tell_span(25 * HOUR), tell_span(-MINUTE)
    ('< 1 min', '90 min', '25 h', '< 1 min')
    >>> tell_span(3 * DAY), tell_span(400 * DAY), tell_span(800 * DAY)
    ('3 days', '13 months', '2 years')
    """
    if span < MINUTE:
        return "< 1 min"
    if span < 2 * HOUR:
        return f"{span // MINUTE} min"
    if span < 2 * DAY:
        return f"{span // HOUR} h"
    if span < 90 * DAY:
        return f"{span // DAY} days"
    if span < 730 * DAY:
        return f"{span // (30 * DAY)} months"
    return f"{span // (365 * DAY)} years"


def tell_resolution(resolution: int) -> str:
    """The length of an event.

    >>> tell_resolution(15 * MINUTE), tell_resolution(HOUR), tell_resolution(DAY), tell_resolution(10_000_000)
    ('15 min', '1 h', '1 day', '10 s')
    """
    for unit, name in ((DAY, "day"), (HOUR, "h"), (MINUTE, "min")):
        if resolution % unit == 0:
            return f"{resolution // unit} {name}"
    return f"{resolution / 1_000_000:g} s"


def tell_instant(instant: int, zone: str) -> str:
    """Date and time on the clock of a zone.

    >>> tell_instant(0, "Europe/Amsterdam")
    '1970-01-01 01:00'
    """
    return f"{to_datetime(instant, ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def tell_day_and_time(instant: int, zone: str, now: int) -> str:
    """The same, shorter when it is near: time alone today, with the day's name within six days.

    >>> tell_day_and_time(0, "UTC", HOUR), tell_day_and_time(0, "UTC", 2 * DAY)
    ('00:00', 'Thu 00:00')
    """
    moment, today = to_datetime(instant, ZoneInfo(zone)), to_datetime(now, ZoneInfo(zone))
    days = abs((moment.date() - today.date()).days)
    if days == 0:
        return f"{moment:%H:%M}"
    return f"{moment:%a %H:%M}" if days < 7 else f"{moment:%Y-%m-%d %H:%M}"
