"""Each limit exactly: at it passes, one more is refused and told the limit, and nothing of it is stored."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from gridlore.bootstrap import connect_store
from gridlore.domain.errors import TooManyRequestsError
from gridlore.services.throttle import RequestThrottle
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


def test_bytes_of_a_table(world_client: Callable[..., WorldClient], monkeypatch: pytest.MonkeyPatch) -> None:
    client = world_client(WORLD)
    assert post(client, 10)[0] == 200
    asked = {"sensor": "Pole 1", "start": MESSAGE["start"], "duration": "PT150M", "format": "csv"}

    def read() -> httpx.Response:
        return client.request("ann", "GET", "/api/gridlore/v1/data", query=asked)

    whole = read()
    monkeypatch.setattr("gridlore.web.tables.ROWS_AT_ONCE", 3)
    assert read().text == whole.text, "however many pieces it is made in"
    monkeypatch.setattr("gridlore.web.tables.MAX_TABLE_BYTES", 1)
    refused = read()
    assert refused.status_code == 400
    assert "Ask for a shorter duration" in refused.json()["message"]


def test_a_long_answer_is_whole_in_however_many_pieces(
    world_client: Callable[..., WorldClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = world_client(WORLD)
    whole = client.request("ann", "GET", "/api/gridlore/v1/sensors")
    assert len(whole.content) > 300
    monkeypatch.setattr("gridlore.web.answers.PIECE", 100)
    assert client.request("ann", "GET", "/api/gridlore/v1/sensors").content == whole.content


def test_requests_of_a_user_while_their_bucket_drains_and_refills() -> None:
    throttle = RequestThrottle("user", 3)

    def admitted(at: float, asked: int) -> int:
        for number in range(asked):
            try:
                throttle.admit("ann", at)
            except TooManyRequestsError as error:
                assert (error.limit, error.retry_after) == (3, 1)
                return number
        return asked

    assert admitted(100.0, 31) == 30, "ten seconds' worth at once"
    assert [admitted(100.0, 1) for _ in range(5)] == [0] * 5
    assert admitted(100.3, 1) == 0
    assert admitted(101.0, 4) == 3, "a second later a second's worth: what was refused does not count"
    assert admitted(103.0, 7) == 6
    assert admitted(200.0, 31) == 30, "never more than ten seconds' worth"


def test_a_refusal_says_when_to_go_on_and_that_is_true(world_client: Callable[..., WorldClient]) -> None:
    client = world_client(WORLD, REQUESTS_PER_USER="2", DIRECTORY_MAX_AGE="3600")

    def ask() -> httpx.Response:
        return client.request("ann", "GET", "/api/v1_1/getConnection")

    answers = [ask() for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    refused = next(answer for answer in iter(ask, None) if answer.status_code == 429)
    wait = refused.headers["Retry-After"]
    limits = [refused.headers[f"RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset")]
    assert limits == ["2", "0", wait]
    time.sleep(int(wait))
    assert ask().status_code == 200


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
