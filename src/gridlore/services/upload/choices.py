"""How a file is to be read: what people chose, and what a look at the file suggests where they did not.

Layer: services.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from gridlore.domain.sensors import Sensor
from gridlore.domain.timing import DAY, HOUR, MINUTE, Timing
from gridlore.services.upload.delimited import DELIMITERS
from gridlore.services.upload.document import Document
from gridlore.services.upload.numbers import DECIMALS, NumberError, find_decimal, read_number
from gridlore.services.upload.table import Cell, ChoiceError, Table, show_cell
from gridlore.services.upload.times import (
    BY_ORDER,
    DAY_FIRST,
    FIRST,
    MONTH_FIRST,
    SECOND,
    Clock,
    TimeError,
    find_order,
    read_instants,
    read_time,
)
from gridlore.services.upload.units import find_unit, list_conversions

SAMPLED_ROWS = 200

MEASURED_AT_END = "end"
MEASURED_NOW = "now"
FORECAST_AT = "time"
FORECAST_AHEAD = "horizon"
KNOWN_BY_COLUMN = "column"
KNOWN = (MEASURED_AT_END, MEASURED_NOW, FORECAST_AT, FORECAST_AHEAD, KNOWN_BY_COLUMN)
"""When the values were known: measured, at each interval's end or at the upload; forecast, at one time or
each so long before its end; or as a column of the file says."""

START, END = "start", "end"
"""What of an interval its time marks."""

SPANS = {"minutes": MINUTE, "hours": HOUR, "days": DAY}

SHEET_MATTERS = ("time_column", "value_column", "belief_column", "first_row", "order", "unit", "decimal")
TIMES_MATTER = ("order",)
VALUES_MATTER = ("unit", "decimal")
"""Choices that mean nothing any more when another sheet or column is chosen."""

_BELIEF_WORDS = ("belief", "known", "issued", "issue time", "created", "reference", "prior", "run")


@dataclass(frozen=True, slots=True)
class Choices:
    """How to read a file. Sheets and columns are counted from 0, ``first_row`` is a row's number.

    ``doubtful_order``: nothing in the file shows whether days or months come first. ``same_length``: each
    value lasts one of the sensor's intervals, however far apart the rows are.
    """

    sheet: int
    delimiter: str
    first_row: int
    time_column: int
    value_column: int
    belief_column: int | None
    decimal: str
    order: str
    doubtful_order: bool
    timezone: str
    repeated: str
    marks: str
    same_length: bool
    unit: str
    known: str
    belief_time: str
    ahead: str
    ahead_unit: str

    @property
    def seen(self) -> str:
        """What the suggestions were made for: to be given back as ``seen`` with the choices."""
        return _join(self.sheet, self.delimiter, self.time_column, self.value_column)

    @property
    def clock(self) -> Clock:
        """How times without a time zone are meant."""
        return Clock(ZoneInfo(self.timezone), self.order, self.repeated)

    @property
    def is_measured(self) -> bool:
        """Whether the values are said to be measurements."""
        return self.known in {MEASURED_AT_END, MEASURED_NOW}

    def timing(self, now: int) -> Timing | None:
        """When the values were known; None when a column says so.

        Raises
        ------
        ChoiceError
            The belief time, or how long ahead, is missing or cannot be read.
        """
        if self.known == KNOWN_BY_COLUMN:
            return None
        if self.known == MEASURED_AT_END:
            return Timing(belief_horizon=0)
        if self.known == MEASURED_NOW:
            return Timing(belief_time=now)
        if self.known == FORECAST_AT:
            return Timing(belief_time=self._read_belief_time())
        return Timing(belief_horizon=self._read_ahead())

    def _read_belief_time(self) -> int:
        if not self.belief_time.strip():
            raise ChoiceError("belief_time", "Say when the forecast was made.")
        [instant] = read_instants([self.belief_time.strip()], self.clock)
        if isinstance(instant, TimeError):
            raise ChoiceError("belief_time", f"When the forecast was made: {instant}.")
        return instant

    def _read_ahead(self) -> int:
        try:
            number = read_number(self.ahead.strip(), "," if "," in self.ahead else ".")
        except NumberError as error:
            raise ChoiceError("ahead", f"How long ahead: {error}.") from error
        span = number * SPANS[self.ahead_unit]
        if not 0 < span <= 3660 * DAY:
            raise ChoiceError(
                "ahead", "Say how long ahead the forecast was made: a positive number, like 24."
            )
        return round(span)


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """Where in a file times and values stand; ``start`` is the first row's position."""

    table: Table
    sheet: int
    delimiter: str
    first_row: int
    start: int
    time_column: int
    value_column: int

    @property
    def sample(self) -> range:
        """Positions of the first rows."""
        return range(self.start, min(len(self.table.rows), self.start + SAMPLED_ROWS))


