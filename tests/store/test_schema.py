"""The migrated schema is the declared one, and an outdated one is refused with the remedy."""

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from gridlore.bootstrap import connect_store, open_store
from gridlore.domain.beliefs import make_blocks
from gridlore.domain.errors import SchemaError
from gridlore.domain.timing import DAY, HOUR, MINUTE, Grid, Timing
from gridlore.store import migration
from gridlore.store.codec import pack_floats, pack_integers
from gridlore.store.interface import Window
from gridlore.store.relational import RelationalStore
from gridlore.store.schema import metadata
from gridlore.store.writer import Writer
from tests.conftest import Databases
from tests.store.test_blocks import fill_directory

QUARTER = 15 * MINUTE
EXTREMES = (np.finfo(float).max, np.finfo(float).min, 1e-310)
AWKWARD = np.array(
    [1 / 3, 0.0, -0.0, np.nan, 5e-324, -2.225073858507201e-308, 2.2250738585072014e-308, *EXTREMES]
)
"""Float64 of every kind that a block may hold."""


def test_the_migrated_schema_is_the_declared_one(store: RelationalStore) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_an_empty_database_is_refused_saying_which_command_mends_it(databases: Databases) -> None:
    store = connect_store(databases.settings(databases.create()))
    with pytest.raises(SchemaError, match="gridlore db upgrade"):
        store.check_schema()
    store.upgrade_schema()
    store.check_schema()
    store.upgrade_schema()
    store.close()


def test_a_newer_schema_is_refused(store: RelationalStore) -> None:
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match="newer Gridlore"):
        store.check_schema()


def test_a_database_of_an_older_version_keeps_what_it_has_when_it_is_upgraded(databases: Databases) -> None:
    store = connect_store(databases.settings(databases.create()))
    assert isinstance(store, RelationalStore)
    with store.engine.connect() as connection:
        migration.upgrade_schema(connection, "0002")
        for statement in (
            "INSERT INTO account VALUES (1, 'Charge Co', 'Prosumer')",
            "INSERT INTO app_user VALUES (1, 'ann@example.com', 'ann', 1, '', true, NULL, 'key')",
            "INSERT INTO audit_entry VALUES (1, 5, 1, 'edit', 'user', 1, 'user ann@example.com', '{}', '{}')",
        ):
            connection.execute(text(statement))
        connection.commit()
    with pytest.raises(SchemaError, match="gridlore db upgrade"):
        store.check_schema()
    store.upgrade_schema()
    store.check_schema()
    records = store.read_directory()
    assert ([user.name for user in records.users], records.keys, records.grants) == (["ann"], [], [])
    (entry,) = store.read_audit(10)
    assert (entry.recorded_at, entry.user_id, entry.title) == (5, 1, "user ann@example.com")
    store.close()


def test_values_stored_as_arrays_are_the_same_after_an_upgrade(postgres_databases: Databases) -> None:
    store = connect_store(postgres_databases.settings(postgres_databases.create()))
    assert isinstance(store, RelationalStore)
    times = [DAY - step * HOUR for step in range(len(AWKWARD))]
    with store.engine.connect() as connection:
        migration.upgrade_schema(connection, "0004")
        connection.execute(text("INSERT INTO account VALUES (1, 'Charge Co', 'Prosumer')"))
        connection.execute(text("INSERT INTO source VALUES (1, 'script', 'feed')"))
        connection.execute(
            text(
                "INSERT INTO sensor VALUES (1, 'market', 'prices', 'EUR/MWh', :step, 0, 'UTC', NULL, 'both')"
            ),
            {"step": QUARTER},
        )
        connection.execute(
            text("INSERT INTO belief_block VALUES (1, 0, 1, 1, 9, NULL, NULL, :times, :floats)"),
            {"times": times, "floats": AWKWARD.tolist()},
        )
        connection.execute(
            text("INSERT INTO belief_block VALUES (1, :start, 2, 1, 9, 5, NULL, NULL, ARRAY[1.5])"),
            {"start": DAY},
        )
        connection.commit()
    store.upgrade_schema()
    ((first, second),) = store.read_blocks([Window(1, 0, 2 * DAY, QUARTER)])
    assert first.values.tobytes() == AWKWARD.tobytes()
    assert first.belief_times is not None and first.belief_times.tolist() == times
    assert (second.values.tolist(), second.belief_times, second.belief_time) == ([1.5], None, 5)
    store.close()


def test_sql_users_read_each_value_exactly(postgres_databases: Databases) -> None:
    store = connect_store(
        postgres_databases.settings(postgres_databases.create(postgres_databases.template(None)))
    )
    assert isinstance(store, RelationalStore)
    times = np.array([-1, 0, 1, 2**62, -(2**62), 7, 8, 9, 10, 11])
    for values in (AWKWARD, np.random.default_rng(1).normal(size=2048) ** 9):
        whole = {"floats": pack_floats(values), "times": pack_integers(times)}
        with store.engine.connect() as connection:
            rows = connection.execute(
                text("SELECT value, belief_time FROM unpack_block(:floats, :times) LIMIT 10"), whole
            ).all()
            read = connection.execute(
                text("SELECT value FROM unpack_block(:floats, NULL) ORDER BY i"), whole
            ).scalars()
            assert np.array(read.all()).tobytes() == values.tobytes()
            assert [time for _, time in rows] == times.tolist()
    store.close()


def test_an_embedded_database_is_made_by_opening_it(sqlite_databases: Databases) -> None:
    settings = sqlite_databases.settings("made_by_opening")
    store = open_store(settings)
    assert store.read_directory().sensors == []
    store.close()


def test_postgres_shows_beliefs_as_rows(postgres_databases: Databases) -> None:
    store = connect_store(
        postgres_databases.settings(postgres_databases.create(postgres_databases.template(None)))
    )
    assert isinstance(store, RelationalStore)
    fill_directory(store)
    writer = Writer(store, max_queue_bytes=10_000_000)
    grid = Grid(DAY, QUARTER, 4)
    for values, timing in (
        ([1.0, 2.0, 3.0, 4.0], Timing(belief_horizon=6 * HOUR)),
        ([1.5, 2.0, 3.5, 4.5], Timing(belief_time=DAY)),
    ):
        writer.submit(list(make_blocks(1, 2, grid, np.array(values), timing, recorded_at=2 * DAY))).result()
    writer.close()
    with store.engine.connect() as connection:
        connection.execute(text("SET TIME ZONE 'UTC'"))
        rows = connection.execute(
            text("SELECT event_start, belief_time, value, source_id, recorded_at FROM belief ORDER BY 1, 2")
        ).all()
        assert len(rows) == 7, "an unchanged value is a hole, and no row"
        assert [str(cell) for cell in rows[0]] == [
            "1970-01-02 00:00:00+00:00",
            "1970-01-01 18:15:00+00:00",
            "1.0",
            "2",
            "1970-01-03 00:00:00+00:00",
        ]
        query = (
            "SELECT value FROM beliefs(1, timestamptz '1970-01-02 00:15Z', timestamptz '1970-01-02 01:00Z'"
        )
        assert connection.execute(text(query + ")")).scalars().all() == [2.0, 3.0, 3.5, 4.0, 4.5]
        prior = query + ", prior => timestamptz '1970-01-01 18:45Z')"
        assert connection.execute(text(prior)).scalars().all() == [2.0, 3.0]
        ahead = query + ", horizon => interval '6 hours')"
        assert connection.execute(text(ahead)).scalars().all() == [2.0, 3.0, 4.0]
        assert connection.execute(text("SELECT count(*) FROM beliefs(2, now(), now())")).scalar() == 0
    store.close()
