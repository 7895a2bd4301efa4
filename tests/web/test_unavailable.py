"""A database that cannot be reached is told as such, and the service returns by itself."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.conftest import Databases, WorldClient, wait_for

WORLD = Path(__file__).parents[1] / "acceptance" / "small_world.toml"
PERIOD = {"start": "2024-01-01T00:00:00Z", "duration": "PT1H", "unit": "MW"}


@pytest.fixture
def databases(postgres_databases: Databases) -> Databases:
    """An embedded database cannot go away on its own."""
    return postgres_databases


def test_without_its_database_the_server_says_503_and_recovers(
    world_client: Callable[..., WorldClient], databases: Databases
) -> None:
    client = world_client(WORLD, METRICS="open")
    message = {"connection": "Pole 1", "values": [1, 2, 3, 4], **PERIOD}
    query = {"connection": "Pole 1", **PERIOD}
    assert client.post("ann", "postMeterData", **message).json()["stored"] == 4
    name = client.settings.database_url.partition("?")[0].rpartition("/")[2]
    assert databases.server is not None
    with psycopg.connect(databases.server, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        for _ in range(3):
            for answer in (
                client.post("ann", "postMeterData", **message),
                client.get("ann", "getMeterData", **query),
            ):
                assert answer.status_code == 503
                assert int(answer.headers["Retry-After"]) > 0
                assert answer.json()["status"] == "SERVICE_UNAVAILABLE"
        assert client.request("ann", "GET", "/api/gridlore/v1/sensors").status_code == 503
        assert client.request("ann", "GET", "/api/v1_1/getConnection").status_code == 200
        assert client.request(None, "GET", "/health/live").status_code == 200
        unready = client.request(None, "GET", "/health/ready")
        assert (unready.status_code, unready.json()["checks"]["queue"]) == (503, "ok")
        assert "late_sensors" not in client.request(None, "GET", "/metrics").text
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert client.post("ann", "postMeterData", **message).json()["unchanged"] == 4
    assert client.get("ann", "getMeterData", **query).json()["values"] == [1, 2, 3, 4]


def test_a_database_that_became_read_only_refuses_posts_with_503_and_is_not_ready(
    world_client: Callable[..., WorldClient], postgres_databases: Databases
) -> None:
    """As a primary is after a failover: what a client is told must be worth trying again."""
    client = world_client(WORLD)
    name = client.settings.database_url.partition("?")[0].rpartition("/")[2]
    message = {
        "connection": "Pole 1",
        "value": 1,
        "unit": "MW",
        "start": "2024-05-01T00:00:00Z",
        "duration": "PT15M",
    }
    assert client.post("ann", "postMeterData", **message).status_code == 200
    assert postgres_databases.server is not None
    with psycopg.connect(postgres_databases.server, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name]
        )
    answer = client.post("ann", "postMeterData", **{**message, "value": 2, "horizon": "-PT10M"})
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True), answer.text
    wait_for(lambda: client.request(None, "GET", "/health/ready").status_code == 503)
    assert "read-only" in client.request(None, "GET", "/health/ready").json()["checks"]["store"]
