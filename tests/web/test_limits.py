"""Each limit exactly: at it passes, one more is refused and told the limit, and nothing of it is stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gridlore.bootstrap import connect_store
from tests.conftest import Databases, WorldClient

WORLD = Path(__file__).parents[1] / "acceptance" / "small_world.toml"
TEN = "10"
MESSAGE = {"unit": "MW", "start": "2020-05-01T00:00:00Z"}


@pytest.fixture
def databases(sqlite_databases: Databases) -> Databases:
    """Limits are the same whatever the store."""
    return sqlite_databases


def heads(client: WorldClient) -> str:
    """Changes whenever anything is stored."""
    store = connect_store(client.settings)
    sensors = [sensor.id for sensor in store.read_directory().sensors]
    found = repr(sorted(store.read_heads(sensors).items()))
    store.close()
    return found


def post(client: WorldClient, count: int) -> tuple[int, str]:
    period = {"duration": f"PT{15 * count}M", "values": [1.5] * count}
    answer = client.post("ann", "postMeterData", connection="Pole 1", **MESSAGE, **period)
    return answer.status_code, answer.json()["message"]


def test_values_of_a_message(world_client: Callable[..., WorldClient]) -> None:
    client = world_client(WORLD, MAX_VALUES_PER_MESSAGE=TEN)
    empty = heads(client)
    code, text = post(client, 11)
    assert code == 413
    assert "10" in text
    assert heads(client) == empty
    assert post(client, 10)[0] == 200
    assert heads(client) != empty


def test_slots_of_a_read(world_client: Callable[..., WorldClient]) -> None:
    client = world_client(WORLD, MAX_SLOTS_PER_READ=TEN)
    assert post(client, 10)[0] == 200

    def get(count: int) -> tuple[int, str]:
        asked = {"connection": "Pole 1", "duration": f"PT{15 * count}M"}
        answer = client.get("ann", "getMeterData", **MESSAGE, **asked)
        return answer.status_code, answer.json()["message"]

    assert get(10)[0] == 200
    code, text = get(11)
    assert code == 400
    assert "10" in text


def test_bytes_of_a_body(world_client: Callable[..., WorldClient]) -> None:
    client = world_client(WORLD, MAX_BODY_BYTES="2000")
    fields = {"type": "PostMeterDataRequest", "connection": "Pole 1", "duration": "PT15M", "value": 1}
    body = json.dumps({**fields, **MESSAGE})
    empty = heads(client)

    def send(length: int) -> tuple[int, str]:
        answer = client.request("ann", "POST", "/api/v1_1/postMeterData", content=body.ljust(length))
        return answer.status_code, answer.json()["message"]

    code, text = send(2001)
    assert code == 413
    assert "2000" in text.replace(",", "")
    assert heads(client) == empty
    assert send(2000)[0] == 200
