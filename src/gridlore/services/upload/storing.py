"""Make commands of what a file says: one for each run of events without a gap, known at one time.

Layer: services.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from gridlore.domain.commands import PostCommand, PostedGroup
from gridlore.domain.sensors import Sensor
from gridlore.domain.timing import IntArray, Timing
from gridlore.services.upload.reading import Reading
from gridlore.services.upload.table import FileError

MAX_RUNS = 20_000


def make_commands(reading: Reading, sensor: Sensor, address: str, timing: Timing | None) -> list[PostCommand]:
    """Commands that together post the good rows.

    Parameters
    ----------
    timing : Timing or None
        When all values were known; None when each row says so.

    Raises
    ------
    FileError
        The rows are too scattered.
    """
    good = reading.good
    starts, ends = reading.starts[good], reading.starts[good] + reading.resolution
    if timing is not None or reading.belief_times is None:
        known, rolling = np.zeros(good.size, dtype=np.int64), False
    else:
        known, rolling = reading.belief_times[good], False
        # What is forecast anew all the time makes long runs only by how long ahead it was known. (A value
        # that is repeated for several events was known at one time, not each so long before its own end.)
        if reading.resolution == sensor.resolution and _count(
            starts, ends - known, reading.resolution
        ) < _count(starts, known, reading.resolution):
            known, rolling = ends - known, True
    order = np.lexsort((starts, known))
    commands = []
    for run in _split(starts[order], known[order], reading.resolution):
        members = order[run]
        key = int(known[members[0]])
        own = timing or (Timing(belief_horizon=key) if rolling else Timing(belief_time=key))
        group = PostedGroup((address,), reading.values[good[members]])
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
