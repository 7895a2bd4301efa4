"""Read values: the belief that counts about each event, latest values, and the history itself.

Layer: services. The checks that need the directory, in the contract's order: source, addresses, access,
resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gridlore.domain.beliefs import MAX_BLOCK_VALUES, Block
from gridlore.domain.commands import MAX_SENSORS, ReadQuery
from gridlore.domain.errors import ConnectionGroupError, PeriodError, ResolutionError
from gridlore.domain.heads import Head
from gridlore.domain.overlay import EVERYTHING, BeliefFilter, Picture, overlay
from gridlore.domain.resampling import downsample
from gridlore.domain.sensors import Sensor, User
from gridlore.domain.timing import NEVER, FloatArray, Grid, IntArray, format_span
from gridlore.services.directory import Directory
from gridlore.store.interface import Store, Window

LONGEST_STEP = 16 * MAX_BLOCK_VALUES
"""How many event slots of a history are read at a time at most, if no more are asked for."""

BeliefKey = tuple[int, int, int]
"""Event start, belief time [µs since epoch] and source id: the place of a belief in the history."""


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What is believed about one sensor's events.

    ``name`` is the sensor as the client named it; ``grid`` the answered slots (bins when downsampled);
    ``picture`` has shape (grid.count,). A bin's belief time is the newest in it, its source 0 when it
    has several.
    """

    name: str
    sensor: Sensor
    grid: Grid
    picture: Picture

    @property
    def values(self) -> FloatArray:
        """Shape (grid.count,), NaN where unknown; shape (0,) when nothing at all is known."""
        values = self.picture.values
        return values[:0] if np.isnan(values).all() else values + 0.0


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """A page of beliefs about one sensor, in order of event, belief time and source; shape (n,) each.

    ``following`` is the key of the last belief when there are more, else None.
    """

    sensor: Sensor
    event_starts: IntArray
    belief_times: IntArray
    source_ids: IntArray
    values: FloatArray
    recorded_at: IntArray
    following: BeliefKey | None


