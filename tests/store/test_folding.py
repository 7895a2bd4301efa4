"""Folding near what is written: what takes long to find is let be for a while, and nothing else is."""

import math
from collections.abc import Sequence
from typing import Any

import pytest

from gridlore.domain.beliefs import Block
from gridlore.domain.errors import PeriodError, StoreUnavailableError
from gridlore.domain.merging import TIERS
from gridlore.domain.timing import DAY
from gridlore.store.folding import (
    FOLDING,
    LONGEST_REST,
    MOST_IN_VAIN,
    REST,
    SLOW_TO_FIND,
    STORED_BYTES_PER_SECOND,
    STORED_PER_SECOND,
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

    def __init__(self, transaction: Any, clock: Clock, takes: dict[int, float], most: int) -> None:
        self._transaction, self._clock, self._takes, self._most = transaction, clock, takes, most
        self.asked: list[list[int]] = []

    def read_blocks(self, windows: Sequence[Window]) -> list[list[Block]]:
        self.asked.append([window.sensor_id for window in windows])
        self._clock.now += sum([self._takes.get(window.sensor_id, 0.0) for window in windows])
        if not self._most:
            raise StoreUnavailableError("gone")
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


@pytest.fixture
def one_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question is about one window."""
    monkeypatch.setattr("gridlore.store.folding.FOLDED_AT_ONCE", 1)


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
    """Fold near what was written; which sensors were asked for together. ``most``: windows of a question that
    are not too much; 0: the database does not answer."""
    with store.begin_write() as transaction:
        transaction.lock_sensors(set(SENSORS))
        slow: Any = SlowTransaction(transaction, clock, takes, most)
        folding.fold(slow, written, DUE)
        asked: list[list[int]] = slow.asked
        return asked


def test_what_took_too_long_twice_is_let_be_and_looked_for_again_later(store: Store, clock: Clock) -> None:
    folding, written, slow = Folding(), fill(store, 1)[:1], {1: 5.0}
    for _ in range(2):
        for _ in range(2):
            assert fold(store, folding, clock, written, slow) == [[1]]
        assert fold(store, folding, clock, written, slow) == []
        clock.now += LONGEST_REST - 1
        assert fold(store, folding, clock, written, slow) == []
        clock.now += 2


def test_what_took_too_long_once_may_have_been_the_machine(store: Store, clock: Clock) -> None:
    folding, written = Folding(), fill(store, 1)[:1]
    for _ in range(3):
        for takes in (5.0, 0.1, 0.1):
            assert fold(store, folding, clock, written, {1: takes}) == [[1]]
        clock.now += LONGEST_REST


def test_what_took_a_little_too_long_is_let_be_for_a_short_time(store: Store, clock: Clock) -> None:
    folding, written = Folding(), fill(store, 1)[:1]
    slow = {1: SLOW_TO_FIND + 1 / STORED_PER_SECOND + 8 / STORED_BYTES_PER_SECOND + 0.01}
    assert fold(store, folding, clock, written, slow) == [[1]]
    for _ in range(2):
        assert fold(store, folding, clock, written, slow) == [[1]]
        clock.now += 0.009 * REST
        assert fold(store, folding, clock, written, slow) == []
        clock.now += 0.002 * REST


def test_what_did_not_take_long_is_looked_for_each_time(store: Store, clock: Clock) -> None:
    folding, written = Folding(), fill(store, 1)
    for _ in range(4):
        assert fold(store, folding, clock, written, {1: 0.99 * SLOW_TO_FIND}) == [[1, 2, 3]]


@pytest.mark.parametrize(("per_second", "then"), [(math.inf, []), (1.0, [[1]])])
def test_what_took_long_as_much_was_folded_goes_on(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch, per_second: float, then: list[list[int]]
) -> None:
    """A few folded blocks excuse no long search, or who sends them could have everybody wait each time."""
    monkeypatch.setattr("gridlore.store.folding.FOLDED_PER_SECOND", per_second)
    folding, written = Folding(), fill(store, 16)[:1]
    assert fold(store, folding, clock, written, {1: 5.0}) == [[1]]
    assert len(stored(store)) == 1
    assert fold(store, folding, clock, written, {1: 5.0}) == [[1]]
    assert fold(store, folding, clock, written, {1: 5.0}) == then


def test_what_was_folded_excuses_no_other_question(
    store: Store, clock: Clock, one_at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.folding.FOLDED_PER_SECOND", 1.0)
    folding, written = Folding(), fill(store, 16)
    for _ in range(2):
        assert fold(store, folding, clock, written[1:2], {2: 0.6}) == [[2]]
    assert fold(store, folding, clock, written, {2: 0.6}) == [[1], [2], [3]]
    assert fold(store, folding, clock, written, {2: 0.6}) == [[1], [3]]


@pytest.mark.parametrize(
    ("count", "length", "takes", "then"),
    [(1000, 1, 0.3, [[1]]), (1000, 1, 0.5, []), (512, 2048, 0.7, [[1]]), (9000, 1, 1.3, [])],
)
def test_a_large_commit_may_wait_longer_for_its_first_answer(
    store: Store, clock: Clock, count: int, length: int, takes: float, then: list[list[int]]
) -> None:
    """PostgreSQL answers once it has stored what was sent to it before."""
    folding, written = Folding(), fill(store, 1)[:1]
    beside = blocks([1.0] * length, sensor=9)
    for expected in ([[1]], [[1]], then):
        assert fold(store, folding, clock, written + count * beside, {1: takes}) == expected


def test_only_who_makes_it_too_much_for_all_is_let_be(store: Store, clock: Clock) -> None:
    """However long it took to learn that it is too much for all; whose turn did not come is first."""
    folding, written, slow = Folding(), fill(store, 16), {2: 1.01 * FOLDING}
    assert fold(store, folding, clock, written, slow, most=1) == [[1, 2, 3], [1], [2]]
    assert [len(stored(store, sensor)) for sensor in SENSORS] == [1, 1, 16]
    assert fold(store, folding, clock, written, slow, most=1) == [[3, 1, 2], [3], [1], [2]]
    assert [len(stored(store, sensor)) for sensor in SENSORS] == [1, 1, 1]
    assert fold(store, folding, clock, written, slow, most=1) == [[1, 3], [1], [3]]


def test_who_waited_before_stays_ahead_when_it_must_wait_again(store: Store, clock: Clock) -> None:
    folding, written, slow = Folding(), fill(store, 1), 1.01 * FOLDING
    assert fold(store, folding, clock, written, {1: slow}, most=1) == [[1, 2, 3], [1]]
    assert fold(store, folding, clock, written, {2: slow}, most=1) == [[2, 3, 1], [2]]
    assert fold(store, folding, clock, written, {3: slow}, most=1) == [[3, 1, 2], [3]]


def test_many_who_take_a_little_are_let_be_when_it_is_too_much_for_all(store: Store, clock: Clock) -> None:
    folding, written, slow = Folding(), fill(store, 1), dict.fromkeys(SENSORS, 0.4 * SLOW_TO_FIND)
    for _ in range(2):
        assert fold(store, folding, clock, written, slow, most=1) == [[1, 2, 3], [1], [2], [3]]
    assert fold(store, folding, clock, written, slow, most=1) == []


def test_questions_of_one_commit_count_together(store: Store, clock: Clock, one_at_once: None) -> None:
    folding, written, slow = Folding(), fill(store, 1), dict.fromkeys(SENSORS, 0.6 * SLOW_TO_FIND)
    for _ in range(2):
        assert fold(store, folding, clock, written, slow) == [[1], [2], [3]]
    assert fold(store, folding, clock, written, slow) == [[1]]


def test_who_is_let_be_is_asked_for_no_more_in_the_same_commit(
    store: Store, clock: Clock, one_at_once: None
) -> None:
    fill(store, 1)
    written = [block for n in range(3) for block in blocks([1.0], 1000 * n * DAY)]
    assert fold(store, Folding(), clock, written, {1: 0.25}) == [[1], [1]]


def test_all_have_their_turn_where_there_is_time_for_a_few(
    store: Store, clock: Clock, one_at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.folding.SLOW_TO_FIND", 60.0)
    folding, written, slow = Folding(), fill(store, 1), dict.fromkeys(SENSORS, 1.01 * FOLDING)
    for turn in ([[1]], [[2]], [[1]], [[2]]):
        assert fold(store, folding, clock, written[:2], slow) == turn
        assert fold(store, folding, clock, written[2:], slow) == [[3]], "others come in between"


def test_who_has_more_to_search_than_there_is_time_leaves_the_next_turn_to_others(
    store: Store, clock: Clock, one_at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.folding.SLOW_TO_FIND", 60.0)
    fill(store, 1)
    folding, slow = Folding(), {1: 0.6 * FOLDING}
    written = [block for n in range(3) for block in blocks([1.0], 1000 * n * DAY)]
    written += blocks([1.0], sensor=2)
    turns = [fold(store, folding, clock, written, slow) for _ in range(3)]
    assert turns == [[[1], [1]], [[1], [1]], [[2], [1], [1]]]


def test_many_questions_that_are_usual_but_find_little_end_soon_and_nobody_is_let_be(
    store: Store, clock: Clock, one_at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.folding.USUAL_TO_FIND", 1.0)
    folding, written, slow = Folding(), fill(store, 1), dict.fromkeys(SENSORS, 0.8 * MOST_IN_VAIN)
    turns = [fold(store, folding, clock, written, slow) for _ in range(3)]
    assert turns == [[[1], [2]], [[3], [1]], [[2], [1]]]


def test_who_makes_the_database_give_up_is_let_be(store: Store, clock: Clock) -> None:
    folding, written, slow = Folding(), fill(store, 1)[:1], {1: 60.0}
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            fold(store, folding, clock, written, slow, most=0)
    assert fold(store, folding, clock, written, slow, most=0) == []
