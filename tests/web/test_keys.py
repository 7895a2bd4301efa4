"""API keys: what they open, what they do not, and when they end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from gridlore.bootstrap import connect_store
from gridlore.domain.errors import UserError
from gridlore.services import keys
from gridlore.services.keys import MAX_KEYS, KeyRing
from gridlore.store.interface import DirectoryTransaction
from gridlore.wire.messages import read_post
from tests.conftest import Databases, WorldClient, wait_for

WORLD = Path(__file__).parents[1] / "acceptance" / "world.toml"
MARKET = "ea1.2021-01.localhost:day_ahead"
UNKNOWN_PLACE = "ea1.2021-01.localhost:temperature:-33:151"


@pytest.fixture
def client(world_client: Callable[..., WorldClient]) -> WorldClient:
    return world_client(WORLD, DIRECTORY_MAX_AGE="0.05")


@pytest.fixture
def databases(sqlite_databases: Databases) -> Databases:
    """Keys are the same whatever the store; that both keep them is shown in tests/store."""
    return sqlite_databases


def send(client: WorldClient, key: str, method: str, path: str, **more: Any) -> httpx.Response:
    return client.request(None, method, path, headers={"Authorization": key}, **more)


def status(client: WorldClient, key: str) -> int:
    return send(client, key, "GET", "/api/v1_1/getConnection").status_code


def post(client: WorldClient, key: str, **fields: Any) -> httpx.Response:
    message = {
        "type": "PostMeterDataRequest",
        "unit": "MW",
        "start": "2024-05-01T00:00:00Z",
        "duration": "PT15M",
        **(fields if "values" in fields else {"value": 1, **fields}),
    }
    return send(client, key, "POST", "/api/v1_1/postMeterData", json=message)


def read(client: WorldClient, key: str, **fields: str) -> httpx.Response:
    query = {"start": "2024-05-01T00:00:00Z", "duration": "PT15M", **fields}
    return send(client, key, "GET", "/api/gridlore/v1/data", query=query)


def test_a_key_opens_what_its_user_may_use_bare_and_as_bearer(client: WorldClient) -> None:
    key = client.key("vera", "gateway")
    wait_for(lambda: status(client, key) == 200)
    assert status(client, f"Bearer {key}") == 200
    assert key.startswith("glk_")
    assert len(key) > 4 + 43, "256 random bits"
    own = client.request("vera", "GET", "/api/gridlore/v1/sensors").json()
    assert send(client, key, "GET", "/api/gridlore/v1/sensors").json() == own
    assert post(client, key, connection="Kettle").json()["stored"] == 1
    assert read(client, key, sensor="Kettle").json()["values"] == [1]


def test_no_character_of_a_key_can_be_changed(client: WorldClient) -> None:
    key = client.key("vera", "gateway")
    wait_for(lambda: status(client, key) == 200)
    other = client.key("vera", "another")
    forged = {key[:place] + "x" + key[place + 1 :] for place in range(len(key)) if key[place] != "x"}
    forged |= {key + "x", key[:-1], key[:16], "glk_", key[:16] + other[16:], other[:16] + key[16:]}
    assert {status(client, text) for text in forged} == {401}
    assert (
        client.http.get("/api/v1_1/getConnection", headers={b"Authorization": b"glk_\xe9"}).status_code == 401
    )


def test_a_read_only_key_is_told_that_it_may_not_post_and_nothing_is_stored(client: WorldClient) -> None:
    key = client.key("vera", "dashboard", read_only=True)
    wait_for(lambda: status(client, key) == 200)
    for endpoint in ("postMeterData", "postPrognosis", "postPriceData", "postWeatherData"):
        answer = send(client, key, "POST", f"/api/v1_1/{endpoint}", content=b"no JSON")
        assert (answer.status_code, answer.json()["status"]) == (403, "INVALID_SENDER")
        assert "This API key may read only" in answer.json()["message"]
    assert post(client, key, connection="Kettle").status_code == 403
    assert read(client, key, sensor="Kettle").json()["values"] == []


def test_for_a_limited_key_there_are_no_other_sensors(client: WorldClient) -> None:
    key = client.key("vera", "kettle", sensors=["Kettle", MARKET])
    wait_for(lambda: status(client, key) == 200)
    assert send(client, key, "GET", "/api/v1_1/getConnection").json()["names"] == ["Kettle"]
    listed = send(client, key, "GET", "/api/gridlore/v1/sensors").json()["sensors"]
    assert [sensor["name"] for sensor in listed] == ["Kettle", "day_ahead"]
    for hidden, missing in (
        ("ea1.2021-01.localhost:1:1", "ea1.2021-01.localhost:1:999"),
        ("Roof", "Rood"),
        ("ea1.2021-01.localhost:fm1.12", "ea1.2021-01.localhost:fm1.999"),
        ("ea1.2021-01.localhost:island_tou", "ea1.2021-01.localhost:nowhere"),
    ):
        answers = [read(client, key, sensor=name) for name in (hidden, missing)]
        assert answers[0].text == answers[1].text.replace(missing, hidden)
        answers = [post(client, key, connection=name) for name in (hidden, missing)]
        assert answers[0].text == answers[1].text.replace(missing, hidden)
        assert {answer.status_code for answer in answers} == {400}
    place = read(client, key, sensor=UNKNOWN_PLACE).json()
    assert place["message"] == "There is no temperature sensor here. Known quantities: none."
    assert post(client, key, connections=["Kettle", "Roof"]).status_code == 400
    assert post(client, key, connection="Kettle").json()["stored"] == 1


def test_a_key_can_be_limited_to_what_its_user_may_use_only(client: WorldClient) -> None:
    with pytest.raises(Exception, match="neither an entity address nor a known name"):
        client.key("vera", "not mine", sensors=["Dryer"])


def test_an_expired_key_opens_nothing(client: WorldClient) -> None:
    """A key that ends later is made to have ended, so that no time passes in which the test could be late."""
    later = time.time_ns() // 1000 + 3_600_000_000
    key = client.key("vera", "short", expires_at=later)
    wait_for(lambda: status(client, key) == 200)
    store = connect_store(client.settings)
    (stored,) = store.read_directory().keys
    store.close()
    change(client, lambda directory: directory.save_key(replace(stored, expires_at=later - 3_600_000_000)))
    wait_for(lambda: status(client, key) == 401)


def test_a_key_that_ends_while_a_long_message_is_read_stores_nothing(
    world_client: Callable[..., WorldClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = list[str]()

    def read_slowly(*args: Any, **named: Any) -> Any:
        command = read_post(*args, **named)
        reading.append("once")
        change(client, lambda directory: directory.save_key(replace(stored, revoked_at=1)))
        wait_for(lambda: status(client, key) == 401)
        return command

    monkeypatch.setattr("gridlore.web.api_v1_1.read_post", read_slowly)
    client = world_client(WORLD, DIRECTORY_MAX_AGE="0.05")
    key = client.key("vera", "gateway")
    wait_for(lambda: status(client, key) == 200)
    store = connect_store(client.settings)
    (stored,) = store.read_directory().keys
    store.close()
    values = [0.123456789] * 20_000
    assert post(client, key, connection="Kettle", values=values, duration="PT5000H").status_code == 401
    assert reading == ["once"]
    known = client.request("vera", "GET", "/api/gridlore/v1/sensors").json()["sensors"]
    assert [sensor["last_event"] for sensor in known if sensor["name"] == "Kettle"] == [None]


def change(client: WorldClient, what: Callable[[DirectoryTransaction], object]) -> None:
    store = connect_store(client.settings)
    with store.change_directory() as transaction:
        what(transaction)
    store.close()


def test_keys_end_by_revocation_and_deactivation_within_the_staleness_bound_and_outlive_a_new_password(
    client: WorldClient,
) -> None:
    kept, ended = client.key("vera", "kept"), client.key("vera", "ended")
    wait_for(lambda: [status(client, key) for key in (kept, ended)] == [200, 200])
    store = connect_store(client.settings)
    directory = store.read_directory()
    vera = directory.users[0]
    KeyRing(store).revoke(directory.keys[1].id, 1, "the tests")
    wait_for(lambda: status(client, ended) == 401)
    change(client, lambda directory: directory.save_user(replace(vera, active=False)))
    wait_for(lambda: status(client, kept) == 401)
    change(client, lambda directory: directory.save_user(replace(vera, token_key="a new password's")))
    wait_for(lambda: status(client, kept) == 200)
    with pytest.raises(UserError, match="revoked already"):
        KeyRing(store).revoke(directory.keys[1].id, 1, "the tests")
    store.close()


def test_an_admins_key_opens_the_api_and_no_page_and_makes_no_tokens_or_keys(client: WorldClient) -> None:
    key = client.key("otto", "robot")
    wait_for(lambda: status(client, key) == 200)
    assert "Dryer" in send(client, key, "GET", "/api/v1_1/getConnection").json()["names"]
    for path in ("/administration", "/administration/users", "/profile", "/sensors/1", "/sensors/1/upload"):
        answer = send(client, key, "GET", path)
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/login?next={path}")
    for path in ("/profile/keys", "/profile/token", "/profile/password", "/administration/users/new"):
        assert send(client, key, "POST", path).status_code in {303, 403}
    body = {"email": "otto@meters.example"}
    assert send(client, key, "POST", "/api/requestAuthToken", json=body).status_code == 400
    client.http.cookies["gridlore_session"] = key
    assert client.http.get("/administration", follow_redirects=False).status_code == 303


def test_a_key_of_an_account_without_a_role_opens_nothing(client: WorldClient) -> None:
    key = client.key("nora", "hopeful")
    wait_for(lambda: status(client, key) == 403)


def test_only_a_hash_is_kept_and_making_and_revoking_are_recorded(client: WorldClient) -> None:
    key = client.key("vera", "gateway", read_only=True, sensors=["Kettle"])
    store = connect_store(client.settings)
    (kept,) = store.read_directory().keys
    KeyRing(store).revoke(kept.id, kept.created_at + 1, "somebody")
    revoked, made = store.read_audit(10)
    assert store.read_directory().keys == []
    store.close()
    assert key not in repr((kept, made, revoked))
    assert key[17:] not in repr((kept, made, revoked))
    assert kept.secret_hash == keys.hash_key(key)
    assert (made.action, made.title, made.actor) == ("create key", "user vera@sunny.example", "the tests")
    assert (revoked.user_id, revoked.actor) == (None, "somebody")
    assert made.after == {
        "key": "1 (gateway)",
        "begins with": key[:16],
        "may": "read",
        "sensors": "4",
        "ends": "never",
    }
    assert (revoked.action, revoked.after) == ("revoke key", made.after)


def test_nobody_has_two_keys_of_a_name_or_more_than_a_hundred(client: WorldClient) -> None:
    client.key("vera", "gateway")
    with pytest.raises(UserError, match="has a key with the name 'gateway' already"):
        client.key("vera", " gateway ")
    client.key("wim", "gateway")
    store = connect_store(client.settings)
    (kept, _) = store.read_directory().keys
    with store.change_directory() as transaction:
        for number in range(MAX_KEYS - 1):
            copied = replace(kept, id=0, name=f"key {number}", prefix=f"glk_{number}")
            transaction.save_key(copied)
    store.close()
    with pytest.raises(UserError, match="has 100 keys, and may have no more"):
        client.key("vera", "one more")
