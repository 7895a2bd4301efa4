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
from gridlore.store.relational import RelationalStore
from gridlore.store.schema import metadata
from gridlore.store.writer import Writer
from tests.conftest import Databases
from tests.store.test_blocks import fill_directory

QUARTER = 15 * MINUTE


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
