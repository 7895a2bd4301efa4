"""Deleting data from the command line: told before, asked about, exact, and in the record."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from gridlore.bootstrap import open_store
from gridlore.config import load_settings
from gridlore.domain.beliefs import make_blocks
from gridlore.domain.timing import DAY, MINUTE, Grid, Timing
from gridlore.store.writer import Writer
from tests.cli.conftest import Run

QUARTER = 15 * MINUTE


@pytest.fixture
def filled(world: Path) -> Path:
    """Ten days of ann's and of bob's measurements, about the last ten days."""
    store = open_store(load_settings())
    writer = Writer(store, max_queue_bytes=10_000_000)
    today = time.time_ns() // 1000 // DAY * DAY
    for source in (1, 2):
        grid = Grid(today - 10 * DAY, QUARTER, 960)
        writer.submit(list(make_blocks(1, source, grid, np.ones(960), Timing(belief_horizon=0), 1))).result()
    writer.close()
    store.close()
    return world


def day(number: int) -> str:
    return time.strftime("%Y-%m-%dT00:00Z", time.gmtime(time.time() // 86400 * 86400 + number * 86400))


def test_a_dry_run_tells_what_would_go_and_changes_nothing(run: Run, filled: Path) -> None:
    chosen = ("data", "delete", "--sensor", "CS 1", "--start", day(-9), "--end", day(-7))
    first = run(*chosen, "--dry-run")
    assert first.exit_code == 0
    header, ann, bob, last = first.stdout.splitlines()
    assert header.split() == ["sensor", "name", "source", "values", "events", "from", "until"]
    assert ann.split()[:5] == ["1", "CS", "1", "ann", "192"]
    assert bob.split()[3:5] == ["bob", "192"]
    assert last == "384 values would be deleted; nothing was changed."
    assert run(*chosen, "--dry-run").stdout == first.stdout
    assert len(run("audit", "--action", "delete data").stdout.splitlines()) == 1


def test_a_deletion_asks_first_takes_only_what_is_meant_and_is_recorded(run: Run, filled: Path) -> None:
    chosen = ("data", "delete", "--sensor", "1", "--start", day(-9), "--end", day(-7), "--source")
    refused = run(*chosen, "ann@example.com", text="n\n")
    assert refused.exit_code == 1
    deleted = run(*chosen, "ann@example.com", text="y\n")
    assert "192 values were deleted." in deleted.stdout
    assert "bob" not in deleted.stdout
    assert run(*chosen, "ann@example.com", "--yes").stdout == "There is nothing to delete.\n"
    (entry,) = map(json.loads, run("audit", "--action", "delete data", "--json").stdout.splitlines())
    assert entry["title"] == "connection CS 1"
    assert (entry["before"]["values"], entry["before"]["by source"]) == ("192", "ann: 192")
    assert entry["before"]["events from"].startswith(day(-9)[:16])
    unknown = run(*chosen, "nobody@example.com", "--yes")
    assert (unknown.exit_code, "nobody@example.com" in unknown.stderr) == (1, True)


def test_retention_deletes_what_ended_too_long_ago_of_the_sensors_that_are_meant(
    run: Run, filled: Path
) -> None:
    assert run("data", "retain", "--older-than", "P5D", "--kind", "market", "--yes").stdout == (
        "There is nothing to delete.\n"
    )
    told = run("data", "retain", "--older-than", "P5D", "--yes")
    deleted = int(told.stdout.split()[-4])
    assert 2 * 5 * 96 - 2 <= deleted <= 2 * 6 * 96
    again = run("data", "retain", "--older-than", "P6D", "--dry-run", "--sensor", "CS 1").stdout
    assert again == "There is nothing to delete.\n"


def test_a_period_that_ends_before_it_starts_is_refused(run: Run, filled: Path) -> None:
    wrong = run("data", "delete", "--sensor", "1", "--start", day(-1), "--end", day(-1), "--yes")
    assert (wrong.exit_code, "The end must come after the start" in wrong.stderr) == (2, True)
    assert run("data", "retain", "--older-than", "-P5D").exit_code == 2


def test_compacting_tells_about_what_it_had_to_leave(
    run: Run, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.amounts.MAX_READ_BYTES", 2000)
    result = run("db", "compact")
    assert result.exit_code == 0
    begin = day(-10).replace("T00:00Z", "T00:00:00Z")
    assert f"Of sensor 1, events are left as they are (1, from {begin} to {begin}): more is" in result.stdout
