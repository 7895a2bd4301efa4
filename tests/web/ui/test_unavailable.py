"""A database that is away is told in a page with a way to try again."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.conftest import Databases, WorldClient
from tests.web.ui.browsing import Person

WORLD = Path(__file__).with_name("grid.toml")


@pytest.fixture
def databases(postgres_databases: Databases) -> Databases:
    """An embedded database cannot go away on its own."""
    return postgres_databases


def test_a_database_that_is_away_is_told_with_a_way_to_try_again(
    world_client: Callable[..., WorldClient], databases: Databases
) -> None:
    person = Person(world_client(WORLD))
    person.log_in("ann@plug.example", "ann's password")
    name = person.client.settings.database_url.partition("?")[0].rpartition("/")[2]
    assert databases.server is not None
    with psycopg.connect(databases.server, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        page = person.go("/", 503)
        assert "Try again" in page.text
        assert int(person.answer.headers["Retry-After"]) > 0
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert "Pole 2" in person.go("/").text
