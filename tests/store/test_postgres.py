"""What PostgreSQL alone can do to a store: end its connections."""

import re
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from gridlore.bootstrap import connect_store
from gridlore.domain.beliefs import MAX_BLOCK_VALUES, Block
from gridlore.domain.commands import Receipt
from gridlore.domain.errors import StoreUnavailableError
from gridlore.domain.timing import DAY, MINUTE
from gridlore.store import postgres, sessions
from gridlore.store.columns import blocks_to_columns
from gridlore.store.interface import Store, StoreConflictError, Window
from gridlore.store.postgres import PostgresStore
from gridlore.store.relational import BLOCK_COLUMNS
from gridlore.store.writer import Writer
from tests.conftest import Databases
from tests.store.test_blocks import fill_directory
from tests.store.test_writer import QUARTER, blocks, read

END_ALL = """
    SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
def database(postgres_databases: Databases) -> str:
    return postgres_databases.create(postgres_databases.template(None))


@pytest.fixture
def store(postgres_databases: Databases, database: str) -> Iterator[Store]:
    opened = connect_store(postgres_databases.settings(database))
    fill_directory(opened)
    yield opened
    opened.close()


def test_lost_connections_are_replaced_without_anybody_noticing(
    store: Store, postgres_databases: Databases, database: str
) -> None:
    writer = Writer(store, max_queue_bytes=10_000_000)
    with psycopg.connect(postgres_databases.settings(database).database_url, autocommit=True) as other:
        assert writer.submit(blocks([1.0])).result() == Receipt(1, 0)
        assert read(store, 1) == [1.0]
        ended = other.execute(END_ALL).fetchone()
        assert ended is not None and ended[0] >= 2
        assert read(store, 1) == [1.0]
        assert store.read_heads([1])[1].next_seq == 2
        other.execute(END_ALL)
        assert writer.submit(blocks([1.0, 2.0])).result() == Receipt(1, 1)
        assert read(store, 2) == [1.0, 2.0]
    writer.close()


def hold_a_sensor(store: Store, held: threading.Event, done: threading.Event) -> None:
    with store.begin_write() as transaction:
        transaction.lock_sensors([1])
        held.set()
        done.wait(30)


@pytest.mark.parametrize("frozen", [False, True])
def test_a_server_that_holds_a_sensor_for_ever_does_not_keep_another_waiting_so_long(
    postgres_databases: Databases, database: str, store: Store, monkeypatch: pytest.MonkeyPatch, frozen: bool
) -> None:
    monkeypatch.setitem(sessions.BOUNDS_FOR_BLOCKS, "lock_timeout", "20s" if frozen else "300ms")
    monkeypatch.setitem(sessions.BOUNDS_FOR_BLOCKS, "transaction_timeout", "1s" if frozen else "60s")
    first, second = (connect_store(postgres_databases.settings(database)) for _ in range(2))
    writer = Writer(second, max_queue_bytes=10_000_000)
    held, done = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as others:
        holding = others.submit(hold_a_sensor, first, held, done)
        assert held.wait(10)
        time.sleep(0.3)  # or the bound may end the one that waits first
        waiting = writer.submit(blocks([1.0]))
        time.sleep(0.1)
        also, beside = writer.submit(blocks([1.0])), writer.submit(blocks([1.0], sensor=2))
        assert beside.result(15) == Receipt(1, 0), "it is not about that sensor"
        if frozen:  # its session is ended by the database
            assert waiting.result(15) == Receipt(1, 0)
            done.set()
            assert isinstance(holding.exception(10), StoreUnavailableError)
        else:
            assert isinstance(waiting.exception(15), StoreUnavailableError)
            assert isinstance(also.exception(15), StoreUnavailableError)
            done.set()
            holding.result(10)
    assert writer.submit(blocks([1.0, 2.0])).result(10).stored == (1 if frozen else 2)
    writer.close()
    first.close()
    second.close()


@pytest.mark.parametrize("good", range(6))
def test_failed_commits_leave_their_connection_as_good_as_before(store: Store, good: int) -> None:
    """However often a statement was used before: psycopg prepares it at the sixth time, maybe in vain."""
    for seq in range(1, good + 1):
        commit_one(store, seq)
    store.read_heads([1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres, "_APPEND", "INSERT INTO belief_block SELECT 1 / 0 FROM unnest(" + COLUMNS)
        for _ in range(9):
            with pytest.raises(psycopg.errors.DivisionByZero):
                commit_one(store, good + 1)
    for seq in range(good + 1, good + 9):
        commit_one(store, seq)
    assert read(store, good + 8) == [1.0] * (good + 8)


COLUMNS = ", ".join(["%s"] * len(BLOCK_COLUMNS)) + ")"


def commit_one(store: Store, seq: int) -> None:
    block = blocks([1.0], (seq - 1) * 15 * MINUTE)[0].numbered(seq)
    with store.begin_write() as transaction:
        head = transaction.lock_sensors([1])[1]
        transaction.append_blocks([block])
        transaction.save_heads([head._replace(next_seq=seq + 1)])


def test_many_values_are_written_in_portions(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []

    def counted(portion: Sequence[Block]) -> Any:
        written.append(sum(block.values.size for block in portion))
        return blocks_to_columns(portion)

    monkeypatch.setattr(postgres, "PORTION", 8 * 3000)
    monkeypatch.setattr(postgres, "blocks_to_columns", counted)
    values = np.arange(10_000, dtype=float).tolist()
    writer = Writer(store, max_queue_bytes=10_000_000)
    assert writer.submit(blocks(values)).result() == Receipt(10_000, 0)
    writer.close()
    assert read(store, 10_000) == values
    assert sum(written) == 10_000
    assert max(written) <= 3000 + MAX_BLOCK_VALUES
    assert len(written) > 2


MANY_BLOCKS = """
    INSERT INTO belief_block (sensor_id, start, seq, source_id, recorded_at, belief_horizon, event_values)
    SELECT sensor, day * 86400000000, day, 1, 1, 0, decode(repeat('00', 768), 'hex')
    FROM generate_series(1, 20) AS sensor, generate_series(1, 1000) AS day
