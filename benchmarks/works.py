"""Everything that is measured, and the rows each piece of work promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks import all_connections, feeding, growth, pages, posting, reading
from benchmarks.rows import Row
from benchmarks.workbench import Workbench


@dataclass(frozen=True, slots=True)
class Work:
    """One piece of work, in a database of its own unless its rows say otherwise, on each store."""

    rows: tuple[str, ...]
    measure: Callable[[Workbench], Iterator[Row]]
    needs_postgres: bool = False


FSYNC = "fsync"
"""The row about the machine alone."""

WORKS = (
    Work(("day-posts", "bytes-per-value"), posting.measure_days),
    Work(
        (
            "single-posts",
            *(f"latency-{clients}-p{percent}" for clients in (8, 64) for percent in (50, 99)),
        ),
        posting.measure_singles,
    ),
    Work(("year-posts",), posting.measure_years, needs_postgres=True),
    Work(("get-year", "get-year-horizon"), reading.measure_years),
    Work(("get-year-of-singles",), feeding.measure_feeding),
    Work(("dashboard",), reading.measure_dashboard),
    Work(("big-message", "latest-values"), all_connections.measure_all_connections),
    Work(tuple(pages.PAGES), pages.measure_pages),
    Work(growth.ROWS, growth.measure_growth),
)

NAMES = (FSYNC, *(name for work in WORKS for name in work.rows))
"""Every row, in the order of the table."""
