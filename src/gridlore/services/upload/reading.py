"""Judge every row of a file: what it says about which event, or what is wrong with it.

Layer: services. Rows are told by the numbers that spreadsheets show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from gridlore.domain.sensors import Direction, Sensor
from gridlore.domain.timing import (
    DAY,
    HOUR,
    FloatArray,
    IntArray,
    Timing,
    format_span,
    to_datetime,
    to_instant,
)
from gridlore.services.upload.choices import END, Choices, list_headings, name_column
from gridlore.services.upload.numbers import NumberError, read_number
from gridlore.services.upload.table import Cell, ChoiceError, Table
from gridlore.services.upload.times import TimeError, read_instants
from gridlore.services.upload.units import list_conversions

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a row."""

    row: int
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What a file says.

    ``rows``: number of each row of data, shape (n,); ``starts``, ``ends``, ``values``, ``belief_times``
    likewise, of every row: 0 and NaN where there is none. ``good``, in order of belief and event: positions
    of rows to store. ``belief_times`` is None unless a column holds them. ``resolution``: how long most
    values last; ``missing``: intervals of that length between others that have no value.
    """

    rows: IntArray
    starts: IntArray
    ends: IntArray
    values: FloatArray
    belief_times: IntArray | None
    good: IntArray
    resolution: int
    problems: tuple[Problem, ...]
    empty: int
    repeated: int
    missing: int

    @property
    def period(self) -> tuple[int, int] | None:
        """Start of the first event and end of the last; None without any. [µs since epoch]"""
        if not self.good.size:
            return None
        return int(self.starts[self.good].min()), int(self.ends[self.good].max())

    def count_late(self, timing: Timing | None) -> int:
        """How many of the good rows were known only when their interval was over; None: as a column says."""
        ends = self.ends[self.good]
        if timing is None and self.belief_times is not None:
            return int((self.belief_times[self.good] >= ends).sum())
        if timing is None or timing.belief_time is None:
            return 0
        return int((ends <= timing.belief_time).sum())


@dataclass(slots=True, eq=False)
class _Judgement:
    """The rows of a table while they are judged; ``bad`` has what is wrong, by position.

    ``timed``: whether a row has a time, whatever else is wrong with it.
    """

    rows: IntArray
    starts: IntArray
    timed: BoolArray
    values: FloatArray
    belief_times: IntArray | None
    bad: dict[int, str] = field(default_factory=dict)

    def complain(self, position: int, text: str) -> None:
        self.bad.setdefault(position, text)

    def sound(self) -> BoolArray:
        """Rows with nothing wrong, so far."""
        sound = np.ones(self.rows.size, dtype=np.bool_)
        sound[list(self.bad)] = False
        return sound


def read_rows(table: Table, choices: Choices, sensor: Sensor, now: int) -> Reading:
    """What the rows say, and which of them cannot be stored.

    Parameters
    ----------
    now : int
        Nothing that ends later has been measured. [µs since epoch]

    Raises
    ------
    ChoiceError
        The file as a whole does not fit the sensor, or was chosen to be read in a way that cannot be.
    """
    judgement = _read_columns(table, choices)
    resolution = _find_resolution(judgement, choices, sensor)
    ends = _find_ends(judgement, choices, sensor, resolution)
    conversion = next(found for found in list_conversions(sensor) if found.unit == choices.unit)
    with np.errstate(over="ignore"):
        judgement.values = conversion.convert(judgement.values, ends - judgement.starts)
    known = ~np.isnan(judgement.values)
    _check_grid(judgement, sensor)
    _check_values(judgement, sensor)
    if choices.is_measured:
        for position in np.flatnonzero(judgement.sound() & (ends > now)):
            judgement.complain(int(position), "lies in the future, and cannot have been measured")
    usable = np.flatnonzero(judgement.sound() & known)
    keys = judgement.starts * 0 if judgement.belief_times is None else judgement.belief_times
    order = usable[np.lexsort((usable, judgement.starts[usable], keys[usable]))]
    good, repeated = _check_neighbours(judgement, ends, keys, order)
    problems = tuple(
        Problem(int(judgement.rows[position]), text) for position, text in sorted(judgement.bad.items())
    )
    by_start = np.sort(judgement.starts[good])
    between = by_start[1:] - np.sort(ends[good])[:-1]
    missing = int(np.rint(between[between > 0] / resolution).sum())
    return Reading(
        judgement.rows,
        judgement.starts,
        ends,
        judgement.values,
        judgement.belief_times,
        good,
        resolution,
        problems,
        int((judgement.sound() & ~known).sum()),
        repeated,
        missing,
    )


def _read_columns(table: Table, choices: Choices) -> _Judgement:
    """Times and values of each row, in the file's unit."""
    first = next(i for i, number in enumerate(table.numbers) if number >= choices.first_row)
    positions = range(first, len(table.rows))
    headings = list_headings(table, choices.first_row)
    value_name = name_column(headings, choices.value_column)
    count = len(positions)
    judgement = _Judgement(
        np.array(table.numbers[first:], dtype=np.int64),
        np.zeros(count, dtype=np.int64),
        np.ones(count, dtype=np.bool_),
        np.full(count, np.nan),
        None if choices.belief_column is None else np.zeros(count, dtype=np.int64),
    )
    groups: Sequence[Cell] | None = None
    if choices.belief_column is not None and judgement.belief_times is not None:
        groups = [table.cell(row, choices.belief_column) for row in positions]
        beliefs = read_instants(groups, choices.clock, range(count))
        name = name_column(headings, choices.belief_column)
        _take(judgement, judgement.belief_times, beliefs, name)
    cells = [table.cell(row, choices.time_column) for row in positions]
    instants = read_instants(cells, choices.clock, groups)
    _take(judgement, judgement.starts, instants, name_column(headings, choices.time_column))
    judgement.timed = judgement.sound()
    for position, row in enumerate(positions):
        try:
            judgement.values[position] = read_number(table.cell(row, choices.value_column), choices.decimal)
        except NumberError as error:
            judgement.complain(position, f"{error} in column {value_name}")
    return judgement


