"""Start, duration, horizon and prior: which period is meant, and when something was known about it.

Layer: wire. All instants are int64 microseconds since 1970-01-01T00:00Z.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from gridlore.domain.errors import HorizonError, PeriodError
from gridlore.domain.timing import format_instant, format_span, to_instant
from gridlore.wire.bodies import Fields
from gridlore.wire.fields import for_all
from gridlore.wire.iso8601 import Horizon, no_duration, parse_duration, parse_horizon, parse_instant
from gridlore.wire.quoting import ABSENT, shown


@dataclass(frozen=True, slots=True)
class Period:
    """``start <= t < end`` [µs since epoch], with the words it was asked in.

    ``last`` is the end on the clock of the start: what calendar durations count back from.
    """

    start: int
    end: int
    last: datetime
    start_text: str
    duration_text: str


def read_period(message: Fields) -> Period:
    """The period that ``start`` and ``duration`` state.

    Raises
    ------
    PeriodError, TimezoneError
        One of them is missing, unreadable or out of range.
    """
    start_text = for_all(message, "start", PeriodError)
    start, first = parse_instant(start_text)
    duration_text = for_all(message, "duration", PeriodError)
    return _extend(start, first, str(start_text), duration_text)


def read_period_to_end(message: Fields) -> Period:
    """The period that ``start`` and either ``duration`` or ``end`` state.

    Raises
    ------
    PeriodError, TimezoneError
        One of them is missing, unreadable or out of range, or both ``duration`` and ``end`` are there.
    """
    start_text = for_all(message, "start", PeriodError)
    start, first = parse_instant(start_text)
    duration_text = for_all(message, "duration", PeriodError)
    end_text = for_all(message, "end", PeriodError)
    if (duration_text is ABSENT) == (end_text is ABSENT):
        got = "neither" if end_text is ABSENT else "both"
        raise PeriodError(f"A period should state its start, and either its duration or its end; got {got}.")
    if end_text is ABSENT:
        return _extend(start, first, str(start_text), duration_text)
    end, last = parse_instant(end_text, what="end")
    if end <= start:
        raise PeriodError(f"The end should be later than the start; got {shown(end_text)}.")
    return Period(start, end, last.astimezone(first.tzinfo), str(start_text), format_span(end - start))


def _extend(start: int, first: datetime, start_text: str, duration_text: object) -> Period:
    if isinstance(duration_text, str):
        return _extend_by(start, first, start_text, duration_text)
    raise no_duration(duration_text, PeriodError)


@lru_cache(maxsize=1024)
def _extend_by(start: int, first: datetime, start_text: str, duration_text: str) -> Period:
    duration = parse_duration(duration_text, PeriodError)
    if not duration.is_positive:
        raise PeriodError(f"The duration should be longer than zero; got {shown(duration_text)}.")
    last = duration.add_to(first)
    return Period(start, to_instant(last), last, start_text, duration_text)


def read_horizon(message: Fields) -> Horizon | None:
    """The horizon, or None when the message has none.

    Raises
    ------
    HorizonError
        It cannot be read.
    """
    text = for_all(message, "horizon", HorizonError)
    return None if text is ABSENT else parse_horizon(text)


def read_measured_horizon(message: Fields, complaint: str) -> Horizon | None:
    """The horizon of what was measured: after the fact, that is zero or negative.

    Raises
    ------
    HorizonError
        It cannot be read, or is positive (``complaint`` says that this is wrong).
    """
    horizon = read_horizon(message)
    if horizon is not None and horizon.duration.is_positive:
        raise HorizonError(f"{complaint} Got {shown(message['horizon'])}.")
    return horizon


def read_prior(message: Fields) -> int | None:
    """The prior [µs since epoch], or None when the message has none.

    Raises
    ------
    HorizonError, TimezoneError
        It cannot be read, or lies outside the years 1900 to 2200.
    """
    text = for_all(message, "prior", HorizonError)
    return None if text is ABSENT else parse_instant(text, what="prior", error=HorizonError)[0]


def check_measured_prior(prior: int | None, period: Period) -> None:
    """Nothing is measured before it has happened.

    Raises
    ------
    HorizonError
        ``prior`` lies before the end of the period.
    """
    if prior is not None and prior < period.end:
        raise HorizonError(
            "Meter data can only be observed after the fact. The prior should not lie before the end of "
            f"the period, {format_instant(period.end)}; got {format_instant(prior)}."
        )
