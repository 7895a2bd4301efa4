"""How good each source's forecasts of a sensor were, by how long before the fact they were made.

Layer: services. A forecast "24 hours ahead" is the newest one that was held at least 24 hours before the
end of the event: what somebody could have worked with then.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridlore.domain.overlay import BeliefFilter, overlay
from gridlore.domain.quality import Errors, measure_errors
from gridlore.domain.sensors import Sensor, Source
from gridlore.domain.timing import DAY, HOUR, MINUTE
from gridlore.services.directory import Directory
from gridlore.services.query import Query
from gridlore.services.series import split_by_source

HORIZONS = (15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR, 48 * HOUR, 7 * DAY)
"""How long ahead forecasts are judged. [µs]"""

FEW = 30
"""Below so many events, errors say little."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Errors of one source's forecasts, at each of the horizons."""

    source: Source
    errors: tuple[Errors, ...]


@dataclass(frozen=True, slots=True)
class Quality:
    """Forecasts against measurements: ``measured`` events of ``slots`` are known.

    ``horizons``: how long ahead at least; those shorter than the sensor's resolution are left out. [µs]
    """

    slots: int
    measured: int
    horizons: tuple[int, ...]
    judgements: tuple[Judgement, ...]


def judge_forecasts(query: Query, directory: Directory, sensor: Sensor, start: int, end: int) -> Quality:
    """How far the forecasts about ``start <= t < end`` [µs since epoch] lay from what was measured.

    Measured is what getMeterData would take of all sources: held after the fact, users first. A source
    without any forecast made early enough for the shortest horizon is not listed.

    Raises
    ------
    PeriodError
        That is more than one request may read.
    """
    grid = sensor.grid(start, end)
    blocks = query.read_blocks(sensor, grid)
    measured = overlay(blocks, grid, BeliefFilter(max_horizon=0), sources=directory.sources)
    horizons = tuple(horizon for horizon in HORIZONS if horizon >= sensor.resolution)
    judgements = []
    for source, own in split_by_source(directory, blocks):
        pictures = [overlay(own, grid, BeliefFilter(min_horizon=horizon)) for horizon in horizons]
        if any(picture.sources.any() for picture in pictures):
            errors = tuple(measure_errors(picture.values, measured.values) for picture in pictures)
            judgements.append(Judgement(source, errors))
    return Quality(grid.count, int((measured.sources != 0).sum()), horizons, tuple(judgements))
