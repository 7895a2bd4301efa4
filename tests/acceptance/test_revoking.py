"""What one process revokes or changes, another no longer goes by after DIRECTORY_MAX_AGE."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from gridlore.bootstrap import connect_store, naming_authority, open_accounts
from gridlore.services.directory import Directory
from gridlore.services.grants import revoke_grant
from gridlore.services.keys import KeyRequest, KeyRing
from gridlore.store.interface import Store
from tests.acceptance.conftest import ServerStarter
from tests.conftest import Databases

WORLD = Path(__file__).parent / "grants.toml"
MAX_AGE = 0.5
MARGIN = 1.0
"""For a request and a machine that has other things to do. [s]"""


def end_key(store: Store) -> None:
    (key,) = store.read_directory().keys
    KeyRing(store).revoke(key.id, time.time_ns() // 1000, "the tests")


def end_token(store: Store) -> None:
    with store.change_directory() as transaction:
        transaction.save_user(replace(transaction.records().users[0], token_key="another"))


def end_grant(store: Store) -> None:
    with store.change_directory() as transaction:
        revoke_grant(transaction, 1, time.time_ns() // 1000, "the tests")


def rename_sensor(store: Store) -> None:
    with store.change_directory() as transaction:
        transaction.save_sensor(replace(transaction.records().sensors[0], name="Roof Z"))


@pytest.mark.parametrize(
    ("end", "ended"),
    [
        (end_key, (401, None)),
        (end_token, (401, None)),
        (end_grant, (200, [])),
        (rename_sensor, (200, ["Roof B", "Roof Z"])),
    ],
)
def test_what_is_revoked_or_changed_ends_in_another_process_within_the_staleness_bound(
    databases: Databases,
    serve: ServerStarter,
    end: Callable[[Store], None],
    ended: tuple[int, list[str] | None],
) -> None:
    settings = databases.settings(databases.create(databases.template(WORLD)), DIRECTORY_MAX_AGE=str(MAX_AGE))
    store = connect_store(settings)
    directory = Directory(store.read_directory(), naming_authority(settings))
    rosa, mara = directory.users[1], directory.users[2]
    _, key = KeyRing(store).create(
        directory, rosa, KeyRequest("gateway"), time.time_ns() // 1000, "the tests"
    )
    token = open_accounts(settings).issue_token(mara if end is end_grant else rosa, time.time())
    credentials = key if end is end_key else token
    server = serve(settings)

    def look() -> tuple[int, list[str] | None]:
        answer = httpx.get(
            f"{server.url}/api/v1_1/getConnection", headers={"Authorization": f"Bearer {credentials}"}
        )
        return answer.status_code, answer.json().get("names")

    assert look()[0] == 200 and look()[1]
    end(store)
    revoked = time.monotonic()
    while look() != ended:
        assert time.monotonic() - revoked < MAX_AGE + MARGIN, "it is taken for too long"
    assert look() == ended, "and stays so"
    store.close()
