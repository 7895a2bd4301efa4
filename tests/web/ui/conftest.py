"""The pages of one application, on an embedded database: they are the same whatever the store."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Databases, WorldClient
from tests.web.ui.browsing import Person


@pytest.fixture
def databases(sqlite_databases: Databases) -> Databases:
    """Pages are the same whatever the store."""
    return sqlite_databases


@pytest.fixture
def client(world_client: Callable[..., WorldClient]) -> WorldClient:
    """An application with the world of grid.toml; some files of tests have another one."""
    return world_client(Path(__file__).with_name("grid.toml"))


@pytest.fixture
def root(client: WorldClient) -> Person:
    person = Person(client)
    assert person.log_in("root@meter.example", "root's password") == 303
    return person


@pytest.fixture
def ann(client: WorldClient) -> Person:
    """Who lives in one of the houses of two_houses.toml, for tests that have that world."""
    person = Person(client)
    assert person.log_in("ann@house.example", "ann's password") == 303
    return person
