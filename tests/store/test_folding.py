"""Folding near what is written: what takes long to find is let be for a while, and nothing else is."""

from collections.abc import Sequence
from typing import Any

import pytest

from gridlore.domain.beliefs import Block
from gridlore.domain.errors import PeriodError
from gridlore.domain.merging import TIERS
from gridlore.domain.timing import DAY
from gridlore.store.folding import (
    FOLDING,
    LONGEST_REST,
    REST,
    SLOW_PER_BLOCK,
    SLOW_TO_FIND,
    Folding,
)
from gridlore.store.interface import Store, Window
from tests.store.test_blocks import fill_directory
from tests.store.test_writer import QUARTER, blocks, stored


class Clock:
    """Goes on when it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class SlowTransaction:
    """A write transaction that takes long to find what is near some sensors, and notes who was asked for."""

    def __init__(self, transaction: Any, clock: Clock, takes: dict[int, float], most: int = 64) -> None:
        self._transaction, self._clock, self._takes, self._most = transaction, clock, takes, most
        self.asked: list[list[int]] = []

    def read_blocks(self, windows: Sequence[Window]) -> list[list[Block]]:
        self.asked.append([window.sensor_id for window in windows])
        self._clock.now += sum([self._takes.get(window.sensor_id, 0.0) for window in windows])
        if len(windows) > self._most:
            raise PeriodError("too much")
        found: list[list[Block]] = self._transaction.read_blocks(windows)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("gridlore.store.folding.time", clock)
    return clock


SENSORS = (1, 2, 3)
DUE = dict.fromkeys(SENSORS, TIERS[0])


def fill(store: Store, count: int) -> list[Block]:
    """Store so many single values of each sensor; the last of each."""
    fill_directory(store)
    last = []
    with store.begin_write() as transaction:
        transaction.lock_sensors(set(SENSORS))
        for sensor in SENSORS:
            some = [blocks([1.0], n * QUARTER, sensor=sensor)[0].numbered(n) for n in range(count)]
            transaction.append_blocks(some)
            last.append(some[-1])
    return last


def fold(
    store: Store,
    folding: Folding,
    clock: Clock,
    written: list[Block],
    takes: dict[int, float],
    most: int = 64,
) -> list[list[int]]:
    """Fold near what was written; which sensors were asked for together."""
    with store.begin_write() as transaction:
        transaction.lock_sensors(set(SENSORS))
        slow: Any = SlowTransaction(transaction, clock, takes, most)
        folding.fold(slow, written, DUE)
        asked: list[list[int]] = slow.asked
        return asked


def test_what_took_long_in_vain_is_let_be_and_looked_for_again_later(store: Store, clock: Clock) -> None:
    folding, written, slow = Folding(), fill(store, 1)[:1], {1: 5.0}
    assert fold(store, folding, clock, written, slow) == [[1]]
    assert fold(store, folding, clock, written, slow) == []
    clock.now += LONGEST_REST - 1
    assert fold(store, folding, clock, written, slow) == []
    clock.now += 2
    assert fold(store, folding, clock, written, slow) == [[1]]


def test_what_took_a_little_too_long_is_let_be_for_a_short_time(store: Store, clock: Clock) -> None:
    folding, written, slow = Folding(), fill(store, 1)[:1], {1: SLOW_TO_FIND + SLOW_PER_BLOCK + 0.01}
    assert fold(store, folding, clock, written, slow) == [[1]]
    assert fold(store, folding, clock, written, slow) == []
    clock.now += 0.011 * REST
    assert fold(store, folding, clock, written, slow) == [[1]]


def test_what_did_not_take_long_is_looked_for_each_time(store: Store, clock: Clock) -> None:
    folding, written = Folding(), fill(store, 1)
    for _ in range(3):
        assert fold(store, folding, clock, written, {1: 0.99 * SLOW_TO_FIND}) == [[1, 2, 3]]


@pytest.mark.parametrize(("per_block", "then"), [(0.0, []), (1.0, [[1]])])
def test_what_took_long_as_much_was_folded_goes_on(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch, per_block: float, then: list[list[int]]
) -> None:
    """A few folded blocks excuse no long search, or who sends them could have everybody wait each time."""
    monkeypatch.setattr("gridlore.store.folding.SLOW_PER_BLOCK", per_block)
    folding, written = Folding(), fill(store, 16)[:1]
    assert fold(store, folding, clock, written, {1: 5.0}) == [[1]]
    assert len(stored(store)) == 1
    assert fold(store, folding, clock, written, {1: 5.0}) == then


def test_a_large_commit_may_wait_longer_for_its_first_answer(store: Store, clock: Clock) -> None:
    """PostgreSQL answers once it has stored what was sent to it before."""
    folding, written = Folding(), fill(store, 1)[:1]
    for _ in range(2):
        assert fold(store, folding, clock, 1000 * written, {1: 0.3}) == [[1]]
    assert fold(store, folding, clock, written, {1: 0.3}) == [[1]]
    assert fold(store, folding, clock, written, {1: 0.3}) == []


def test_only_who_makes_it_too_much_for_all_is_let_be(store: Store, clock: Clock) -> None:
    """However long it took to learn that it is too much for all. The third has its turn next time."""
    folding, written, slow = Folding(), fill(store, 16), {2: 1.01 * FOLDING}
    assert fold(store, folding, clock, written, slow, most=1) == [[1, 2, 3], [1], [2]]
    assert [len(stored(store, sensor)) for sensor in SENSORS] == [1, 1, 16]
    assert fold(store, folding, clock, written, slow, most=1) == [[1, 3], [1], [3]]
    assert [len(stored(store, sensor)) for sensor in SENSORS] == [1, 1, 1]


def test_many_who_take_a_little_are_let_be_when_it_is_too_much_for_all(store: Store, clock: Clock) -> None:
    folding, written, slow = Folding(), fill(store, 1), dict.fromkeys(SENSORS, 0.4 * SLOW_TO_FIND)
    assert fold(store, folding, clock, written, slow, most=1) == [[1, 2, 3], [1], [2], [3]]
    assert fold(store, folding, clock, written, slow, most=1) == []


def test_questions_of_one_commit_count_together(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.folding.FOLDED_AT_ONCE", 1)
    folding, written, slow = Folding(), fill(store, 1), dict.fromkeys(SENSORS, 0.6 * SLOW_TO_FIND)
    assert fold(store, folding, clock, written, slow) == [[1], [2], [3]]
    assert fold(store, folding, clock, written, slow) == [[1]]


def test_who_is_let_be_is_asked_for_no_more_in_the_same_commit(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.folding.FOLDED_AT_ONCE", 1)
    (first,) = fill(store, 1)[:1]
    (far,) = blocks([1.0], 1000 * DAY)
    assert fold(store, Folding(), clock, [first, far], {1: 0.6 * FOLDING}) == [[1]]