def _take(judgement: _Judgement, into: IntArray, instants: Sequence[int | TimeError], name: str) -> None:
    for position, instant in enumerate(instants):
        if isinstance(instant, TimeError):
            told = str(instant)
            judgement.complain(
                position, f"{name} {told}" if told.startswith('"') else f"{told} in column {name}"
            )
        else:
            into[position] = instant


def _find_resolution(judgement: _Judgement, choices: Choices, sensor: Sensor) -> int:
    """How long each value lasts: as far as most rows are apart. [µs]"""
    starts = np.unique(judgement.starts[judgement.timed])
    fitting = starts[(starts - sensor.grid_offset) % sensor.resolution == 0]
    if fitting.size * 2 >= starts.size:  # a few rows beside the grid are these rows' problem
        starts = fitting
    if starts.size < 2 or choices.same_length:
        return sensor.resolution
    apart, counts = np.unique(np.diff(starts), return_counts=True)
    resolution = int(apart[counts.argmax()])  # the shortest of equals
    if resolution % sensor.resolution:
        raise ChoiceError(
            "time_column",
            f"Most rows are {format_span(resolution)} apart; this sensor takes a value every "
            f"{format_span(sensor.resolution)}, or one for a multiple of that, which is then repeated.",
        )
    return resolution


def _find_ends(judgement: _Judgement, choices: Choices, sensor: Sensor, resolution: int) -> IntArray:
    """End of each row's interval; of an interval that its time ends, the start is found. [µs since epoch]

    Days last as long as they do on the clock of the time zone, if the sensor's intervals can follow it.
    """
    marked, step = judgement.starts, -1 if choices.marks == END else 1
    other = marked + step * resolution
    if resolution == DAY and HOUR % sensor.resolution == 0:
        zone = ZoneInfo(choices.timezone)
        days = [to_instant(to_datetime(instant, zone) + timedelta(days=step)) for instant in marked.tolist()]
        other = np.array(days, dtype=np.int64)
    if step > 0:
        return other
    judgement.starts = other
    return marked


def _check_grid(judgement: _Judgement, sensor: Sensor) -> None:
    beside = (judgement.starts - sensor.grid_offset) % sensor.resolution
    for position in np.flatnonzero(judgement.sound() & (beside != 0)):
        judgement.complain(
            int(position),
            f"its interval begins {format_span(int(beside[position]))} after one of the sensor's, which last "
            f"{format_span(sensor.resolution)}",
        )


def _check_values(judgement: _Judgement, sensor: Sensor) -> None:
    """Values must be finite still, and have a sign the sensor can have."""
    for position in np.flatnonzero(np.isinf(judgement.values)):
        judgement.complain(int(position), "its value is too large")
    wrong = {
        Direction.CONSUMER: (judgement.values < 0, "negative (production), and this is a pure consumer"),
        Direction.PRODUCER: (judgement.values > 0, "positive (consumption), and this is a pure producer"),
    }.get(sensor.direction)
    if wrong is not None:
        for position in np.flatnonzero(wrong[0]):
            value = float(judgement.values[position])
            judgement.complain(int(position), f"{value:g} {sensor.unit} is {wrong[1]}")


def _check_neighbours(
    judgement: _Judgement, ends: IntArray, keys: IntArray, order: IntArray
) -> tuple[IntArray, int]:
    """Positions of rows to store, and how many say again what another one says.

    ``order``: positions, sorted by key and event; rows of one key are about one story.
    """
    good: list[int] = []
    repeated = 0
    starts, values = judgement.starts, judgement.values
    for position in map(int, order):
        before = good[-1] if good else None
        if before is None or keys[before] != keys[position]:
            good.append(position)
            continue
        apart = int(starts[position] - starts[before])
        if starts[position] >= ends[before]:
            good.append(position)
        elif apart == 0 and values[position] == values[before]:
            repeated += 1
        elif apart == 0:
            judgement.complain(
                position, f"says another value about the same time as row {int(judgement.rows[before])}"
            )
        else:
            judgement.complain(
                position,
                f"begins {format_span(apart)} after row {int(judgement.rows[before])}, whose value lasts "
                f"{format_span(int(ends[before] - starts[before]))}",
            )
    return np.array(good, dtype=np.int64), repeated
