"""Read times as people and programs write them, with or without a time zone, right at clock changes.

Layer: services.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gridlore.domain.timing import EARLIEST, EPOCH, LATEST, to_instant
from gridlore.services.upload.table import Cell, show_cell

DAY_FIRST, MONTH_FIRST = "day", "month"
BY_ORDER, FIRST, SECOND = "order", "first", "second"
"""What a time that the clock shows twice means: by its place in the file, or always the one or the other."""

_TIME = re.compile(
    r"""(?P<a>\d{1,4})(?P<separator>[./-])(?P<b>\d{1,2})(?P=separator)(?P<c>\d{1,4})
        (?:[T,\s]\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?
        \s*(?P<half>[AaPp]\.?[Mm]\.?)?\s*(?P<offset>Z|UTC|[+-]\d{2}:?\d{2})?)?""",
    re.VERBOSE | re.ASCII,
)
MAX_TIME_LENGTH = 100
"""Characters; many blanks in a row would keep the patterns busy."""

_RANGE = re.compile(r"\s+-\s+\d.*")
_NAIVE_EPOCH = EPOCH.replace(tzinfo=None)
_MICROSECOND = timedelta(microseconds=1)


class TimeError(ValueError):
    """A cell holds no time; the text says why, to follow the row's number."""


@dataclass(frozen=True, slots=True)
class Clock:
    """How times without a time zone are meant: on the clock of ``zone``, ``repeated`` as said there."""

    zone: ZoneInfo
    order: str = DAY_FIRST
    repeated: str = BY_ORDER


def find_order(cells: Iterable[Cell]) -> tuple[str, bool]:
    """Whether days or months come first in dates like 03/04/2025, and whether these cells show it.

    >>> find_order(["03/04/2025", "03/14/2025"]), find_order(["03/04/2025"]), find_order(["2025-04-03"])
    (('month', True), ('day', False), ('day', True))
    """
    doubtful = False
    for cell in cells:
        found = _TIME.match(cell[:MAX_TIME_LENGTH]) if isinstance(cell, str) else None
        if found is None or len(found["a"]) > 2:
            continue
        if int(found["a"]) > 12:
            return DAY_FIRST, True
        if int(found["b"]) > 12:
            return MONTH_FIRST, True
        doubtful = doubtful or found["a"] != found["b"]
    return DAY_FIRST, not doubtful


def read_time(cell: Cell, order: str) -> datetime:
    """The time in a cell, naive unless it states its offset from UTC. Of a period, its start.

    Raises
    ------
    TimeError
        It is no time.

    >>> read_time("31.12.2024 23:45", "day"), read_time("2025-01-01T00:00Z", "day").tzname()
    (datetime.datetime(2024, 12, 31, 23, 45), 'UTC')
    >>> read_time("1/31/2025 11:15 PM", "month"), read_time("31.12.2024 24:00", "day")
    (datetime.datetime(2025, 1, 31, 23, 15), datetime.datetime(2025, 1, 1, 0, 0))
    """
    if isinstance(cell, datetime):
        return cell
    if cell is None or cell == "":
        raise TimeError("the time is missing")
    if isinstance(cell, str) and len(cell) <= MAX_TIME_LENGTH:
        try:
            return datetime.fromisoformat(cell)
        except ValueError:
            found = _TIME.fullmatch(_RANGE.sub("", cell, count=1))
        if found is not None:
            return _assemble(found, order, cell)
    raise TimeError(f'"{show_cell(cell)}" is no time')


