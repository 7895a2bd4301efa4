"""ISO 8601: instants, durations, horizons and resolutions, read strictly and within range.

Layer: wire. All instants are int64 microseconds since 1970-01-01T00:00Z, all spans microseconds.

This is the only module that knows the traps of the libraries underneath: ``datetime`` cuts off what is
finer than a microsecond, ``isodate`` reads ``PT`` as zero, lets day 366 of an ordinary year run into the
next one, and raises a different exception for each sort of overflow. So every text must first match a
pattern (ASCII only, bounded in length), and every result is checked against the years 1900 to 2200.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import isodate

from gridlore.domain.errors import (
    GridloreError,
    HorizonError,
    PeriodError,
    ResolutionError,
    TimezoneError,
)
from gridlore.domain.timing import DAY, EARLIEST, HOUR, LATEST, MINUTE, SECOND, to_instant
from gridlore.wire.quoting import shown

MAX_LENGTH = 64
"""Characters in a timestamp or duration."""

MAX_MONTHS = 12 * 300
MAX_SPAN = 300 * 366 * DAY
"""Longer durations cannot lie within the years 1900 to 2200."""

_INSTANT = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}|[0-9]{4}-W[0-9]{2}-[1-7]|[0-9]{4}W[0-9]{2}[1-7]"
    r"|(?P<ordinal>[0-9]{4}-?[0-9]{3}))"
    r"T(?P<time>(?:[01][0-9]|2[0-3])(?P<minutes>:?[0-5][0-9](?P<seconds>:?[0-5][0-9])?)?)"
    r"(?:[.,](?P<fraction>[0-9]+))?"
    r"(?P<zone>Z|[ +-][0-9]{2}(?::?[0-9]{2})?)?"
)
_DURATION = re.compile(r"[+-]?P[0-9.,YMWDTHS]*[YMWDHS]")
_ROLLING = re.compile(r"(?P<sign>-?)R[0-9]{0,9}/(?P<duration>.*)", re.DOTALL)

Failure = type[GridloreError]


def parse_instant(text: object, *, what: str = "start", error: Failure = PeriodError) -> tuple[int, datetime]:
    """The instant a timestamp stands for, and the same on the clock it was written in.

    Dates by month and day, by week or by day of the year, extended or basic; fractions of the lowest
    part stated, down to a microsecond (further zeros are allowed); ``T`` and ``Z`` are capitals. Source:
    ISO 8601-1:2019; the hour 24 and the second 60 are not supported.

    Parameters
    ----------
    text : object
        What the message holds; only a string can be right.
    what : str
        The field's name, for messages.
    error : type of GridloreError
        Raised when the text is no timestamp, or lies outside the years 1900 to 2200.

    Raises
    ------
    TimezoneError
        It is a timestamp, but does not say its time zone.

    >>> parse_instant("1970-01-01T01:00:00+01:00")
    (0, datetime.datetime(1970, 1, 1, 1, 0, tzinfo=datetime.timezone(datetime.timedelta(seconds=3600))))
    """
    if not isinstance(text, str) or len(text) > MAX_LENGTH:
        raise _no_timestamp(text, what, error)
    try:
        instant, moment = _read_moment(text)
    except (ValueError, OverflowError) as problem:
        raise _no_timestamp(text, what, error) from problem
    if moment.tzinfo is None:
        raise TimezoneError(
            f"{what.capitalize()} time should explicitly state a timezone. Got {shown(text)}: "
            "end it with Z or an offset such as +01:00; in a URL, the plus sign is written %2B."
        )
    if not EARLIEST <= instant <= LATEST:
        raise error(f"The {what} should lie within the years 1900 to 2200; got {shown(text)}.")
    return instant, moment


def _no_timestamp(text: object, what: str, error: Failure) -> GridloreError:
    return error(
        f"The {what} should be an ISO 8601 timestamp with a time zone, such as 2015-01-01T00:00:00Z or "
        f"2015-01-01T09:00:00+09:00, no finer than a microsecond; got {shown(text)}."
    )


@lru_cache(maxsize=1024)
def _read_moment(text: str) -> tuple[int, datetime]:
    """The instant a text stands for, and its timestamp; naive, and read as UTC, when it states no zone, or
    lost the sign of its offset."""
    moment = _read_clock(text)
    return to_instant(moment if moment.tzinfo else moment.replace(tzinfo=UTC)), moment


def _read_clock(text: str) -> datetime:
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise ValueError("no timestamp")
    zone = match["zone"] or ""
    if zone.startswith(" "):
        zone = ""
    date = match["date"]
    if match["ordinal"]:
        date = _read_ordinal(date)
    moment = datetime.fromisoformat(f"{date}T{match['time']}{zone}")
    fraction = match["fraction"]
    if fraction is None:
        return moment
    lowest = SECOND if match["seconds"] else MINUTE if match["minutes"] else HOUR
    microseconds, finer = divmod(int(fraction) * lowest, 10 ** len(fraction))
    if finer:
        raise ValueError("finer than a microsecond")
    return moment + timedelta(microseconds=microseconds)


def _read_ordinal(date: str) -> str:
    day: Any = isodate.parse_date(date)
    if day.year != int(date[:4]):
        raise ValueError("no such day in this year")
    return str(day.isoformat())


@dataclass(frozen=True, slots=True)
class Duration:
    """A stretch of time: calendar months, and a span [µs]; never of opposite signs.

    Months have no length of their own, so a duration with months needs a moment to count from.
    """

    months: int
    span: int

    @property
    def is_calendar(self) -> bool:
        """Whether its length depends on where it starts."""
        return self.months != 0

    @property
    def is_positive(self) -> bool:
        """Whether it leads to a later time."""
        return self.months > 0 or self.span > 0

    def __neg__(self) -> Duration:
        return Duration(-self.months, -self.span)

    def add_to(
        self, moment: datetime, *, what: str = "end of the period", error: Failure = PeriodError
    ) -> datetime:
        """The moment that much later, on the clock of ``moment``, whose offset from UTC is fixed.

        Months come first; a day that the month does not have becomes its last day.

        Raises
        ------
        GridloreError
            ``error``, when the result lies outside the years 1900 to 2200.

        >>> from datetime import UTC
        >>> Duration(1, 0).add_to(datetime(2023, 1, 31, tzinfo=UTC)).date().isoformat()
        '2023-02-28'
        """
        problem: Exception | None = None
        try:
            later = _add_months(moment, self.months) + timedelta(microseconds=self.span)
            if EARLIEST <= to_instant(later) <= LATEST:
                return later
        except (ValueError, OverflowError) as caught:
            problem = caught
        raise error(f"The {what} lies outside the years 1900 to 2200.") from problem


def _add_months(moment: datetime, months: int) -> datetime:
    if not months:
        return moment
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def parse_duration(text: object, error: Failure, *, what: str = "duration") -> Duration:
    """The duration a text stands for, to the nearest microsecond.

    Parameters
    ----------
    text : object
        What the message holds; only a string can be right.
    error : type of GridloreError
        Raised when it is no duration, has a fraction of a month or year, or is too long.

    >>> parse_duration("PT1H30M", PeriodError), parse_duration("-P1Y2M", PeriodError)
    (Duration(months=0, span=5400000000), Duration(months=-14, span=0))
    """
    problem: Exception | None = None
    if isinstance(text, str) and len(text) <= MAX_LENGTH:
        try:
            return _read_duration(text)
        except (ValueError, ArithmeticError) as caught:
            problem = caught
    raise no_duration(text, error, what=what) from problem


def no_duration(text: object, error: Failure, *, what: str = "duration") -> GridloreError:
    """What to say of a text, or of something else, that is no duration."""
    return error(
        f"The {what} should be an ISO 8601 duration of at most 300 years, without fractions of months or "
        f"years, such as PT15M, PT1H30M, P1D or P1M; got {shown(text)}."
    )


@lru_cache(maxsize=1024)
def _read_duration(text: str) -> Duration:
    if not _DURATION.fullmatch(text):
        raise ValueError("no duration")
    parsed: Any = isodate.parse_duration(text)
    months = 0
    if isinstance(parsed, isodate.Duration):
        count = parsed.years * 12 + parsed.months
        if parsed.years % 1 or parsed.months % 1:
            raise ValueError("fractions of months have no length")
        months, parsed = int(count), parsed.tdelta
    span: int = parsed // timedelta(microseconds=1)
    if abs(months) > MAX_MONTHS or abs(span) > MAX_SPAN:
        raise OverflowError("too long")
    return Duration(months, span)


@dataclass(frozen=True, slots=True)
class Horizon:
    """How long before the end of the period (``rolling``: of each event) something was known.

    A negative duration is after the fact.
    """

    duration: Duration
    rolling: bool

    def before(self, end: datetime) -> datetime:
        """The moment this long before ``end``, on its clock.

        Raises
        ------
        HorizonError
            It lies outside the years 1900 to 2200.
        """
        return (-self.duration).add_to(end, what="belief time that the horizon leads to", error=HorizonError)

    def resolve(self, end: datetime) -> int:
        """Its length [µs]; that of calendar months is counted back from ``end``.

        Raises
        ------
        HorizonError
            Calendar months lead outside the years 1900 to 2200.
        """
        if not self.duration.is_calendar:
            return self.duration.span
        return to_instant(end) - to_instant(self.before(end))


def parse_horizon(text: object) -> Horizon:
    """The horizon a text stands for; ``R/`` or ``R5/`` in front makes it rolling.

    Raises
    ------
    HorizonError
        The text is neither a duration nor a repeated one, or its sign is stated twice.

    >>> parse_horizon("-R/PT10M")
    Horizon(duration=Duration(months=0, span=-600000000), rolling=True)
    """
    rolling = _ROLLING.fullmatch(text) if isinstance(text, str) and len(text) <= MAX_LENGTH else None
    if rolling is None:
        return Horizon(parse_duration(text, HorizonError, what="horizon"), rolling=False)
    duration = parse_duration(rolling["duration"], HorizonError, what="horizon, after R/,")
    if rolling["sign"]:
        if not rolling["duration"].startswith("P"):
            raise HorizonError(f"The horizon should state its sign once, as in -R/PT10M; got {shown(text)}.")
        duration = -duration
    return Horizon(duration, rolling=True)


def parse_resolution(text: object) -> int:
    """The resolution a text stands for. [µs]

    Raises
    ------
    ResolutionError
        It is no duration, not positive, or counts in calendar months or years.

    >>> parse_resolution("PT15M") == 15 * MINUTE
    True
    """
    duration = parse_duration(text, ResolutionError, what="resolution")
    if duration.is_calendar or not duration.is_positive:
        raise ResolutionError(
            "The resolution should be positive, and not in months or years, whose lengths differ; "
            f"got {shown(text)}."
        )
    return duration.span
