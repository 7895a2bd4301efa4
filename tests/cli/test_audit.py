"""The record as the command line tells it: everything that was done, by whom, and no password."""

from __future__ import annotations

import json
from pathlib import Path

from litestar.testing import TestClient

from gridlore.bootstrap import connect_store, create_app
from gridlore.cli.invocation import operator
from gridlore.config import load_settings
from gridlore.domain.audit import AuditEntry
from tests.cli.conftest import Run


def test_everything_done_is_told_newest_first_with_who_did_it(run: Run, world: Path) -> None:
    run("user", "set-password", "bob@example.com", "--stdin", text="bob's own\n")
    run("user", "logout", "bob@example.com")
    run("user", "deactivate", "ann@example.com")
    run("user", "activate", "ann@example.com")
    run("token", "ann@example.com")
    run("apply", "world.toml")  # changes nothing, and is nothing to tell
    with TestClient(create_app(load_settings())) as client:
        for password in ("ann's password", "a guess"):
            client.post("/api/requestAuthToken", json={"email": "ann@example.com", "password": password})
        client.post("/api/requestAuthToken", json={"email": "who@example.com", "password": "a guess"})
    output = run("audit", "--json").stdout
    told = [json.loads(line) for line in output.splitlines()]
    assert {(entry["action"], entry["title"], entry["actor"]) for entry in told[:3]} == {
        ("issue token", "user ann@example.com", "ann@example.com"),
        ("fail to log in", "user ann@example.com", "somebody"),
        ("fail to log in", "an unknown user", "somebody"),
    }
    assert [(entry["action"], entry["title"]) for entry in told[3:]] == [
        ("issue token", "user ann@example.com"),
        ("activate", "user ann@example.com"),
        ("deactivate", "user ann@example.com"),
        ("end all tokens", "user bob@example.com"),
        ("change password", "user bob@example.com"),
        ("apply", "world file world.toml"),
    ]
    assert {entry["actor"] for entry in told[3:]} == {operator()}
    assert "connection CS 1" in told[-1]["after"]["created"]
    assert not [secret for secret in ("bob's own", "ann's password", "guess", "who@") if secret in output]


def test_the_record_can_be_asked_for_a_user_an_action_and_a_time(run: Run, world: Path) -> None:
    run("user", "deactivate", "ann@example.com")
    run("user", "logout", "bob@example.com")
    lines = run("audit", "--user", "ANN@example.com").stdout.splitlines()
    assert len(lines) == 2
    assert "deactivate" in lines[1]
    assert len(run("audit", "--action", "apply").stdout.splitlines()) == 2
    assert len(run("audit", "--since", "PT1H").stdout.splitlines()) == 4
    assert len(run("audit", "--since", "PT1H", "--limit", "1").stdout.splitlines()) == 2
    assert len(run("audit", "--since", "2199-01-01T00:00Z").stdout.splitlines()) == 1
    wrong = run("audit", "--since", "yesterday")
    assert wrong.exit_code == 2
    assert "2015-01-01T00:00:00Z" in wrong.stderr


def test_what_users_named_does_nothing_to_a_terminal_and_stays_in_its_line(run: Run, world: Path) -> None:
    store = connect_store(load_settings())
    file = {"file": "\x1b[2J\x9b2K\n2099-01-01 \N{RIGHT-TO-LEFT OVERRIDE}übel.csv"}
    store.record([AuditEntry(0, None, "import", "sensor", 1, "connection CS 1", None, file, "ann")])
    store.close()
    [_, line] = run("audit", "--action", "import").stdout.splitlines()
    assert line.endswith(r"file: \u001b[2J\u009b2K\u000a2099-01-01 \u202eübel.csv")
