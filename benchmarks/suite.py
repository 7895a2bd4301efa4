"""One run: every work on every store, in temporary databases, with its progress told."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.databases import Databases, start_postgres
from benchmarks.extent import Extent
from benchmarks.machine import describe_machine, describe_postgres, fsync_rate
from benchmarks.rows import Row
from benchmarks.servers import Cores, serve_baseline
from benchmarks.workbench import Workbench
from benchmarks.works import FSYNC, NAMES, WORKS, Work

STORES = ("sqlite", "postgres")
FSYNC_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run.

    ``only``: names of rows; the works that give them run whole, and only those rows are kept. ``folder``:
    where the databases go; None for the system's temporary folder.
    """

    extent: Extent
    stores: Collection[str] = STORES
    only: Collection[str] = NAMES
    folder: Path | None = None

    @property
    def works(self) -> list[Work]:
        """The works that give the wanted rows."""
        return [work for work in WORKS if not set(work.rows).isdisjoint(self.only)]

    @property
    def steps(self) -> int:
        """How many works there are to do, over all stores."""
        return len(self.works) * len(self.stores)

    @property
    def needs_postgres(self) -> bool:
        """Whether a PostgreSQL server is needed at all."""
        return "postgres" in self.stores or any(work.needs_postgres for work in self.works)


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a plan: facts about the machine, and the rows."""

    machine: dict[str, object]
    rows: Sequence[Row]


def run_suite(plan: Plan, *, tell: Callable[[str], None], done: Callable[[Row], None]) -> Run:
    """Carry out a plan.

    Parameters
    ----------
    tell : function
        Takes what is being done now.
    done : function
        Takes each row as soon as it is there.
    """
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="gridlore-bench-", dir=plan.folder) as name, ExitStack() as stack:
        folder, cores = Path(name), Cores.of_this_machine()
        machine = describe_machine(folder)
        postgres = ""
        if plan.needs_postgres:
            tell("starting PostgreSQL")
            postgres = stack.enter_context(start_postgres(folder / "postgres"))
            machine["postgres"] = describe_postgres(postgres)
        bare = stack.enter_context(serve_baseline(cores, folder / "baseline.log"))
        stack.enter_context(cores.run_client())
        benches = []
        for store in plan.stores:
            databases = Databases(
                store, folder, plan.extent.connections, postgres if store == "postgres" else None
            )
            benches.append(Workbench(plan.extent, cores, folder, databases, bare, postgres, tell))
        for row in _measure(plan, benches, folder):
            if row.name in plan.only:
                rows.append(row)
                done(row)
    return Run(machine, rows)


def _measure(plan: Plan, benches: Sequence[Workbench], folder: Path) -> Iterator[Row]:
    if FSYNC in plan.only:
        rates = [fsync_rate(folder, plan.extent.fsync_seconds) for _ in range(FSYNC_ROUNDS)]
        yield Row(FSYNC, "machine", "per second", rates, note="4 KiB appended and made durable")
    for work in plan.works:
        for bench in benches:
            bench.tell(f"{bench.store}: preparing {work.rows[0]}")
            yield from work.measure(bench)
