"""No secret comes out: not in what commands print, not in errors, not in logs, not in the record."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gridlore.bootstrap import open_store
from gridlore.config import load_settings
from tests.cli.conftest import Run

KEY = "planted-secret-key-0123456789-abcdef"
DATABASE_PASSWORD = "planted-database-password"
PASSWORD = "planted-user-password"
NEW_PASSWORD = "planted-new-password"
UNREACHABLE = "postgresql://ann:{}@127.0.0.1:1/grid"
WITH_FIELD = "postgresql://127.0.0.1:1/grid?user=ann&password={}"

WORLD = f"""
[[account]]
name = "Charge Co"
roles = ["Prosumer"]
[[user]]
email = "ann@example.com"
account = "Charge Co"
password = "{PASSWORD}"
"""

COMMANDS = (
    ("settings",),
    ("doctor",),
    ("doctor", "--json"),
    ("audit", "--json"),
    ("user", "list"),
    ("db", "check"),
    ("db", "upgrade"),
    ("db", "compact"),
    ("backup", "copy.db"),
    ("token", "nobody@example.com"),
    ("get", "/api/"),
    ("data", "retain", "--older-than", "P1Y", "--yes"),
)


@pytest.fixture
def planted(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Everything that must not come out of an embedded database with one user."""
    monkeypatch.setenv("GRIDLORE_SECRET_KEY", KEY)
    (folder / "world.toml").write_text(WORLD, "utf-8")
    assert run("apply", "world.toml").exit_code == 0
    assert run("user", "set-password", "ann@example.com", "--stdin", text=NEW_PASSWORD).exit_code == 0
    store = open_store(load_settings())
    (ann,) = store.read_directory().users
    store.close()
    assert ann.password_hash is not None
    yield [KEY, PASSWORD, NEW_PASSWORD, ann.password_hash, ann.token_key]


def found(secrets: list[str], *texts: str) -> list[str]:
    return [secret for secret in secrets if any(secret in text for text in texts)]


def test_commands_print_no_secret(run: Run, planted: list[str]) -> None:
    outputs = [run(*command).output for command in COMMANDS]
    assert found(planted, *outputs) == []


@pytest.mark.parametrize("url", [UNREACHABLE, WITH_FIELD])
def test_commands_that_cannot_reach_the_database_do_not_tell_its_password(run: Run, url: str) -> None:
    settings = ("--database-url", url.format(DATABASE_PASSWORD), "--secret-key", KEY)
    results = [run(*settings, *command) for command in (*COMMANDS, ("serve", "--port", "0"))]
    assert {result.exit_code for result in results[1:]} == {1}
    assert found([KEY, DATABASE_PASSWORD], *(result.output for result in results)) == []


def test_wrong_settings_do_not_tell_what_was_given_as_a_secret(run: Run) -> None:
    short = run("--secret-key", "tooshortakey", "user", "list")
    wrong = run("--database-url", f"mysql://ann:{DATABASE_PASSWORD}@db/grid", "user", "list")
    assert (short.exit_code, wrong.exit_code) == (2, 2)
    assert found(["tooshortakey", DATABASE_PASSWORD], short.output, wrong.output) == []


def test_a_server_logs_no_secret_at_the_most_talkative_level(folder: Path, planted: list[str]) -> None:
    server = subprocess.Popen(
        [Path(sys.executable).with_name("gridlore"), "--log-level", "debug", "serve", "--port", "0"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert server.stdout is not None
    with server:
        try:
            first = server.stdout.readline()
            address = first.split()[2]
            credentials = {"email": "ann@example.com", "password": NEW_PASSWORD}
            with httpx.Client(base_url=address, timeout=30) as client:
                token = client.post("/api/requestAuthToken", json=credentials).json()["auth_token"]
                wrong = client.post("/api/requestAuthToken", json={**credentials, "password": PASSWORD})
                assert wrong.status_code == 401
                client.post("/login", data=credentials)
                headers = {"Authorization": token}
                assert client.get("/api/v1_1/getConnection", headers=headers).status_code == 200
                path = "/api/v1_1/postMeterData"
                answers = [client.post(path, content=body, headers=headers).text for body in ("{", "{}")]
        finally:
            server.terminate()
        logged = first + server.stdout.read()
    assert found([*planted, token], logged, *answers) == []
