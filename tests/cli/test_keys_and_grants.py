"""API keys and grants from the command line."""

from __future__ import annotations

import pytest
from litestar.testing import TestClient

from gridlore.bootstrap import connect_store, create_app
from gridlore.cli.invocation import operator
from gridlore.config import load_settings

OTHERS = """
[[account]]
name = "Meter Co"
roles = ["MDC"]
[[user]]
email = "max@example.com"
account = "Meter Co"
"""


def status(key: str) -> int:
    with TestClient(create_app(load_settings())) as client:
        return client.get("/api/v1_1/getConnection", headers={"Authorization": f"Bearer {key}"}).status_code


def test_create_prints_only_a_key_that_works_until_it_is_revoked(run, world):
    result = run("key", "create", "ANN@example.com", "gateway", "--sensor", "CS 1", "--expires", "P1Y")
    key = result.stdout.strip()
    assert (result.stderr, status(key)) == ("", 200)
    run("key", "create", "bob@example.com", "board", "--read-only")
    header, ann, bob = run("key", "list").stdout.splitlines()
    assert header.split() == ["id", "user", "name", "begins", "with", "may", "sensors", "made", "ends"]
    assert ann.startswith(f"1   ann@example.com  gateway  {key[:16]}  read and post  CS 1")
    assert bob.split()[-1] == "never"
    assert run("key", "list", "bob@example.com").stdout.splitlines()[1].split() == bob.split()
    assert key not in run("key", "list").stdout
    assert run("key", "revoke", "1").stdout == "The key 1 (gateway) is revoked.\n"
    assert status(key) == 401
    assert run("key", "revoke", "1").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nobody@example.com", "x"], "There is no user with the e-mail"),
        (["ann@example.com", " "], "A key needs a name"),
        (
            ["ann@example.com", "x", "--sensor", "CS 9"],
            "'CS 9' is neither an entity address nor a known name",
        ),
        (["ann@example.com", "x", "--expires", "1Y"], "should be an ISO 8601 duration"),
        (["ann@example.com", "x", "--expires=-P1Y"], "The key would end in the past"),
        (["ann@example.com", "x", "--expires", "P290Y"], "outside the years 1900 to 2200"),
    ],
)
def test_a_key_that_cannot_be_made_is_explained_with_exit_code_1(run, world, arguments, told):
    result = run("key", "create", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert told in result.stderr


def test_keys_outlive_a_new_password_and_logging_out_unless_they_are_meant(run, world):
    key = run("key", "create", "ann@example.com", "gateway").stdout.strip()
    run("user", "set-password", "ann@example.com", "--stdin", text="another password\n")
    assert run("user", "logout-everywhere", "ann@example.com").stdout == (
        "All tokens and sessions of ann@example.com have ended.\n"
    )
    assert status(key) == 200
    told = run("user", "logout-everywhere", "ann@example.com", "--keys").stdout
    assert told.endswith("API keys revoked: 1.\n")
    assert status(key) == 401


def test_grants_are_given_listed_and_revoked_and_recorded_without_a_user(run, world):
    world.write_text(world.read_text("utf-8") + OTHERS, "utf-8")
    run("apply", "world.toml")
    give = ("grant", "give", "Charge Co", "Meter Co")
    assert run(*give, "post", "--connection", "CS 1").stdout == (
        "created  grant of CS 1 from Charge Co to Meter Co\n"
    )
    assert run(*give, "post", "--connection", "CS 1").stdout == (
        "Nothing was changed: it is given already.\n"
    )
    assert '"names":["CS 1"]' in run("get", "/api/v1_1/getConnection", "--as", "max@example.com").stdout
    assert run(*give, "read").exit_code == 0
    listed = run("grant", "list", "Meter Co").stdout.splitlines()
    assert [line.split()[-3:] for line in listed[1:]] == [["post", "CS", "1"], ["read", "all", "connections"]]
    assert run("grant", "revoke", "2").stdout.startswith("The grant 2 is revoked: read, all connections")
    assert run("grant", "revoke", "2").exit_code == 1
    store = connect_store(load_settings())
    recorded = [entry for entry in store.read_audit(10) if "access" in entry.action]
    store.close()
    assert [entry.action for entry in recorded] == ["revoke access", "give access", "give access"]
    assert {(entry.user_id, entry.actor) for entry in recorded} == {(None, operator())}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["give", "Charge C", "Charge Co", "read"],
            "'Charge C'; `gridlore user list` shows them. Did you mean Charge Co?",
        ),
        (["give", "Charge Co", "Charge Co", "read"], "to is another account than from"),
        (["list", "Charge C"], "There is no account with the name 'Charge C'"),
    ],
)
def test_a_grant_that_cannot_be_is_explained_with_exit_code_1(run, world, arguments, told):
    result = run("grant", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert told in result.stderr