def _assemble(found: re.Match[str], order: str, cell: str) -> datetime:
    first, middle, last = found["a"], found["b"], found["c"]
    if len(first) == 4:
        year, month, day = first, middle, last
    elif order == MONTH_FIRST:
        month, day, year = first, middle, last
    else:
        day, month, year = first, middle, last
    hour = int(found["hour"] or 0)
    half = (found["half"] or "").lower()
    if half:
        if not 1 <= hour <= 12:
            raise TimeError(f'"{show_cell(cell)}" is no time: before AM or PM stands an hour from 1 to 12')
        hour = hour % 12 + (12 if half.startswith("p") else 0)
    midnight = hour == 24 and not int(found["minute"]) and not int(found["second"] or 0)
    clock = f"{0 if midnight else hour:02}:{found['minute'] or '00'}:{found['second'] or '00'}"
    offset = (found["offset"] or "").replace("UTC", "Z")
    year = f"20{year}" if len(year) == 2 else year
    try:
        moment = datetime.fromisoformat(f"{year}-{int(month):02}-{int(day):02}T{clock}{offset}")
        return moment + timedelta(days=1) if midnight else moment
    except (ValueError, OverflowError) as error:
        raise TimeError(
            f'"{show_cell(cell)}" is no time: there is no such day or hour{_hint(found)}'
        ) from error


def _hint(found: re.Match[str]) -> str:
    return " with the order of day and month that was chosen" if len(found["a"]) <= 2 else ""


def read_instants(
    cells: Sequence[Cell], clock: Clock, groups: Sequence[object] | None = None
) -> list[int | TimeError]:
    """The instant in each cell [µs since epoch], or what is wrong with it.

    Parameters
    ----------
    groups : sequence, optional
        What each cell belongs to; a group has a time that the clock shows twice two times, or leaves open
        which is meant. Without, all cells are one group.
    """
    results: list[int | TimeError] = []
    repeated: list[tuple[int, datetime, int]] = []
    for position, cell in enumerate(cells):
        try:
            moment = read_time(cell, clock.order)
            if moment.tzinfo is not None:
                results.append(_check_range(to_instant(moment), cell))
                continue
            before, after = _offsets(moment, clock.zone, cell)
            if before > after and clock.repeated == BY_ORDER:
                repeated.append((position, moment, (before - after) // _MICROSECOND))
            offset = after if clock.repeated == SECOND else before
            results.append(_check_range((moment - _NAIVE_EPOCH - offset) // _MICROSECOND, cell))
        except TimeError as error:
            results.append(error)
    if repeated:
        _place_by_order(results, repeated, clock, groups)
    return results


def _check_range(instant: int, cell: Cell) -> int:
    if not EARLIEST <= instant < LATEST:
        raise TimeError(f'"{show_cell(cell)}" lies outside the years 1900 to 2200')
    return instant


def _offsets(moment: datetime, zone: ZoneInfo, cell: Cell) -> tuple[timedelta, timedelta]:
    """The offset from UTC when the clock shows this for the first time, and for the second."""
    first = zone.utcoffset(moment.replace(fold=0)) or timedelta()
    second = zone.utcoffset(moment.replace(fold=1)) or timedelta()
    if first < second:
        raise TimeError(f'"{show_cell(cell)}" does not exist in {zone.key}: clocks went forward over it')
    return first, second


def _place_by_order(
    results: list[int | TimeError],
    repeated: Sequence[tuple[int, datetime, int]],
    clock: Clock,
    groups: Sequence[object] | None,
) -> None:
    """Tell first from second by the order of rows; a time that is not there twice leaves it open."""
    falls = _falls(results)

    def key(position: int, moment: datetime) -> object:
        return (moment, groups[position] if groups is not None else None)

    counts = Counter(key(position, moment) for position, moment, _ in repeated)
    seen: Counter[object] = Counter()
    for position, moment, later in repeated:
        seen[key(position, moment)] += 1
        if counts[key(position, moment)] != 2:
            results[position] = TimeError(
                f'"{moment:%Y-%m-%d %H:%M}" happened twice in {clock.zone.key} when clocks went back, and '
                "the file does not tell which is meant: choose the first or the second"
            )
            continue
        placed = results[position]
        if (seen[key(position, moment)] == 2) != falls and isinstance(placed, int):
            results[position] = placed + later


def _falls(results: Sequence[int | TimeError]) -> bool:
    """Whether the newest rows come first."""
    known = [result for result in results if isinstance(result, int)]
    return len(known) > 1 and known[0] > known[-1]
