"""The examination finds each thing that is wrong, and nothing where all is well."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from gridlore.bootstrap import connect_store
from gridlore.domain.addresses import NamingAuthority
from gridlore.domain.audit import AuditEntry
from gridlore.domain.beliefs import make_blocks
from gridlore.domain.findings import Finding
from gridlore.domain.sensors import Account, Sensor, SensorKind
from gridlore.domain.timing import DAY, HOUR, MINUTE, Grid, Timing
from gridlore.services.diagnosis import examine_store
from gridlore.services.directory import Directory
from gridlore.store.interface import Store, Window
from gridlore.store.writer import Writer
from tests.conftest import Databases
from tests.store.test_blocks import fill_directory

QUARTER = 15 * MINUTE
NOW = 20_000 * DAY
MEASURED = Timing(belief_horizon=0)


def post(store: Store, sensor: int, grid: Grid, source: int = 1, recorded_at: int = NOW - 1) -> None:
    writer = Writer(store, max_queue_bytes=10_000_000)
    values = np.ones(grid.count)
    writer.submit(list(make_blocks(sensor, source, grid, values, MEASURED, recorded_at))).result()
    writer.close()


def examine(store: Store, days: int = 7) -> list[Finding]:
    directory = Directory(store.read_directory(), NamingAuthority())
    return [
        finding
        for finding in examine_store(store, directory, NOW, days)
        # The users of these tests have no passwords, and their PostgreSQL no fsync.
        if finding.check not in {"users", "durability"}
    ]


def told(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(finding.check, finding.where) for finding in findings]


@pytest.fixture
def fresh(store: Store) -> Store:
    """Three connections with a day of values up to now."""
    fill_directory(store)
    for sensor in (1, 2, 3):
        post(store, sensor, Grid(NOW - DAY, QUARTER, 96), source=2 if sensor == 3 else 1)
    return store


def test_where_all_is_well_nothing_is_found(fresh: Store) -> None:
    assert examine(fresh) == []


def test_a_late_sensor_is_found_once_it_is_more_than_two_resolutions_late(store: Store) -> None:
    fill_directory(store, sensors=2)
    post(store, 1, Grid(NOW - 2 * QUARTER - DAY, QUARTER, 96))
    post(store, 2, Grid(NOW - 3 * QUARTER - DAY, QUARTER, 96), source=2)
    (late,) = examine(store)
    assert (late.check, late.where) == ("late", "connection CS 2 (2)")
    assert "ended PT45M ago" in late.what
    assert "user2@example.com" in late.mend


def test_a_sender_all_of_whose_sensors_are_late_has_gone_silent(store: Store) -> None:
    fill_directory(store)
    for sensor in (1, 2):
        post(store, sensor, Grid(NOW - 5 * HOUR - DAY, QUARTER, 96))
    post(store, 3, Grid(NOW - DAY, QUARTER, 96), source=2)
    (silent,) = examine(store)
    assert (silent.check, silent.where) == ("silent", "sender user1@example.com")
    assert "PT5H: all 2 sensors" in silent.what


def test_gaps_of_the_last_days_are_told_with_their_periods(fresh: Store) -> None:
    post(fresh, 1, Grid(NOW - DAY - 4 * QUARTER, QUARTER, 1))
    post(fresh, 1, Grid(NOW - 10 * DAY, QUARTER, 4))
    (gaps,) = examine(fresh, days=2)
    assert (gaps.check, gaps.where) == ("gaps", "connection CS 1 (1)")
    assert "95 of 192 values are missing, in 2 gaps" in gaps.what
    assert gaps.what.endswith("/PT23H, 2024-10-02T23:15:00Z/PT45M")
    assert examine(fresh, days=1) == []


def test_forecasts_fill_no_gap_but_prices_known_before_the_fact_do(store: Store) -> None:
    fill_directory(store, sensors=1)
    with store.change_directory() as directory:
        directory.save_sensor(Sensor(2, SensorKind.MARKET, "epex", "EUR/MWh", QUARTER))
    writer = Writer(store, max_queue_bytes=10_000_000)
    ahead = Timing(belief_horizon=DAY)
    for sensor, timings in ((1, (MEASURED, ahead, MEASURED)), (2, (ahead, ahead, ahead))):
        for third, timing in enumerate(timings):
            grid = Grid(NOW - DAY + third * 8 * HOUR, QUARTER, 32)
            writer.submit(list(make_blocks(sensor, 1, grid, np.ones(32), timing, NOW - DAY))).result()
    writer.close()
    (gap,) = examine(store)
    assert (gap.check, gap.where) == ("gaps", "connection CS 1 (1)")
    assert "32 of 96 values are missing, in 1 gaps" in gap.what


def test_a_sensor_about_which_too_much_is_known_is_told_and_the_others_are_examined(
    fresh: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(fresh, 1, Grid(NOW - DAY, QUARTER, 96), source=2)
    post(fresh, 2, Grid(NOW - 3 * DAY, QUARTER, 4))
    monkeypatch.setattr("gridlore.store.amounts.MAX_READ_BYTES", 2000)
    first, second = examine(fresh)
    assert (first.check, first.where[:15]) == ("gaps", "connection CS 1")
    assert "More is known about these events" in first.what
    assert (second.check, second.where[:15]) == ("gaps", "connection CS 2")
    assert "188 of 288 values are missing" in second.what


def test_a_clock_behind_what_was_recorded_is_found(fresh: Store) -> None:
    fresh.record([AuditEntry(NOW + HOUR, None, "apply", "world", None, "w", None, None, actor="ann")])
    assert told(examine(fresh)) == [("clock", "this machine")]


def test_a_clock_behind_the_newest_values_is_found(store: Store) -> None:
    fill_directory(store, sensors=1)
    post(store, 1, Grid(NOW - DAY, QUARTER, 96), recorded_at=NOW + HOUR)
    assert told(examine(store)) == [("clock", "this machine")]


def test_what_may_be_meant_so_is_told_as_a_note(fresh: Store) -> None:
    with fresh.change_directory() as directory:
        directory.save_account(Account(2, "Idle Co", frozenset()))
        directory.save_sensor(Sensor(4, SensorKind.CONNECTION, "CS 4", "MW", QUARTER, owner_id=1))
    found = examine(fresh)
    assert told(found) == [("accounts", "account Idle Co"), ("no data", "connection CS 4 (4)")]
    assert not any(finding.is_problem for finding in found)


def test_users_who_cannot_log_in_and_a_server_that_may_forget_are_found(store: Store) -> None:
    fill_directory(store, sensors=0, sources=1)
    directory = Directory(store.read_directory(), NamingAuthority())
    found = told(examine_store(store, directory, NOW, 7))
    assert ("users", "user user1@example.com") in found
    assert [where for check, where in found if check == "durability"] == [
        f"PostgreSQL: {name}" for name in sorted(store.unsafe_settings())
    ]


def test_postgres_tells_the_settings_that_let_it_forget(postgres_databases: Databases) -> None:
    databases = postgres_databases
    store = connect_store(databases.settings(databases.create(databases.template(None))))
    assert store.unsafe_settings() == {"fsync": "off"}
    store.close()


def test_a_sender_that_is_newer_than_the_directory_is_told_by_number(fresh: Store) -> None:
    records = fresh.read_directory()
    older = Directory(replace(records, sources=[]), NamingAuthority())
    findings = list(examine_store(fresh, older, NOW + 7 * DAY, 7))
    assert ("silent", "sender of source 1") in told(findings)


def test_values_that_are_deleted_while_it_looks_do_not_stop_it(fresh: Store) -> None:
    """The head was read before they went, and the blocks after."""
    (blocks,) = fresh.read_blocks([Window(1, NOW - 2 * DAY, NOW, QUARTER)])
    with fresh.begin_write() as transaction:
        transaction.lock_sensors([1])
        transaction.delete_blocks(blocks)
    assert told(examine(fresh)) == [("gaps", "connection CS 1 (1)")]


def test_many_small_blocks_are_told_with_the_command_that_folds_them(store: Store) -> None:
    fill_directory(store, sensors=1)
    blocks = [
        block.numbered(number)
        for number in range(1, 101)
        for block in make_blocks(
            1, 1, Grid(NOW - number * QUARTER, QUARTER, 1), np.ones(1), MEASURED, NOW - 1
        )
    ]
    with store.begin_write() as transaction:
        transaction.lock_sensors([1])
        transaction.append_blocks(blocks)
    post(store, 1, Grid(NOW - 102 * QUARTER, QUARTER, 1))
    found = [finding for finding in examine(store) if finding.check == "blocks"]
    assert [(finding.where, finding.mend) for finding in found] == [
        ("connection CS 1 (1)", "gridlore db compact")
    ]
