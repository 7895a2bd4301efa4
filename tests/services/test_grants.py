"""Grants: given by world files, recorded, revoked, and gone when a connection changes hands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gridlore.bootstrap import connect_store, open_accounts
from gridlore.domain.access import ACCESS_WORDS
from gridlore.domain.errors import UserError
from gridlore.services.grants import revoke_grant
from gridlore.services.world import WorldSummary, apply_world, parse_world
from gridlore.store.interface import Store
from gridlore.wire.iso8601 import parse_resolution
from tests.conftest import MADE, Databases, WorldClient, wait_for

WORLD = Path(__file__).parents[1] / "acceptance" / "grants.toml"
DATA = "/api/gridlore/v1/data"


@pytest.fixture
def databases(sqlite_databases: Databases) -> Databases:
    """That both stores keep grants is shown in tests/store."""
    return sqlite_databases


@pytest.fixture
def client(world_client: Callable[..., WorldClient]) -> WorldClient:
    return world_client(WORLD, DIRECTORY_MAX_AGE="0.02")


def apply(store: Store, client: WorldClient, text: str) -> WorldSummary:
    accounts = open_accounts(client.settings)
    return apply_world(
        store,
        parse_world(text, file="w.toml", environ={}, parse_resolution=parse_resolution),
        hash_password=accounts.hash_password,
        verify_password=accounts.verify_password,
        now=MADE,
    )


def names(client: WorldClient, user: str) -> list[str]:
    return list(client.get(user, "getConnection").json()["names"])


def wait_for_names(client: WorldClient, user: str, expected: list[str]) -> None:
    wait_for(lambda: names(client, user) == expected)


def test_applying_a_world_again_changes_nothing_and_other_access_updates_the_grant(
    client: WorldClient,
) -> None:
    store = connect_store(client.settings)
    text = WORLD.read_text()
    assert not apply(store, client, text).updated
    before = store.read_directory().grants
    changed = apply(store, client, text.replace('access = "post"', 'access = "read+post"'))
    assert changed.updated == ("grant of Roof A from Rooftop Homes to Counting House",)
    assert store.read_directory().grants == [replace(before[0], access=ACCESS_WORDS["read+post"]), before[1]]
    apply(store, client, text.replace('["Roof A"]', '["Roof B"]'))
    assert len(store.read_directory().grants) == 3, "what a file does not mention any more stays"
    store.close()


def test_a_grant_of_all_connections_covers_later_ones_and_one_of_its_own_does_not(
    client: WorldClient,
) -> None:
    store = connect_store(client.settings)
    text = WORLD.read_text().replace('name = "Roof A"', 'name = "Roof C"').partition("[[grant]]")[0]
    apply(store, client, text)
    store.close()
    wait_for_names(client, "abe", ["Roof C", "Roof B", "Roof B", "Roof A"])
    assert names(client, "mara") == ["Roof A"]


def test_revoking_takes_effect_within_the_staleness_bound_and_is_recorded(client: WorldClient) -> None:
    store = connect_store(client.settings)
    assert names(client, "mara") == ["Roof A"]
    with store.change_directory() as transaction:
        revoke_grant(transaction, 1, MADE + 1, None)
    wait_for_names(client, "mara", [])
    with pytest.raises(UserError, match="There is no grant 1"), store.change_directory() as transaction:
        revoke_grant(transaction, 1, MADE + 2, None)
    revoked, _, given = store.read_audit(10)
    facts = {"to": "Counting House", "may": "post", "connections": "Roof A"}
    assert (given.action, given.title, given.before, given.after) == (
        "give access", "account Rooftop Homes", None, facts
    )  # fmt: skip
    assert (revoked.action, revoked.before, revoked.after) == ("revoke access", facts, None)
    assert {given.recorded_at, revoked.recorded_at} == {MADE, MADE + 1}
    store.close()


def test_who_was_granted_a_connection_loses_it_when_it_goes_to_another_account(client: WorldClient) -> None:
    store = connect_store(client.settings)
    with store.change_directory() as transaction:
        roof_a = store.read_directory().sensors[0]
        transaction.save_sensor(replace(roof_a, owner_id=4))
    wait_for_names(client, "mara", [])
    assert names(client, "abe") == ["Roof B", "Roof B"]
    assert names(client, "vic") == ["Roof A"]
    store.close()


def test_every_user_of_the_account_that_was_granted_access_has_it_and_the_key_of_one_too(
    client: WorldClient,
) -> None:
    store = connect_store(client.settings)
    apply(store, client, '[[user]]\nemail = "amy@bundle.example"\naccount = "Bundle of Roofs"\n')
    store.close()
    period = {"start": "2024-05-01T00:00:00Z", "duration": "PT15M"}
    key = client.key("amy", "reader", sensors=["Roof A"])
    headers = {"Authorization": key}

    def code(sensor: str) -> int:
        query = {"sensor": sensor, **period}
        return client.request(None, "GET", DATA, headers=headers, query=query).status_code

    wait_for(lambda: code("Roof A") == 200)
    assert code("Roof B") == 400