def choose(document: Document, sensor: Sensor, given: Mapping[str, str]) -> tuple[Choices, Table]:
    """The choices that were given, those the file suggests for the others, and the table they choose.

    Raises
    ------
    ChoiceError
        A choice does not fit the file.
    FileError
        The file cannot be read so.
    """
    layout = _find_layout(document, given)
    table, times, values = layout.table, layout.time_column, layout.value_column
    seen = (layout.sheet, layout.delimiter, times)
    given = _forget(given, SHEET_MATTERS, *seen[:2])
    given = _forget(given, TIMES_MATTER, *seen)
    given = _forget(given, VALUES_MATTER, *seen, values)
    headings = list_headings(table, layout.first_row)
    known = _one_of(given, "known", MEASURED_AT_END, KNOWN)
    beliefs = None
    if known == KNOWN_BY_COLUMN:
        guess = _find_beliefs(headings, times, values)
        beliefs = _number(given, "belief_column", guess, 0, table.width - 1, "the column of belief times")
    order, shown = find_order(table.cell(row, times) for row in range(layout.start, len(table.rows)))
    decimal = find_decimal(table.cell(row, values) for row in layout.sample)
    conversions = list_conversions(sensor)
    unit = find_unit(headings[values], conversions) or sensor.unit
    choices = Choices(
        sheet=layout.sheet,
        delimiter=layout.delimiter,
        first_row=layout.first_row,
        time_column=times,
        value_column=values,
        belief_column=beliefs,
        decimal=_one_of(given, "decimal", decimal, DECIMALS),
        order=_one_of(given, "order", order, (DAY_FIRST, MONTH_FIRST)),
        doubtful_order=not shown,
        timezone=_find_zone(given.get("timezone") or sensor.timezone),
        repeated=_one_of(given, "repeated", BY_ORDER, (BY_ORDER, FIRST, SECOND)),
        marks=_one_of(given, "marks", START, (START, END)),
        same_length=_one_of(given, "length", "file", ("file", "sensor")) == "sensor",
        unit=_one_of(given, "unit", unit, tuple(conversion.unit for conversion in conversions)),
        known=known,
        belief_time=given.get("belief_time", "")[:100],
        ahead=given.get("ahead", "24")[:20],
        ahead_unit=_one_of(given, "ahead_unit", "hours", tuple(SPANS)),
    )
    return choices, table


def _find_layout(document: Document, given: Mapping[str, str]) -> _Layout:
    sheet = _number(given, "sheet", 0, 0, max(0, len(document.sheets) - 1), "a sheet")
    delimiter = _one_of(given, "delimiter", document.find_delimiter(), ("", *DELIMITERS))
    table = document.table(sheet, delimiter or ",")
    given = _forget(given, SHEET_MATTERS, sheet, delimiter)
    first, guess = _find_data(table)
    last = table.width - 1
    first_row = _number(
        given, "first_row", table.numbers[first], 1, table.numbers[-1], "the first row of data"
    )
    start = next(i for i, number in enumerate(table.numbers) if number >= first_row)
    times = _number(given, "time_column", guess, 0, last, "the column of times")
    layout = _Layout(table, sheet, delimiter, first_row, start, times, times)
    guess = _find_values(table, layout.sample, times)
    return replace(
        layout, value_column=_number(given, "value_column", guess, 0, last, "the column of values")
    )


