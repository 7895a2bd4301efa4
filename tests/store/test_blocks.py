"""Blocks and heads come back from a store as they went in."""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from gridlore.bootstrap import connect_store
from gridlore.domain.beliefs import MAX_BLOCK_VALUES, Block
from gridlore.domain.errors import PeriodError
from gridlore.domain.heads import Head, Latest
from gridlore.domain.sensors import Account, Sensor, SensorKind, Source, SourceKind, User
from gridlore.domain.timing import DAY, HOUR, MINUTE, IntArray
from gridlore.store import postgres_windows
from gridlore.store.amounts import MAX_READ_BYTES, ROW_OVERHEAD
from gridlore.store.interface import Store, Window
from tests.conftest import Databases
from tests.domain.strategies import beliefs_of

QUARTER = 15 * MINUTE


def fill_directory(store: Store, sensors: int = 3, sources: int = 2) -> None:
    """Connections and users with ids from 1."""
    with store.change_directory() as directory:
        directory.save_account(Account(1, "Charge Co", frozenset({"Prosumer", "MDC"})))
        for number in range(1, sources + 1):
            user = User(
                number, f"user{number}@example.com", f"user{number}", 1, frozenset(), True, None, "key"
            )
            directory.save_user(user)
            directory.save_source(Source(number, SourceKind.USER, user.name, user.id))
        for number in range(1, sensors + 1):
            directory.save_sensor(
                Sensor(number, SensorKind.CONNECTION, f"CS {number}", "MW", QUARTER, owner_id=1)
            )


@pytest.fixture
def filled(store: Store) -> Store:
    fill_directory(store)
    return store


def append(store: Store, *blocks: Block) -> None:
    with store.begin_write() as transaction:
        transaction.lock_sensors({block.sensor_id for block in blocks})
        transaction.append_blocks(blocks)


def same(a: Block, b: Block) -> bool:
    return (
        (
            a.sensor_id,
            a.source_id,
            a.start,
            a.resolution,
            a.belief_time,
            a.belief_horizon,
            a.recorded_at,
            a.seq,
        )
        == (
            b.sensor_id,
            b.source_id,
            b.start,
            b.resolution,
            b.belief_time,
            b.belief_horizon,
            b.recorded_at,
            b.seq,
        )
        and np.array_equal(a.values, b.values, equal_nan=True)
        and (a.belief_times is None) == (b.belief_times is None)
        and (a.belief_times is None or np.array_equal(a.belief_times, b.belief_times))
    )


def test_blocks_of_every_timing_come_back_as_they_were(filled: Store) -> None:
    awkward = np.array([1.5, np.nan, -0.0, 1.7e308, 5e-324, -1e-320])
    blocks = [
        Block(1, 1, 0, QUARTER, awkward, belief_time=-5, recorded_at=7, seq=1),
        Block(1, 2, DAY, QUARTER, awkward, belief_horizon=-HOUR, recorded_at=2**52, seq=2),
        Block(1, 2, 2 * DAY, QUARTER, awkward, belief_times=np.arange(6) - 3, recorded_at=0, seq=3),
    ]
    append(filled, *blocks)
    (found,) = filled.read_blocks([Window(1, 0, 3 * DAY, QUARTER)])
    assert len(found) == 3
    assert all(same(a, b) for a, b in zip(blocks, found, strict=True))
    assert np.signbit(found[0].values[2])


def test_a_window_finds_just_the_blocks_that_touch_it(filled: Store) -> None:
    longest = Block(1, 1, 0, QUARTER, np.ones(MAX_BLOCK_VALUES), belief_horizon=0, seq=1)
    next_one = Block(1, 1, longest.end, QUARTER, np.ones(4), belief_horizon=0, seq=2)
    append(filled, longest, next_one, replace(next_one, sensor_id=2, seq=1))
    last_event = longest.end - QUARTER
    windows = [
        Window(1, last_event, longest.end, QUARTER),
        Window(1, longest.end, longest.end + 1, QUARTER),
        Window(1, last_event, longest.end + 1, QUARTER),
        Window(1, next_one.end, next_one.end + DAY, QUARTER),
        Window(1, -DAY, 0, QUARTER),
        Window(2, 0, 10 * DAY, QUARTER),
        Window(3, 0, DAY, QUARTER),
    ]
    found = [[block.seq for block in blocks] for blocks in filled.read_blocks(windows)]
    assert found == [[1], [2], [1, 2], [], [], [], []]
    assert [
        block.seq for block in filled.read_blocks([Window(2, longest.end, next_one.end, QUARTER)])[0]
    ] == [1]