"""
SCANNED = "SELECT coalesce(seq_scan, 0), idx_scan FROM pg_stat_user_tables WHERE relname = 'belief_block'"


def test_a_table_of_many_blocks_is_never_gone_through(postgres_databases: Databases, database: str) -> None:
    store = connect_store(postgres_databases.settings(database))
    fill_directory(store, sensors=30)
    with psycopg.connect(postgres_databases.settings(database).database_url, autocommit=True) as other:
        other.execute(MANY_BLOCKS)
        other.execute("VACUUM ANALYZE belief_block")
        before = other.execute(SCANNED).fetchone()
        assert before is not None
        writer = Writer(store, max_queue_bytes=10_000_000)
        for day in range(1001, 1013):  # from the sixth on, statements are prepared, and plans general
            said = [blocks([1.0] * 96, day * DAY, sensor=sensor)[0] for sensor in range(1, 31)]
            assert writer.submit(said).result() == Receipt(30 * 96, 0)
            assert writer.submit(said).result() == Receipt(0, 30 * 96)
            windows = [Window(sensor, day * DAY, (day + 1) * DAY, QUARTER) for sensor in range(1, 31)]
            assert all(len(found) == 1 for found in store.read_blocks(windows))
            assert len(store.read_blocks([Window(1, 0, 3000 * DAY, QUARTER)])[0]) > 900
        writer.close()
        store.close()  # then the sessions tell what they did
        deadline = time.monotonic() + 20
        while (after := other.execute(SCANNED).fetchone()) is not None and after[1] < before[1] + 12 * 61:
            assert time.monotonic() < deadline, (before, after)
            time.sleep(0.05)
    assert after is not None and after[0] == before[0]


def test_a_commit_that_a_lost_connection_may_have_carried_out_is_not_tried_again(
    store: Store, postgres_databases: Databases, database: str
) -> None:
    head = store.read_heads([1])[1]
    with psycopg.connect(postgres_databases.settings(database).database_url, autocommit=True) as other:
        for ask_first in (False, True):
            with pytest.raises(StoreUnavailableError) as raised, store.begin_write() as transaction:
                if ask_first:
                    transaction.lock_sensors([1])
                transaction.save_heads([head._replace(next_seq=7)])
                other.execute(END_ALL)
            assert not isinstance(raised.value, StoreConflictError)
    assert store.read_heads([1])[1] == head


def test_a_connection_that_was_lost_before_anything_was_done_is_a_conflict(
    store: Store, postgres_databases: Databases, database: str
) -> None:
    store.read_heads([1])
    url = postgres_databases.settings(database).database_url
    with (
        psycopg.connect(url, autocommit=True) as other,
        pytest.raises(StoreConflictError),
        store.begin_write() as transaction,
    ):
        other.execute(END_ALL)
        transaction.lock_sensors([1])


def test_the_documents_say_how_many_connections_a_process_opens_at_most(
    postgres_databases: Databases,
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
    (stated,) = re.findall(r"`max_connections` \| (\d+) for each process", page)
    store = connect_store(postgres_databases.settings(postgres_databases.create()))
    assert isinstance(store, PostgresStore)
    opened = []
    for pool in (store.engine.pool, store._blocks.pool):
        pool._timeout = 0.01  # type: ignore[attr-defined]  # nobody gives a connection back here
        with pytest.raises(PoolTimeoutError):
            while True:
                opened.append(pool.connect())
    for connection in opened:
        connection.close()
    store.close()
    assert len(opened) == int(stated)
