"""Passwords are kept as Argon2id hashes of today's strength."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from argon2 import PasswordHasher, Type, extract_parameters

from gridlore.bootstrap import connect_store, open_accounts
from gridlore.domain.sensors import User
from gridlore.services import accounts
from tests.cli.conftest import WORLD
from tests.conftest import WorldClient, wait_for

PASSWORD = "ann's password"


@pytest.fixture(autouse=True)
def strong_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords cost here what they cost in earnest."""
    monkeypatch.setattr(accounts, "PasswordHasher", PasswordHasher)


@pytest.fixture
def client(world_client: Callable[..., WorldClient], tmp_path: Path) -> WorldClient:
    world = tmp_path / "world.toml"
    world.write_text(WORLD, "utf-8")
    return world_client(world)


def ann_of(client: WorldClient) -> User:
    store = connect_store(client.settings)
    user = store.read_directory().users[0]
    store.close()
    return user


def log_in(client: WorldClient, password: str) -> int:
    credentials = {"email": "ann@example.com", "password": password}
    return client.request(None, "POST", "/api/requestAuthToken", json=credentials).status_code


def test_hashes_are_argon2id_as_strong_as_rfc_9106_recommends(client: WorldClient) -> None:
    parameters = extract_parameters(open_accounts(client.settings).hash_password(PASSWORD))
    assert parameters.type is Type.ID
    assert parameters.memory_cost >= 64 * 1024
    assert parameters.time_cost >= 3
    assert (parameters.parallelism, parameters.salt_len, parameters.hash_len) == (4, 16, 32)


def test_a_weaker_hash_is_renewed_by_the_next_right_log_in_and_tokens_go_on(client: WorldClient) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    ann, token = ann_of(client), client.token("ann")
    store = connect_store(client.settings)
    with store.change_directory() as directory:
        directory.save_user(replace(ann, password_hash=weak))
    store.close()
    wait_for(lambda: log_in(client, PASSWORD) == 200 and ann_of(client).password_hash != weak)
    renewed = ann_of(client)
    assert renewed.password_hash is not None
    assert extract_parameters(renewed.password_hash).memory_cost >= 64 * 1024
    assert log_in(client, PASSWORD) == 200
    assert log_in(client, "a wrong one") == 401
    assert renewed.token_key == ann.token_key
    answer = client.request(None, "GET", "/api/v1_1/getConnection", headers={"Authorization": token})
    assert answer.status_code == 200
