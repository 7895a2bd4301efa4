"""Show rows as a table, and keep them as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from rich.console import Console
from rich.table import Table

from benchmarks.rows import Row, Spread, Verdict
from benchmarks.suite import Run

QUIET_LOAD = 0.7
"""Load average (of the last minute, in processes) from which something else must have been running."""

COLOURS = {Verdict.REACHED: "green", Verdict.MISSED: "bold red", Verdict.NONE: "dim"}


def format_figure(figure: float) -> str:
    """A figure with three digits that count.

    >>> format_figure(12657387.9), format_figure(2557.68), format_figure(0.3431), format_figure(9.87)
    ('12.7 M', '2,560', '0.343', '9.87')
    """
    if figure >= 1e6:
        return f"{figure / 1e6:.3g} M"
    digits = float(f"{figure:.3g}")
    return f"{digits:,.0f}" if digits >= 100 else f"{digits:.3g}"


def _format_ratio(spread: Spread | None) -> tuple[str, str]:
    if spread is None:
        return "", ""
    return format_figure(spread.median), f"{format_figure(spread.least)}–{format_figure(spread.greatest)}"


def make_table(rows: Sequence[Row], title: str) -> Table:
    """The rows as a table for the terminal."""
    table = Table(title=title, header_style="bold", pad_edge=False)
    for heading in ("row", "store", "unit"):
        table.add_column(heading, no_wrap=True)
    for heading in ("measured", "beside", "ratio", "spread", "to reach"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("MiB", justify="right")
    table.add_column("beside what; notes", overflow="fold")
    for row in rows:
        ratio, spread = _format_ratio(row.ratio)
        table.add_row(
            row.name,
            row.store,
            row.unit,
            format_figure(Spread.of(row.measured).median),
            format_figure(Spread.of(row.baseline).median) if row.baseline else "",
            ratio,
            spread,
            str(row.target or ""),
            f"[{COLOURS[row.verdict]}]{row.verdict}[/]",
            f"{row.memory:.0f}" if row.memory is not None else "",
            "; ".join(filter(None, (row.compared_with, row.note))),
        )
    return table


def find_disagreements(runs: Sequence[Run]) -> list[str]:
    """Rows with a target on whose verdict the runs differ, as ``store name``."""
    verdicts: dict[str, set[Verdict]] = {}
    for run in runs:
        for row in run.rows:
            verdicts.setdefault(f"{row.store} {row.name}", set()).add(row.verdict)
    return [name for name, found in verdicts.items() if len(found) > 1]


def find_missed(runs: Sequence[Run]) -> list[str]:
    """Rows that missed their target in some run, as ``store name``."""
    missed = [f"{row.store} {row.name}" for run in runs for row in run.rows if row.verdict is Verdict.MISSED]
    return list(dict.fromkeys(missed))


def find_disturbance(runs: Sequence[Run]) -> str | None:
    """That something else was running when the first run began, in words; None when nothing was."""
    load = cast(list[float], runs[0].machine["load_before"])[0]
    if load < QUIET_LOAD:
        return None
    return (
        f"The machine was busy before the start (load {load:g}), which slows measured and baseline "
        "unevenly: these verdicts count for little. The processor time per post in the JSON still holds."
    )


def show_runs(console: Console, runs: Sequence[Run], extent: str) -> None:
    """Print a table for each run, and what they come to."""
    for number, run in enumerate(runs, 1):
        which = f", run {number} of {len(runs)}" if len(runs) > 1 else ""
        console.print(make_table(run.rows, f"Speed of Gridlore ({extent}{which})"))
    missed, disagreements = find_missed(runs), find_disagreements(runs)
    console.print(f"Missed: {', '.join(missed)}." if missed else "Every target was reached.")
    disturbance = find_disturbance(runs)
    if disturbance:
        console.print(disturbance, style="yellow")
    if len(runs) > 1:
        console.print(
            f"The runs disagree on {', '.join(disagreements)}."
            if disagreements
            else f"All {len(runs)} runs agree on every verdict."
        )


def as_json(runs: Sequence[Run], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Everything, for a file."""
    return {
        **facts,
        "machine": dict(runs[0].machine),
        "missed": find_missed(runs),
        "disagreements": find_disagreements(runs),
        "disturbed": find_disturbance(runs) is not None,
        "runs": [[_row_as_json(row) for row in run.rows] for run in runs],
    }


def _row_as_json(row: Row) -> dict[str, Any]:
    ratio = row.ratio
    return {
        "name": row.name,
        "store": row.store,
        "unit": row.unit,
        "measured": list(row.measured),
        "baseline": list(row.baseline),
        "compared_with": row.compared_with,
        "ratio": None if ratio is None else ratio.median,
        "ratio_least": None if ratio is None else ratio.least,
        "ratio_greatest": None if ratio is None else ratio.greatest,
        "target": None if row.target is None else row.target.ratio,
        "target_is": None if row.target is None else ("at least" if row.target.at_least else "at most"),
        "verdict": None if row.verdict is Verdict.NONE else row.verdict.value,
        "memory_mib": row.memory,
        "note": row.note,
        "facts": row.facts,
    }
