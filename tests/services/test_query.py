"""Reads over a store: what its blocks say, however they are fetched and joined."""

import random
from unittest.mock import patch

import numpy as np
import pytest

from gridlore.domain.addresses import NamingAuthority
from gridlore.domain.beliefs import Block
from gridlore.domain.commands import ReadQuery
from gridlore.domain.errors import PeriodError
from gridlore.domain.overlay import DEEP, BeliefFilter, overlay
from gridlore.domain.timing import DAY, HOUR, Grid
from gridlore.services.directory import Directory
from gridlore.services.query import Query
from gridlore.services.series import SeriesQuery, draw_series
from gridlore.store.amounts import ROW_OVERHEAD
from gridlore.store.interface import Store, Window
from tests.store.test_blocks import QUARTER, append, fill_directory

START, DAYS = 1000 * DAY, 50


@pytest.fixture
def directory(store: Store) -> Directory:
    fill_directory(store)
    return Directory(store.read_directory(), NamingAuthority())


def ask(directory: Directory, only: BeliefFilter, days: int = DAYS) -> ReadQuery:
    sensor = directory.sensors[1]
    return ReadQuery(
        sensor.kind, sensor.unit, (directory.address(sensor),), START, START + days * DAY, only=only
    )


def make_many(chance: random.Random) -> list[Block]:
    """Blocks of two sources, of every timing; no source believes two things of one event at one time."""
    blocks: list[Block] = []
    rolling: set[tuple[int, int, int]] = set()
    for seq in range(1, 400):
        source, count, ahead = (
            chance.choice([1, 2]),
            chance.choice([24, 96]),
            chance.choice([-6, 0, 24]) * HOUR,
        )
        start = START + chance.randrange(4 * DAYS) * 6 * HOUR
        place = (1, source, start, QUARTER, np.arange(count) + 100.0 * seq)
        timing = chance.choice(["fixed", "rolling", "rolling", "merged"])
        events = {(source, ahead, start + number * QUARTER) for number in range(count)}
        if timing == "rolling" and not events & rolling:
            rolling |= events
            blocks.append(Block(*place, belief_horizon=ahead, seq=seq))
        elif timing == "merged":
            blocks.append(Block(*place, belief_times=np.arange(count) * QUARTER + start + seq, seq=seq))
        else:
            blocks.append(Block(*place, belief_time=start - ahead + seq, seq=seq))
    return blocks


@pytest.mark.parametrize("deep", [0, DEEP])
@pytest.mark.parametrize("seed", range(3))
def test_a_read_answers_what_the_blocks_say_one_by_one(
    store: Store, directory: Directory, seed: int, deep: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.joining.WORTH_JOINING", 1)
    blocks = make_many(random.Random(seed))
    append(store, *blocks)
    query = Query(store, max_slots=10_000)
    grid = Grid(START, QUARTER, DAYS * DAY // QUARTER)
    user, own = directory.users[1], directory.source_of(directory.users[1]).id
    for only in (
        BeliefFilter(),
        BeliefFilter(prior=START + 20 * DAY + 7),
        BeliefFilter(min_horizon=3 * HOUR),
        BeliefFilter(max_horizon=0),
    ):
        with monkeypatch.context() as context:
            context.setattr("gridlore.domain.overlay.DEEP", deep)
            (reading,) = query.read(directory, user, ask(directory, only))
        expected = overlay(blocks, grid, only, sources=directory.sources, own_source_id=own)
        for answered, said in (
            (reading.picture.values, expected.values),
            (reading.picture.times, expected.times),
            (reading.picture.sources, expected.sources),
        ):
            np.testing.assert_array_equal(answered, said)
    (read,) = store.read_blocks([Window(1, grid.start, grid.end, QUARTER, joined=True)])
    assert len(read) < len(blocks) - 20, "some were joined, or this shows little"


@pytest.mark.parametrize("rolling", [False, True])
def test_what_became_known_later_than_asked_does_not_count_among_what_is_read(
    store: Store, directory: Directory, monkeypatch: pytest.MonkeyPatch, rolling: bool
) -> None:
    days = []
    for number in range(3):
        start = START + number * DAY
        known = {"belief_horizon": HOUR} if rolling else {"belief_time": start}
        days.append(Block(1, 1, start, QUARTER, np.arange(96.0), **known, seq=1 + number))  # type: ignore[arg-type]
    append(store, *days)
    monkeypatch.setattr("gridlore.store.amounts.MAX_READ_BYTES", 2 * (96 * 8 + ROW_OVERHEAD))
    query, user = Query(store, max_slots=1000), directory.users[1]
    with pytest.raises(PeriodError):
        query.read(directory, user, ask(directory, BeliefFilter(), days=3))
    only = BeliefFilter(prior=START + DAY + HOUR)
    (reading,) = query.read(directory, user, ask(directory, only, days=3))
    known_by_then = 96 + (8 if rolling else 96)
    assert int((~np.isnan(reading.picture.values)).sum()) == known_by_then


@pytest.mark.parametrize(
    ("priors", "joined"),
    [((None,), True), ((START,), False), ((None, START), False), ((START, START), False)],
)
def test_what_is_drawn_as_known_at_a_time_keeps_telling_by_block_when_it_was_known(
    store: Store, directory: Directory, priors: tuple[int | None, ...], joined: bool
) -> None:
    """Charts ask for many times: a block known later is left out without a look at its values."""
    blocks = [Block(1, 1, START + n * DAY, QUARTER, np.ones(96), belief_time=n, seq=1 + n) for n in range(40)]
    append(store, *blocks)
    query = Query(store, max_slots=100_000)
    with patch.object(Query, "read_blocks", autospec=True, side_effect=Query.read_blocks) as read:
        draw_series(
            query, directory, directory.sensors[1], SeriesQuery(START, START + 40 * DAY, 5000, priors)
        )
    (call,) = read.mock_calls
    assert len(query.read_blocks(*call.args[1:], **call.kwargs)) == (1 if joined else 40)
