"""What is told, and whether it is flat."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from tests.soak.load import Period, percentile

PERIODS = 30
"""Lines of the table; a minute each when it lasts half an hour."""

THIRD = PERIODS // 3

MEDIAN_DRIFT, MEDIAN_GRACE = 1.25, 0.001
"""What the median of the last third may be: so many times the first's, and so much more. Medians are a few
milliseconds and rest on thousands of requests; a neighbour on the machine moves them by tenths of one. [s]"""

TAIL_DRIFT, TAIL_GRACE = 1.5, 0.020
"""The same for p99. It is made of fsyncs, checkpoints and requests that met a log-in: a few slow seconds of a
disk or of a neighbour are one in a hundred of a third, and are no trend of the server. [s]"""

COST_DRIFT = 1.5
"""The same for the processor time of a request, which a larger database and a slower machine raise too; the
yardstick beside it tells of the machine."""

FEW = 200
"""A kind with fewer requests in a third is shown and not judged; p99 needs ten times as many."""

MEMORY_GROWTH, MEMORY_GRACE = 0.05, 8.0
"""What the memory of the last periods may be above that at the end of the first third; the grace is what a
few large answers at once leave with the allocator. [MiB]"""

BUSY = 0.9
"""A client that uses more of its core measures itself. [part]"""

ALL = "all"


def join(periods: Sequence[Period]) -> dict[str, list[float]]:
    """Latencies of several periods by kind, and of all kinds. [s]"""
    kinds = {kind: None for period in periods for kind in period.latencies}
    joined = {
        kind: [seconds for period in periods for seconds in period.latencies.get(kind, ())] for kind in kinds
    }
    return joined | {ALL: [seconds for latencies in joined.values() for seconds in latencies]}


def median_memory(periods: Sequence[Period]) -> float:
    """The server's own memory in the middle of some periods. [MiB]"""
    samples = [sample for period in periods for sample in period.memory]
    return statistics.median(samples) if samples else math.nan


def find_faults(periods: Sequence[Period], busy: float) -> list[str]:
    """Why it does not pass; nothing when it does. ``busy``: part of its core that the client used."""
    errors = [error for period in periods for error in period.errors]
    faults = [f"an error: {error}" for error in errors[:10]]
    first, last = join(periods[:THIRD]), join(periods[-THIRD:])
    for kind in last:
        for part, drift, grace, few in (
            (50, MEDIAN_DRIFT, MEDIAN_GRACE, FEW),
            (99, TAIL_DRIFT, TAIL_GRACE, 10 * FEW),
        ):
            if min(len(first.get(kind, ())), len(last[kind])) < few:
                continue
            before, after = percentile(first[kind], part), percentile(last[kind], part)
            if after > before * drift + grace:
                faults.append(f"{kind}: p{part} rises from {before * 1000:.1f} to {after * 1000:.1f} ms")
    costs = compare_costs(periods)["request"]
    if costs[1] > costs[0] * COST_DRIFT:
        faults.append(f"a request takes {costs[1]} ms of the server's core, and took {costs[0]}")
    before, after = median_memory(periods[THIRD - 1 : THIRD + 2]), median_memory(periods[-3:])
    if after > before * (1 + MEMORY_GROWTH) + MEMORY_GRACE:
        faults.append(f"memory rises from {before:.1f} to {after:.1f} MiB in the last two thirds")
    if busy > BUSY:
        faults.append(f"the client was busy for {busy:.0%} of the time, so latencies are its own")
    return faults


HEADING = (
    "period  requests  errors    late  p50 ms  p99 ms  max ms  memory MiB  busy  ms of core  yardstick ms"
)


def show_period(number: int, period: Period) -> str:
    """A line of the table."""
    latencies = join([period])[ALL]
    shown = "".join(f"{percentile(latencies, rank) * 1000:8.1f}" for rank in (50, 99, 100))
    return (
        f"{number + 1:6d}  {period.count:8d}  {len(period.errors):6d}  {period.late:6d}{shown}  "
        f"{median_memory([period]):10.1f}  {part(period.cpu, period.seconds):4.0%}"
        f"{part(period.cpu, period.count) * 1000:12.2f}{median_yardstick([period]) * 1000:14.2f}"
    )


def part(some: float, of: float) -> float:
    """How much of one there is for each of the other; NaN where there is none."""
    return some / of if of else math.nan


def median_yardstick(periods: Sequence[Period]) -> float:
    """How long the fixed piece of work took. [s]"""
    samples = [sample for period in periods for sample in period.yardstick]
    return statistics.median(samples) if samples else math.nan


def compare_costs(periods: Sequence[Period]) -> dict[str, list[float]]:
    """Processor time of a request in the server, and of the fixed piece of work, in both thirds. [ms]"""
    thirds = (periods[:THIRD], periods[-THIRD:])
    request = [
        part(sum(period.cpu for period in third), sum(period.count for period in third)) for third in thirds
    ]
    yardstick = [median_yardstick(third) for third in thirds]
    return {
        "request": [round(seconds * 1000, 3) for seconds in request],
        "yardstick": [round(seconds * 1000, 3) for seconds in yardstick],
    }


def compare_thirds(periods: Sequence[Period]) -> list[dict[str, object]]:
    """Count, p50 and p99 of each kind in the first third and in the last. [ms]"""
    first, last = join(periods[:THIRD]), join(periods[-THIRD:])
    return [
        {
            "kind": kind,
            "requests": [len(first[kind]), len(last.get(kind, []))],
            **{
                f"p{part}": [
                    round(percentile(third.get(kind, []), part) * 1000, 2) for third in (first, last)
                ]
                for part in (50, 99)
            },
        }
        for kind in first
    ]


def show_thirds(rows: Sequence[dict[str, object]]) -> list[str]:
    """The same as lines of text."""
    lines = [f"{'first third → last':16s} {'requests':>16s} {'p50 ms':>16s} {'p99 ms':>18s}"]
    for row in rows:
        pairs = (row["requests"], row["p50"], row["p99"])
        shown = [f"{pair[0]} → {pair[1]}" for pair in pairs if isinstance(pair, list)]
        lines.append(f"{row['kind']!s:16s} {shown[0]:>16s} {shown[1]:>16s} {shown[2]:>18s}")
    return lines
