"""Make commands of what a file says: one for each run of events without a gap, known at one time.

Layer: services.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from gridlore.domain.commands import PostCommand, PostedGroup
from gridlore.domain.errors import ValuesLimitError
from gridlore.domain.sensors import Sensor
from gridlore.domain.timing import IntArray, Timing
from gridlore.services.upload.reading import Reading
from gridlore.services.upload.table import FileError

MAX_RUNS = 20_000


def make_commands(
    reading: Reading, sensor: Sensor, address: str, timing: Timing | None, *, max_values: int
) -> list[PostCommand]:
    """Commands that together post the good rows, each value for as many of the sensor's events as it lasts.

    Parameters
    ----------
    timing : Timing or None
        When all values were known; None when each row says so.

    Raises
    ------
    FileError
        The rows are too scattered.
    ValuesLimitError
        They make more values than that.
    """
    good, resolution = reading.good, sensor.resolution
    counts = (reading.ends[good] - reading.starts[good]) // resolution
    if int(counts.sum()) > max_values:
        raise ValuesLimitError(
            f"At most {max_values:,} values may be stored at once; these are {int(counts.sum()):,}. "
            "Upload the file in parts."
        )
    places = np.arange(int(counts.sum())) - (np.cumsum(counts) - counts).repeat(counts)
    starts = reading.starts[good].repeat(counts) + places * resolution
    ends, values = starts + resolution, reading.values[good].repeat(counts)
    known, rolling = np.zeros(starts.size, dtype=np.int64), False
    if timing is None and reading.belief_times is not None:
        # What is forecast anew all the time makes long runs only by how long ahead it was known.
        known = reading.belief_times[good].repeat(counts)
        if _count(starts, ends - known, resolution) < _count(starts, known, resolution):
            known, rolling = ends - known, True
    order = np.lexsort((starts, known))
    commands = []
    for run in _split(starts[order], known[order], resolution):
        members = order[run]
        key = int(known[members[0]])
        own = timing or (Timing(belief_horizon=key) if rolling else Timing(belief_time=key))
        group = PostedGroup((address,), values[members])
        commands.append(
            PostCommand(
                sensor.kind, sensor.unit, (group,), int(starts[members[0]]), int(ends[members[-1]]), own
            )
        )
        if len(commands) > MAX_RUNS:
            raise FileError(
                f"The rows fall into more than {MAX_RUNS:,} runs, with gaps between them or known at "
                "different times. Upload the file in parts."
            )
    return commands


def _breaks(starts: IntArray, known: IntArray, resolution: int) -> IntArray:
    """Positions, in sorted rows, at which a new run begins, but for the first."""
    return np.flatnonzero((np.diff(starts) != resolution) | (np.diff(known) != 0)) + 1


def _count(starts: IntArray, known: IntArray, resolution: int) -> int:
    order = np.lexsort((starts, known))
    return int(_breaks(starts[order], known[order], resolution).size)


def _split(starts: IntArray, known: IntArray, resolution: int) -> Iterator[slice]:
    edges = [0, *map(int, _breaks(starts, known, resolution)), starts.size]
    for first, last in pairwise(edges):
        if first < last:
            yield slice(first, last)
