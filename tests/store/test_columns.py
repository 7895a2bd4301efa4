"""Arrays in PostgreSQL's binary form: the database reads what was written."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridlore.domain.beliefs import Block
from gridlore.store.columns import blocks_to_columns, pack_bigints
from gridlore.store.relational import BLOCK_COLUMNS
from tests.conftest import Databases

BIGINTS = st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20)
TIMES = st.none() | st.lists(st.integers(-(2**63), 2**63 - 1), min_size=3, max_size=3)


@pytest.fixture(scope="module")
def connection(postgres_databases: Databases) -> Iterator[psycopg.Connection[Any]]:
    settings = postgres_databases.settings(postgres_databases.create(postgres_databases.template(None)))
    with psycopg.connect(settings.database_url, autocommit=True) as opened:
        yield opened


@given(numbers=BIGINTS)
def test_numbers_arrive_as_they_are(connection: psycopg.Connection[Any], numbers: list[int | None]) -> None:
    assert connection.execute("SELECT %s", (pack_bigints(numbers),)).fetchone() == (numbers,)


def test_no_numbers_arrive_as_none(connection: psycopg.Connection[Any]) -> None:
    assert connection.execute("SELECT %s", (pack_bigints([]),)).fetchone() == ([],)


@given(times=st.lists(TIMES, min_size=1, max_size=5))
def test_columns_of_blocks_arrive_as_rows(
    connection: psycopg.Connection[Any], times: list[list[int] | None]
) -> None:
    blocks = [
        Block(
            number,
            2,
            -900 * number,
            900,
            np.array([1.5, np.nan, -0.0]),
            None,
            number if known is None else None,
            None if known is None else np.array(known, dtype=np.int64),
            7,
            number + 1,
        )
        for number, known in enumerate(times)
    ]
    arrays = ", ".join(["%s"] * len(BLOCK_COLUMNS))
    rows = connection.execute(f"SELECT * FROM unnest({arrays})", blocks_to_columns(blocks)).fetchall()
    values = np.array([1.5, np.nan, -0.0]).tobytes()
    assert rows == [
        (
            number,
            -900 * number,
            number + 1,
            2,
            7,
            None,
            number if known is None else None,
            None if known is None else np.array(known, dtype="<i8").tobytes(),
            values,
        )
        for number, known in enumerate(times)
    ]
