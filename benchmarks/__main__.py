"""``python -m benchmarks``: measure, show the table, and keep the figures as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.extent import FULL, QUICK
from benchmarks.report import as_json, show_runs
from benchmarks.rows import Row
from benchmarks.suite import STORES, Plan, Run, run_suite
from benchmarks.works import NAMES

WIDTH = 200
"""Columns of the table where there is no terminal."""


@click.command()
@click.option("--quick", is_flag=True, help="Fewer rounds, and a smaller large database; below 2 minutes.")
@click.option(
    "--only", multiple=True, type=click.Choice(NAMES), metavar="NAME", help="Only this row (may be repeated)."
)
@click.option("--store", multiple=True, type=click.Choice(STORES), help="Only this store (may be repeated).")
@click.option(
    "--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures to this file."
)
@click.option("--runs", type=click.IntRange(1, 20), default=1, help="Run everything so many times.")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where the databases go: a folder on the disk to be judged. Default: the temporary folder.",
)
def main(
    *,
    quick: bool,
    only: Sequence[str],
    store: Sequence[str],
    file: Path | None,
    runs: int,
    folder: Path | None,
) -> None:
    """Measure how fast Gridlore is, beside what it is compared with (docs/performance.md)."""
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    plan = Plan(QUICK if quick else FULL, store or STORES, only or NAMES, folder)
    started, begun = datetime.now(UTC), time.monotonic()
    finished = [run_with_progress(plan, console) for _ in range(runs)]
    seconds = round(time.monotonic() - begun)
    show_runs(console, finished, plan.extent.name)
    console.print(f"It took {seconds} s.")
    if file is not None:
        facts = {"started": started.isoformat(), "seconds": seconds, "extent": plan.extent.name}
        file.write_text(json.dumps(as_json(finished, facts), indent=1))
        console.print(f"The figures are in {file}.")


def run_with_progress(plan: Plan, console: Console) -> Run:
    """Carry out a plan and show how far it is.

    Shown only when something is told, never by a clock: drawing takes time that a row may be measuring.
    """
    columns = (BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    rows = sum(len(set(work.rows).intersection(plan.only)) for work in plan.works) * len(plan.stores)
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        task = progress.add_task("starting", total=rows)

        def tell(what: str) -> None:
            progress.update(task, description=what, refresh=True)

        def done(row: Row) -> None:
            progress.update(task, advance=row.store in plan.stores, refresh=True)

        return run_suite(plan, tell=tell, done=done)


if __name__ == "__main__":
    main()
