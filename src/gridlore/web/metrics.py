"""What a process counts about itself.

Layer: web. Counting a request costs half a microsecond, where the Prometheus library's own counters cost
five (docs/adr/014). Requests are counted by the event loop, commits by the writer's thread: no number has
two writers, so nothing is locked.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from pathlib import Path

import msgspec

from gridlore.domain.commands import Receipt

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets of a histogram. [s]"""

_STATM = Path("/proc/self/statm")


class Durations(msgspec.Struct):
    """A histogram: how many durations fell between which bounds, and their sum [s]."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def count(self, seconds: float) -> None:
        """Add one."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def add(self, other: Durations) -> None:
        """Add all of another's."""
        self.counts = [one + more for one, more in zip(self.counts, other.counts, strict=True)]
        self.total += other.total


class Totals(msgspec.Struct):
    """What one process has counted of its store's work."""

    commits: Durations = msgspec.field(default_factory=Durations)
    batches: int = 0
    blocks: int = 0
    stored: int = 0
    unchanged: int = 0


class Figures(msgspec.Struct):
    """Everything that one process tells: what it has counted, and how it is now.

    ``requests``: route, method, status, and how long they took. ``cpu_seconds`` [s], ``memory_bytes`` and
    ``queued_bytes`` [bytes]; ``memory_bytes`` is None where the system does not tell.
    """

    worker: int
    requests: list[tuple[str, str, int, Durations]]
    totals: Totals
    queued_batches: int
    queued_bytes: int
    cpu_seconds: float
    memory_bytes: int | None


class Tally:
    """Counts, for one process."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str, int], Durations] = {}
        self._totals = Totals()

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request, and how long it took."""
        key = (route, method, status)
        durations = self._requests.get(key)
        if durations is None:
            durations = self._requests[key] = Durations()
        durations.counts[bisect_left(BOUNDS, seconds)] += 1
        durations.total += seconds

    def count_values(self, receipt: Receipt) -> None:
        """The values of a post that was stored."""
        self._totals.stored += receipt.stored
        self._totals.unchanged += receipt.unchanged

    def count_commit(self, seconds: float, batches: int, blocks: int) -> None:
        """A commit of the writer."""
        self._totals.commits.count(seconds)
        self._totals.batches += batches
        self._totals.blocks += blocks

    def figures(self, queued_batches: int, queued_bytes: int) -> Figures:
        """All of it, with how much waits for the writer."""
        requests = [(*key, durations) for key, durations in list(self._requests.items())]
        return Figures(
            worker=os.getpid(),
            requests=requests,
            totals=self._totals,
            queued_batches=queued_batches,
            queued_bytes=queued_bytes,
            cpu_seconds=time.process_time(),
            memory_bytes=_resident_memory(),
        )


def _resident_memory() -> int | None:
    """How much of this process is in memory. [bytes]"""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
