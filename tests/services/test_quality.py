"""How good forecasts were: by source, and by how long before the fact they were made."""

from collections.abc import Callable

import numpy as np
import pytest

from gridlore.domain.addresses import NamingAuthority
from gridlore.domain.beliefs import make_blocks
from gridlore.domain.errors import PeriodError
from gridlore.domain.timing import DAY, HOUR, MINUTE, Grid, Timing
from gridlore.services.directory import Directory
from gridlore.services.quality import Quality, judge_forecasts
from gridlore.services.query import Query
from gridlore.store.interface import Store
from gridlore.store.writer import Writer
from tests.store.test_blocks import fill_directory

QUARTER = 15 * MINUTE
START = 1000 * DAY

Say = Callable[..., None]


@pytest.fixture
def directory(store: Store) -> Directory:
    fill_directory(store)
    return Directory(store.read_directory(), NamingAuthority())


@pytest.fixture
def say(store: Store, directory: Directory) -> Say:
    """Stores what a source said about consecutive events of sensor 1, so long before each."""

    def post(values: list[float], horizon: int, *, source: int = 1, start: int = START) -> None:
        writer = Writer(store, max_queue_bytes=1_000_000)
        grid = Grid(start, QUARTER, len(values))
        writer.submit(
            list(make_blocks(1, source, grid, np.array(values), Timing(belief_horizon=horizon), START))
        ).result()
        writer.close()

    return post


def judge(store: Store, directory: Directory, hours: int = 24, *, max_slots: int = 1000) -> Quality:
    query = Query(store, max_slots=max_slots)
    return judge_forecasts(query, directory, directory.sensors[1], START, START + hours * HOUR)


def found(quality: Quality, source: int, horizon: int) -> tuple[int, float]:
    """Count and mean absolute error."""
    (judgement,) = (each for each in quality.judgements if each.source.id == source)
    errors = judgement.errors[quality.horizons.index(horizon)]
    return errors.count, errors.mae


def test_a_forecast_counts_at_every_horizon_it_was_made_in_time_for(
    store: Store, directory: Directory, say: Say
) -> None:
    say([10.0] * 4, 0)
    say([14.0] * 4, 24 * HOUR)
    say([11.0] * 4, 3 * HOUR)
    quality = judge(store, directory)
    assert [found(quality, 1, hours * HOUR) for hours in (1, 3, 6, 12, 24)] == [
        (4, 1.0),
        (4, 1.0),
        (4, 4.0),
        (4, 4.0),
        (4, 4.0),
    ]
    assert found(quality, 1, 48 * HOUR)[0] == 0
    assert (quality.slots, quality.measured) == (96, 4)


def test_sources_are_judged_apart_and_against_what_whoever_measured(
    store: Store, directory: Directory, say: Say
) -> None:
    say([10.0] * 4, 0)
    say([11.0] * 4, HOUR, source=1)
    say([8.0] * 4, HOUR, source=2)
    quality = judge(store, directory)
    assert (found(quality, 1, HOUR), found(quality, 2, HOUR)) == ((4, 1.0), (4, 2.0))
    assert [judgement.errors[1].bias for judgement in quality.judgements] == [1.0, -2.0]


def test_a_correction_is_what_forecasts_are_held_against(
    store: Store, directory: Directory, say: Say
) -> None:
    say([10.0] * 4, HOUR)
    say([20.0] * 4, 0)
    say([10.0] * 4, -2 * DAY)
    assert found(judge(store, directory), 1, HOUR) == (4, 0.0)


def test_only_events_both_forecast_and_measured_count(store: Store, directory: Directory, say: Say) -> None:
    say([10.0] * 6, HOUR)
    say([11.0] * 6, 0, start=START + 4 * QUARTER)
    assert found(judge(store, directory), 1, HOUR) == (2, 1.0)


def test_who_only_measured_or_forecast_too_late_is_not_listed(
    store: Store, directory: Directory, say: Say
) -> None:
    say([10.0] * 4, 0)
    say([10.0] * 4, 5 * MINUTE, source=2)
    assert judge(store, directory).judgements == ()


def test_a_period_longer_than_a_request_may_read_is_refused(store: Store, directory: Directory) -> None:
    with pytest.raises(PeriodError, match="at most 95 event slots"):
        judge(store, directory, max_slots=95)
