"""Series for a chart: what each source said about a sensor, as known at one time or at several.

Layer: services. Unlike ``query``, which answers with the one belief that counts, sources and kinds stay apart
here, and the resolution is chosen so that a long period stays quick to draw.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gridlore.domain.beliefs import Block
from gridlore.domain.errors import PeriodError
from gridlore.domain.overlay import BeliefFilter, Picture, overlay
from gridlore.domain.resampling import downsample
from gridlore.domain.sensors import SOURCE_RANK, Sensor, Source, SourceKind
from gridlore.domain.timing import DAY, HOUR, FloatArray, Grid, standard_offset, to_datetime
from gridlore.services.directory import Directory
from gridlore.services.query import Query, Reading, coarser

MAX_FRAMES = 64
"""Times in one request at which to say what was known."""


class SeriesKind(StrEnum):
    """Whether something was said after the fact or before it."""

    MEASURED = "measured"
    FORECAST = "forecast"


@dataclass(frozen=True, slots=True)
class SeriesQuery:
    """What to draw: ``start <= t < end`` [µs since epoch], with about ``points`` points for each series.

    ``priors``: as known at each of these times [µs since epoch]; None is: everything known by now.
    ``min_horizon``: forecasts made at least that long before the event's end [µs].
    """

    start: int
    end: int
    points: int
    priors: tuple[int | None, ...] = (None,)
    min_horizon: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """What one source said, on the sensor's own grid."""

    kind: SeriesKind
    source: Source
    picture: Picture


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Every series that says anything, as known at ``prior``; measured ones first."""

    prior: int | None
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """What to draw: ``frames`` in the order asked for; ``fine`` is their grid, ``grid`` the drawn one.

    ``first_known``, ``last_known``: when the earliest and the latest of these beliefs was held, None when
    nothing is known. [µs since epoch]
    """

    sensor: Sensor
    fine: Grid
    grid: Grid
    frames: tuple[Frame, ...]
    first_known: int | None
    last_known: int | None

    @property
    def factor(self) -> int:
        """Events in a drawn bin."""
        return self.grid.resolution // self.fine.resolution

    def values(self, series: Series) -> FloatArray:
        """What to draw of a series, shape (grid.count,), NaN where nothing is known."""
        drawn: FloatArray = downsample(series.picture.values, self.factor) + 0.0
        return drawn

    def reading(self, name: str, series: Series) -> Reading:
        """A series at the drawn resolution, with belief times, under a name."""
        return coarser(Reading(name, self.sensor, self.fine, series.picture), self.factor)


COARSEST_WITHIN_DAYS = 3 * HOUR
"""Means over more of a day than this are drawn as means of whole days: steps of six hours cut the daily
rhythm of sun and load into teeth."""


def choose_resolution(resolution: int, span: int, points: int) -> int:
    """The finest multiple of ``resolution`` that divides a day and fits ``span`` in ``points``, or a day.

    >>> from gridlore.domain.timing import MINUTE
    >>> [choose_resolution(15 * MINUTE, days * DAY, 1500) // MINUTE for days in (7, 31, 180, 365)]
    [15, 30, 180, 1440]
    """
    per_day = max(1, DAY // resolution)
    for slots in range(1, per_day):
        bin_ = slots * resolution
        if per_day % slots == 0 and span <= bin_ * points and (slots == 1 or bin_ <= COARSEST_WITHIN_DAYS):
            return bin_
    return per_day * resolution


def drawn_grid(sensor: Sensor, start: int, end: int, points: int) -> Grid:
    """The bins to draw: counted from midnight, standard time, in the sensor's time zone."""
    resolution = choose_resolution(sensor.resolution, end - start, points)
    shift = -standard_offset(sensor.timezone, to_datetime(start).year)
    offset = shift - (shift - sensor.grid_offset) % sensor.resolution  # always a start of the sensor's own
    return Grid.covering(start, end, resolution, offset)


def draw_series(query: Query, directory: Directory, sensor: Sensor, asked: SeriesQuery) -> Chart:
    """What each source measured and forecast, at each of the times asked about.

    Raises
    ------
    PeriodError
        That is more than one request may read.
    """
    if len(asked.priors) > MAX_FRAMES:
        raise PeriodError(f"At most {MAX_FRAMES} priors can be asked about at once; got {len(asked.priors)}.")
    grid = drawn_grid(sensor, asked.start, asked.end, asked.points)
    fine = Grid(grid.start, sensor.resolution, grid.count * (grid.resolution // sensor.resolution))
    blocks = query.read_blocks(
        sensor, fine, times=len(asked.priors), joined=all(prior is None for prior in asked.priors)
    )
    by_source = split_by_source(directory, blocks)
    frames = tuple(
        Frame(prior, tuple(_draw(by_source, fine, prior, asked.min_horizon))) for prior in asked.priors
    )
    first, last = _span_of_beliefs(blocks, fine)
    return Chart(sensor, fine, grid, frames, first, last)


def split_by_source(directory: Directory, blocks: Sequence[Block]) -> list[tuple[Source, list[Block]]]:
    """The blocks of each source, those trusted most first."""
    found: defaultdict[int, list[Block]] = defaultdict(list)
    for block in blocks:
        found[block.source_id].append(block)
    nameless = {id_: Source(id_, SourceKind.SCRIPT, f"source {id_}", None) for id_ in found}
    sources = [directory.sources.get(id_, nameless[id_]) for id_ in found]
    sources.sort(key=lambda source: (SOURCE_RANK[source.kind], source.id))
    return [(source, found[source.id]) for source in sources]


def _draw(
    by_source: Sequence[tuple[Source, list[Block]]], grid: Grid, prior: int | None, min_horizon: int
) -> Iterator[Series]:
    filters = (
        (SeriesKind.MEASURED, BeliefFilter(prior, max_horizon=0)),
        (SeriesKind.FORECAST, BeliefFilter(prior, min_horizon=max(1, min_horizon))),
    )
    for kind, only in filters:
        for source, blocks in by_source:
            picture = overlay(blocks, grid, only)
            if picture.sources.any():
                yield Series(kind, source, picture)


def _span_of_beliefs(blocks: Sequence[Block], grid: Grid) -> tuple[int | None, int | None]:
    """When the earliest and the latest belief about a grid's events was held. [µs since epoch]"""
    spans = []
    for block in blocks:
        first = max(0, (grid.start - block.start) // block.resolution)
        last = min(block.values.size, (grid.end - block.start) // block.resolution)
        if first >= last:
            continue
        if block.belief_times is not None:
            known = block.belief_times[first:last]
            spans.append((int(known.min()), int(known.max())))
        elif block.belief_horizon is not None:
            end = block.start - block.belief_horizon
            spans.append((end + (first + 1) * block.resolution, end + last * block.resolution))
        elif block.belief_time is not None:
            spans.append((block.belief_time, block.belief_time))
    if not spans:
        return None, None
    return min(first for first, _ in spans), max(last for _, last in spans)
