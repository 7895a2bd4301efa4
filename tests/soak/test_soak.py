"""The soak itself: its mix is answered as it should be, and it sees what is not flat."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.soak.__main__ import Plan, run, show_end
from tests.soak.load import Period
from tests.soak.mix import MALFORMED, SHARES
from tests.soak.report import PERIODS, THIRD, find_faults, show_period

KINDS = ("single", "read week")


def make_periods() -> list[Period]:
    """Half an hour that is flat."""
    return [
        Period(
            {kind: [0.002] * 240 + [0.010] * 5 for kind in KINDS},
            memory=[100.0] * 60,
            seconds=60.0,
            cpu=0.4,
            yardstick=[0.001] * 60,
        )
        for _ in range(PERIODS)
    ]


def test_a_short_soak_is_answered_without_an_error() -> None:
    """Not whether it is flat: a second on a busy machine say nothing about that."""
    told: list[str] = []
    with tempfile.TemporaryDirectory() as name:  # pytest's own folder is closed to PostgreSQL's user
        figures = run("sqlite", Plan(1.5, 0.3, 0.2, rate=200.0), Path(name), told.append)
    assert (figures["requests"], figures["errors"]) == (300, 0), figures["faults"]
    faults = figures["faults"]
    assert isinstance(faults, list)
    assert not [fault for fault in faults if "error" in fault or "traceback" in fault]
    assert isinstance(figures["values_stored"], int) and figures["values_stored"] > 300
    assert sum("MiB" in line for line in (*told, *show_end(figures))) == 2
    assert round(sum(SHARES.values()), 6) == 1000
    assert len({word for _, word in MALFORMED}) > 5


def test_what_is_flat_passes() -> None:
    assert find_faults(make_periods(), 0.5) == []


@pytest.mark.parametrize(
    ("kind", "latencies", "said"),
    [("single", [0.0037] * 245, "single: p50"), ("read week", [0.002] * 240 + [0.036] * 5, "read week: p99")],
)
def test_what_becomes_slower_in_the_last_third_does_not(kind: str, latencies: list[float], said: str) -> None:
    periods = make_periods()
    for period in periods[-THIRD:]:
        period.latencies[kind] = latencies
    assert any(fault.startswith(said) for fault in find_faults(periods, 0.5))


def test_requests_that_take_ever_more_of_the_core_do_not_pass() -> None:
    periods = make_periods()
    for period in periods[-THIRD:]:
        period.cpu = 0.7
    (fault,) = find_faults(periods, 0.5)
    assert fault.startswith("a request takes 1.429 ms of the server's core, and took 0.816")
    assert show_period(29, periods[-1]).split()[-3:] == ["1%", "1.43", "1.00"]


def test_memory_that_grows_an_error_and_a_client_out_of_breath_do_not_pass() -> None:
    periods = make_periods()
    for number, period in enumerate(periods):
        period.memory = [100.0 + number] * 60
    periods[7].errors.append("day: 503")
    first, second, third = find_faults(periods, 0.95)
    assert first == "an error: day: 503"
    assert second.startswith("memory rises from 110.0 to 128.0")
    assert third.startswith("the client was busy for 95%")