class Query:
    """Reads the store.

    Parameters
    ----------
    max_slots : int
        Event slots that one request may ask for, over all sensors.
    max_sensors : int
        Sensors that one request may name.
    """

    def __init__(self, store: Store, *, max_slots: int, max_sensors: int = MAX_SENSORS) -> None:
        self._store = store
        self._max_sensors = max_sensors
        self._max_slots = max_slots

    def read(self, directory: Directory, user: User, query: ReadQuery) -> list[Reading]:
        """One reading per address, in order of request.

        Raises
        ------
        GridloreError
            What the contract answers.
        """
        source_ids = self._find_sources(directory, user, query)
        if len(query.addresses) > self._max_sensors:
            raise ConnectionGroupError(
                f"A request may read at most {self._max_sensors} sensors; got {len(query.addresses)}. "
                "Ask in parts."
            )
        sensors = directory.find_sensors(user, query.kind, query.addresses)
        resolution = None if query.resolution is None else query.resolution()
        _check_resolution(query.addresses, sensors, resolution)
        grids = [sensor.grid(query.start, query.end) for sensor in sensors]
        self._check_slots(sum(grid.count for grid in grids))
        found = self._store.read_blocks(
            [_window(sensor, grid, query.only) for sensor, grid in zip(sensors, grids, strict=True)],
            source_ids,
        )
        own = directory.source_of(user).id
        readings = []
        for name, sensor, grid, blocks in zip(query.addresses, sensors, grids, found, strict=True):
            picture = overlay(blocks, grid, query.only, sources=directory.sources, own_source_id=own)
            factor = 1 if resolution is None else resolution // sensor.resolution
            readings.append(coarser(Reading(name, sensor, grid, picture), factor))
        return readings

    def read_heads(self, sensors: Sequence[Sensor]) -> dict[int, Head]:
        """What is known of sensors without reading blocks, by sensor id."""
        heads = self._store.read_heads([sensor.id for sensor in sensors])
        return {sensor.id: heads.get(sensor.id) or Head(sensor.id) for sensor in sensors}

    def read_blocks(
        self, sensor: Sensor, grid: Grid, *, times: int = 1, joined: bool = True
    ) -> Sequence[Block]:
        """All that is known about a sensor's events, to be overlaid ``times`` times.

        ``joined``: as in store.interface.Window; what is joined tells less of when it was known, and nothing
        of when it arrived.

        Raises
        ------
        PeriodError
            Together these are more slots than one request may read.
        """
        self._check_slots(grid.count * times)
        (blocks,) = self._store.read_blocks([_window(sensor, grid, joined=joined)])
        return blocks

    def read_history(
        self, directory: Directory, user: User, query: ReadQuery, *, limit: int, after: BeliefKey | None
    ) -> History:
        """Every belief about the events of a period, ``limit`` at a time, those following ``after``.

        The period is gone through in steps that grow: where little is known, the store is asked seldom.
        """
        source_ids = self._find_sources(directory, user, query)
        (sensor,) = directory.find_sensors(user, query.kind, query.addresses)
        grid = sensor.grid(query.start, query.end)
        self._check_slots(grid.count)
        first = 0 if after is None else max(0, (after[0] - grid.start) // grid.resolution)
        pages: list[tuple[IntArray, IntArray, IntArray, FloatArray, IntArray]] = []
        collected, step = 0, limit
        while first < grid.count and collected <= limit:
            part = Grid(grid.start + first * grid.resolution, grid.resolution, min(step, grid.count - first))
            (blocks,) = self._store.read_blocks([_window(sensor, part, query.only, joined=False)], source_ids)
            page = _beliefs(blocks, part, query, after)
            pages.append(page)
            collected += page[0].size
            first += part.count
            step = max(limit, min(2 * step, LONGEST_STEP))
        columns = [np.concatenate(column) for column in zip(*pages, strict=True)] if pages else []
        if not columns:
            empty = np.zeros(0, dtype=np.int64)
            return History(sensor, empty, empty, empty, np.zeros(0), empty, None)
        following = None
        if collected > limit:
            columns = [column[:limit] for column in columns]
            following = (int(columns[0][-1]), int(columns[1][-1]), int(columns[2][-1]))
        return History(sensor, columns[0], columns[1], columns[2], columns[3], columns[4], following)

    def _find_sources(self, directory: Directory, user: User, query: ReadQuery) -> set[int] | None:
        if query.sources is not None:
            return directory.find_sources(query.sources)
        return directory.measuring_sources(user) if query.measured_sources else None

    def _check_slots(self, count: int) -> None:
        if count > self._max_slots:
            raise PeriodError(
                f"A request may read at most {self._max_slots} event slots; this one asks for {count}. "
                "Ask for a shorter duration, or for fewer sensors at a time."
            )


def _window(sensor: Sensor, grid: Grid, only: BeliefFilter = EVERYTHING, *, joined: bool = True) -> Window:
    prior = only.prior if isinstance(only.prior, int) else None
    return Window(sensor.id, grid.start, grid.end, sensor.resolution, known_until=prior, joined=joined)


def _check_resolution(names: Sequence[str], sensors: Sequence[Sensor], resolution: int | None) -> None:
    if resolution is None:
        return
    for name, sensor in zip(names, sensors, strict=True):
        if resolution % sensor.resolution:
            own = format_span(sensor.resolution)
            raise ResolutionError(
                f"Only the following resolutions in the data are supported: {own} or a multiple hereof. "
                f"Got {format_span(resolution)} for {name}."
            )


def coarser(reading: Reading, factor: int) -> Reading:
    """The reading at a resolution ``factor`` times coarser: means, and the newest belief time of each bin."""
    if factor == 1:
        return reading
    picture, grid = reading.picture, reading.grid
    width = min(factor, grid.count)
    bins = -(-grid.count // width)

    def table(values: IntArray, filler: int) -> IntArray:
        padded = np.full(bins * width, filler, dtype=np.int64)
        padded[: values.size] = values
        return padded.reshape(bins, width)

    sources = table(picture.sources, 0)
    highest = sources.max(axis=1)
    lowest = np.where(sources == 0, highest[:, None], sources).min(axis=1)
    coarse = Picture(
        downsample(picture.values, width),
        table(picture.times, NEVER).max(axis=1),
        np.where(lowest == highest, highest, 0),
    )
    return replace(reading, grid=Grid(grid.start, grid.resolution * factor, bins), picture=coarse)


def _beliefs(
    blocks: Sequence[Block], grid: Grid, query: ReadQuery, after: BeliefKey | None
) -> tuple[IntArray, IntArray, IntArray, FloatArray, IntArray]:
    """Columns of the beliefs about a grid's events that pass, in order, those following ``after``."""
    starts: list[IntArray] = [np.zeros(0, dtype=np.int64)]
    times: list[IntArray] = [np.zeros(0, dtype=np.int64)]
    sources: list[IntArray] = [np.zeros(0, dtype=np.int64)]
    values: list[FloatArray] = [np.zeros(0)]
    recorded: list[IntArray] = [np.zeros(0, dtype=np.int64)]
    for block in blocks:
        first = max(0, (grid.start - block.start) // block.resolution)
        last = min(block.values.size, (grid.end - block.start) // block.resolution)
        part = block.cut(first, last)
        kept = ~np.isnan(part.values)
        passed = query.only.passes(part.times(), part.grid.event_ends(), slice(None))
        if passed is not None:
            kept &= passed
        count = int(kept.sum())
        starts.append(part.grid.event_starts()[kept])
        times.append(part.times()[kept])
        sources.append(np.full(count, block.source_id))
        values.append(part.values[kept] + 0.0)
        recorded.append(np.full(count, block.recorded_at))
    start, time, source = np.concatenate(starts), np.concatenate(times), np.concatenate(sources)
    order = np.lexsort((source, time, start))
    if after is not None:
        later = (start > after[0]) | (
            (start == after[0]) & ((time > after[1]) | ((time == after[1]) & (source > after[2])))
        )
        order = order[later[order]]
    return (
        start[order],
        time[order],
        source[order],
        np.concatenate(values)[order],
        np.concatenate(recorded)[order],
    )