@cache
def list_timezones() -> tuple[str, ...]:
    """Names of the time zones there are, in alphabetical order."""
    return tuple(sorted(available_timezones()))


def list_headings(table: Table, first_row: int) -> list[str]:
    """What stands above each column, right before the first row of data; "" where nothing does."""
    start = next((i for i, number in enumerate(table.numbers) if number >= first_row), 0)
    return [show_cell(table.cell(start - 1, column)) if start else "" for column in range(table.width)]


def name_column(headings: list[str], column: int) -> str:
    """A column's heading, or its letter.

    >>> name_column(["time", ""], 0), name_column(["time", ""], 1)
    ('time', 'B')
    """
    heading = headings[column] if column < len(headings) else ""
    if heading:
        return heading
    letters, rest = "", column + 1
    while rest:
        rest, letter = divmod(rest - 1, 26)
        letters = chr(65 + letter) + letters
    return letters


def _find_data(table: Table) -> tuple[int, int]:
    """Position of the first row that holds a time, and that time's column; 0 and 0 when none does."""
    for position, row in enumerate(table.rows[:SAMPLED_ROWS]):
        for column, cell in enumerate(row):
            if len(row) > 1 and _is_time(cell):
                return position, column
    return 0, 0


def _is_time(cell: Cell) -> bool:
    if not isinstance(cell, str) or not cell.isdigit():
        for order in (DAY_FIRST, MONTH_FIRST):
            try:
                read_time(cell, order)
            except TimeError:
                continue
            return True
    return False


def _find_values(table: Table, sample: range, time_column: int) -> int:
    """The column that holds most numbers in these rows; of equals one that varies, and follows the times."""

    def weigh(column: int) -> tuple[int, bool, bool]:
        cells = [table.cell(row, column) for row in sample]
        numbers = [cell for cell in cells if _is_number(cell) and not _is_time(cell)]
        return len(numbers), len(set(numbers)) > 1, column > time_column

    columns = [column for column in range(table.width) if column != time_column]
    return max(columns, key=weigh, default=time_column)


def _is_number(cell: Cell) -> bool:
    for decimal in DECIMALS:
        try:
            number = read_number(cell, decimal)
        except NumberError:
            continue
        return number == number  # noqa: PLR0124 - NaN is no number
    return False


def _find_beliefs(headings: list[str], time_column: int, value_column: int) -> int:
    """The column whose heading speaks of when something was known, or one that is left."""
    left = [column for column in range(len(headings)) if column not in {time_column, value_column}]
    for column in left:
        if any(word in headings[column].lower() for word in _BELIEF_WORDS):
            return column
    return left[0] if left else time_column


def _find_zone(name: str) -> str:
    if name not in list_timezones():
        raise ChoiceError(
            "timezone",
            f"A time zone has a name of the IANA database, like Europe/Amsterdam; got {name[:60]!r}.",
        )
    return name


def _join(*places: object) -> str:
    return "/".join(map(str, places))


def _forget(given: Mapping[str, str], fields: tuple[str, ...], *places: object) -> Mapping[str, str]:
    """The choices without ``fields``, if these were suggested or made for another sheet or column."""
    seen = given.get("seen")
    here = _join(*places)
    if seen is None or seen == here or seen.startswith(f"{here}/"):
        return given
    return {name: text for name, text in given.items() if name not in fields}


def _one_of(given: Mapping[str, str], field: str, suggested: str, allowed: tuple[str, ...]) -> str:
    chosen = given.get(field, "") or suggested
    if chosen not in allowed:
        raise ChoiceError(field, f"{chosen[:60]!r} cannot be chosen here; choose one of the list.")
    return chosen


def _number(given: Mapping[str, str], field: str, suggested: int, low: int, high: int, what: str) -> int:
    text = given.get(field, "").strip()
    if not text:
        return suggested
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and low <= int(text) <= high):
        raise ChoiceError(field, f"For {what} a number from {low} to {high} was expected; got {text[:60]!r}.")
    return int(text)