def test_a_window_can_ask_for_one_source_alone(filled: Store) -> None:
    append(
        filled,
        Block(1, 1, 0, QUARTER, np.ones(4), belief_horizon=0, seq=1),
        Block(1, 2, 0, QUARTER, np.ones(4), belief_horizon=0, seq=2),
    )
    one = Window(1, 0, DAY, QUARTER, source_id=2)
    assert [block.seq for block in filled.read_blocks([one])[0]] == [2]
    both = filled.read_blocks([one, replace(one, source_id=None)])
    assert [[block.seq for block in blocks] for blocks in both] == [[2], [1, 2]]


@pytest.mark.parametrize("windows", [1, 2])
def test_what_is_read_at_once_is_bounded_by_its_bytes_however_many_blocks_they_are(
    filled: Store, windows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.amounts.MAX_READ_BYTES", 10 * (8 + ROW_OVERHEAD))
    day = [Window(1, 0, DAY, QUARTER), Window(2, 0, DAY, QUARTER)][:windows]

    def add(seq: int) -> None:
        append(filled, Block(1, 1, seq * HOUR, QUARTER, np.ones(1), belief_time=-5, seq=seq))

    for seq in range(1, 11):
        add(seq)
    assert [len(found) for found in filled.read_blocks(day)] == [10, 0][:windows]
    add(11)
    with pytest.raises(PeriodError, match="shorter duration"):
        filled.read_blocks(day)
    assert len(filled.read_blocks([Window(1, 0, DAY // 2 - HOUR, QUARTER)])[0]) == 10


def test_the_times_of_values_count_among_what_is_read(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    append(filled, Block(1, 1, 0, QUARTER, np.ones(4), belief_times=np.arange(4), seq=1))
    window = [Window(1, 0, DAY, QUARTER)]
    monkeypatch.setattr("gridlore.store.amounts.MAX_READ_BYTES", 64 + ROW_OVERHEAD)
    assert len(filled.read_blocks(window)[0]) == 1
    monkeypatch.setattr("gridlore.store.amounts.MAX_READ_BYTES", 63 + ROW_OVERHEAD)
    with pytest.raises(PeriodError):
        filled.read_blocks(window)


def test_what_a_block_says_beyond_the_window_counts_for_an_eighth(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(filled, Block(1, 1, 0, QUARTER, np.ones(MAX_BLOCK_VALUES), belief_time=0, seq=1))
    cost = 8 + MAX_BLOCK_VALUES - 1 + ROW_OVERHEAD
    window = [Window(1, HOUR, HOUR + QUARTER, QUARTER)]
    monkeypatch.setattr("gridlore.store.amounts.MAX_READ_BYTES", cost)
    assert filled.read_blocks(window)[0][0].values.size == 1
    monkeypatch.setattr("gridlore.store.amounts.MAX_READ_BYTES", cost - 1)
    with pytest.raises(PeriodError):
        filled.read_blocks(window)


@pytest.mark.parametrize("windows", [1, 7])
def test_a_question_goes_through_so_many_blocks_though_they_are_not_what_is_asked_for(
    filled: Store, windows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.sqlite.STEPS_AT_ONCE", 10)
    append(filled, *(Block(1, 1, 0, QUARTER, np.ones(1), belief_time=seq, seq=seq) for seq in range(700)))
    many = [
        Window(1, start, start + QUARTER, QUARTER, source_id=2) for start in range(0, windows * HOUR, HOUR)
    ]
    unlike = [
        many,
        [replace(window, source_id=1, known_until=-1) for window in many],
        [replace(window, start=window.start + QUARTER, source_id=None) for window in many],
    ]
    few = [Window(1, -HOUR, 0, QUARTER), Window(1, 5000 * HOUR, 5001 * HOUR, QUARTER)]
    for asked in unlike:
        monkeypatch.setattr("gridlore.store.amounts.MAX_GONE_THROUGH", 700 * windows)
        assert filled.read_blocks(asked) == [[]] * windows
        monkeypatch.setattr("gridlore.store.amounts.MAX_GONE_THROUGH", 300 * windows)
        with pytest.raises(PeriodError, match=f"More than {300 * windows} statements"):
            filled.read_blocks(asked)
        assert filled.read_blocks(few) == [[], []]
        with filled.begin_write() as transaction:
            with pytest.raises(PeriodError):
                transaction.read_blocks(asked)
            assert transaction.read_blocks(few) == [[], []]
    monkeypatch.setattr("gridlore.store.amounts.MAX_READ_BYTES", 600 * (8 + ROW_OVERHEAD))
    with pytest.raises(PeriodError):
        filled.read_blocks([replace(window, source_id=1) for window in many])


def in_order(found: Sequence[Block]) -> list[tuple[int, int, int, float]]:
    """Every belief of some blocks."""
    return sorted((one.event_start, one.source_id, one.belief_time, one.value) for one in beliefs_of(found))


def expected(block: Block, window: Window, source_ids: set[int] | None) -> Block | None:
    """What a window shows of a block, event by event."""
    events = [
        index for index, start in enumerate(block.grid.event_starts()) if window.start <= start < window.end
    ]
    known = window.known_until is None or block.belief_times is not None
    if window.known_until is not None and block.belief_time is not None:
        known = block.belief_time <= window.known_until
    if window.known_until is not None and block.belief_horizon is not None:  # of its first event there
        known = max(window.start, block.start) + QUARTER - block.belief_horizon <= window.known_until
    if (
        not events
        or block.sensor_id != window.sensor_id
        or (window.source_id is not None and block.source_id != window.source_id)
        or (source_ids is not None and block.source_id not in source_ids)
        or not known
        or block.values.size > window.max_values
        or (window.starting and not window.start <= block.start < window.end)
    ):
        return None
    return block if window.whole else block.cut(events[0], events[-1] + 1)


def test_what_is_gone_through_uncounted_is_not_too_much() -> None:
    assert postgres_windows.UNCOUNTED * 2 * 8 * MAX_BLOCK_VALUES <= MAX_READ_BYTES


@pytest.mark.parametrize(("seed", "uncounted"), [(0, 2048), (1, 2048), (2, 10), (3, 0)])
def test_a_window_shows_what_is_about_its_events_and_was_asked_for(
    filled: Store, seed: int, uncounted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.store.postgres_windows.UNCOUNTED", uncounted)
    monkeypatch.setattr("gridlore.store.joining.FEW", 0)
    monkeypatch.setattr("gridlore.store.joining.WORTH_JOINING", 1)
    chance = random.Random(seed)
    blocks = []
    for seq in range(1, 41):
        count = chance.choice([1, 2, 5, 96])
        known = chance.randrange(-400, 400) * QUARTER
        timings: tuple[tuple[int | None, int | None, IntArray | None], ...] = (
            (known, None, None),
            (None, known, None),
            (None, None, np.arange(count) * HOUR + known),
        )
        values = np.arange(count) + float(seq)
        place = (chance.choice([1, 2]), chance.choice([1, 2]), chance.randrange(-50, 50) * QUARTER, QUARTER)
        blocks.append(Block(*place, values, *chance.choice(timings), seq=seq))
        if len(blocks) > 1 and chance.random() < 0.5:  # it follows another, and may be joined to it
            other = chance.choice(blocks[:-1])
            blocks[-1] = replace(other, start=other.end, values=other.values + seq, seq=seq)
    append(filled, *blocks)
    blocks.sort(key=lambda block: block.start)
    for _ in range(60):
        windows = []
        for _ in range(chance.choice([1, 3])):
            start = chance.randrange(-60, 60)
            windows.append(
                Window(
                    chance.choice([1, 2]),
                    start * QUARTER,
                    (start + chance.choice([1, 7, 100, 3000])) * QUARTER,
                    QUARTER,
                    chance.choice([None, 1, 2]),
                    chance.choice([None, chance.randrange(-400, 400) * QUARTER]),
                    chance.choice([MAX_BLOCK_VALUES, 5, 1]),
                    chance.choice([False, True]),
                    chance.choice([False, True]),
                )
            )
        source_ids: set[int] | None = chance.choice([None, set(), {1}, {1, 2}])
        for window, found in zip(windows, filled.read_blocks(windows, source_ids), strict=True):
            shown = [part for block in blocks if (part := expected(block, window, source_ids))]
            assert sorted(part.seq for part in found) == sorted(part.seq for part in shown), window
            assert all(one.start <= after.start for one, after in pairwise(found)), window
            mine = {part.seq: part for part in found}
            assert all(same(part, mine[part.seq]) for part in shown), window
            (joined,) = filled.read_blocks([replace(window, joined=True)], source_ids)
            assert in_order(joined) == in_order(found), window


def test_a_file_that_cannot_be_written_is_not_writable(
    sqlite_databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = connect_store(sqlite_databases.settings(sqlite_databases.create(sqlite_databases.template(None))))
    assert store.is_writable()
    monkeypatch.setattr("os.access", lambda *_: False)
    assert not store.is_writable()
    store.close()


def test_a_failed_transaction_leaves_nothing(filled: Store) -> None:
    with pytest.raises(RuntimeError), filled.begin_write() as transaction:
        heads = transaction.lock_sensors([1])
        transaction.append_blocks([Block(1, 1, 0, QUARTER, np.ones(4), belief_horizon=0, seq=1)])
        transaction.save_heads([heads[1]._replace(next_seq=2)])
        raise RuntimeError("the power went out")
    assert filled.read_blocks([Window(1, 0, DAY, QUARTER)]) == [[]]
    assert filled.read_heads([1]) == {1: Head(1)}


def test_heads_come_back_as_they_were_saved(filled: Store) -> None:
    head = Head(2, 5, -HOUR, DAY, Latest(DAY - QUARTER, 1.5, 0, 2), Latest(0, -0.25, QUARTER, 1))
    with filled.begin_write() as transaction:
        assert transaction.lock_sensors([2, 3]) == {2: Head(2), 3: Head(3)}
        transaction.save_heads([head])
    assert filled.read_heads([1, 2]) == {1: Head(1), 2: head}


def test_deleted_blocks_are_gone_and_others_stay(filled: Store) -> None:
    blocks = [Block(1, 1, 0, QUARTER, np.ones(4), belief_time=n, seq=n) for n in (1, 2, 3)]
    append(filled, *blocks)
    with filled.begin_write() as transaction:
        transaction.lock_sensors([1])
        transaction.delete_blocks([blocks[1]])
    assert [block.seq for block in filled.read_blocks([Window(1, 0, DAY, QUARTER)])[0]] == [1, 3]


def test_the_directory_comes_back_and_every_change_raises_its_version(filled: Store) -> None:
    before = filled.read_directory()
    assert before.version == filled.directory_version()
    assert [sensor.name for sensor in before.sensors] == ["CS 1", "CS 2", "CS 3"]
    assert before.accounts[0].roles == {"Prosumer", "MDC"}
    with filled.change_directory() as directory:
        directory.save_user(replace(before.users[0], active=False))
    after = filled.read_directory()
    assert after.version > before.version
    assert [user.active for user in after.users] == [False, True]
    assert after.sensors == before.sensors


def test_a_failed_change_of_the_directory_leaves_it_as_it_was(filled: Store) -> None:
    before = filled.read_directory()
    with pytest.raises(RuntimeError), filled.change_directory() as directory:
        directory.save_account(Account(9, "Never Co", frozenset()))
        raise RuntimeError
    assert filled.read_directory() == before
