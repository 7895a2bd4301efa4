"""No secret comes out: not in what commands print, not in errors, not in logs, not in the record."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gridlore.bootstrap import open_accounts, open_store
from gridlore.config import load_settings
from tests.cli.conftest import Run

METRICS_TOKEN = "planted-metrics-token-0123456789"
KEY = "planted-secret-key-0123456789-abcdef"
DATABASE_PASSWORD = "planted-database-password"
PASSWORD = "planted-user-password"
NEW_PASSWORD = "planted-new-password"
CREDENTIALS = {"email": "ann@example.com", "password": NEW_PASSWORD}
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


class TalkativeServer:
    """A server that logs all it can, and a client of it."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [Path(sys.executable).with_name("gridlore"), "serve", "--port", "0"],
            cwd=folder,
            env={**os.environ, "GRIDLORE_LOG_LEVEL": "debug", "GRIDLORE_LOG_REQUESTS": "all"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self.output = self.process.stdout
        self.first = self.output.readline()
        self.client = httpx.Client(base_url=self.first.split()[2], timeout=30)

    def stop(self) -> str:
        """What was logged."""
        self.client.close()
        self.process.terminate()
        with self.process:  # closes its output
            return self.first + self.output.read()


@pytest.fixture
def server(folder: Path, planted: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[TalkativeServer]:
    monkeypatch.setenv("GRIDLORE_METRICS_TOKEN", METRICS_TOKEN)
    started = TalkativeServer(folder)
    yield started
    if started.process.returncode is None:
        started.stop()


def test_a_server_logs_no_secret_at_the_most_talkative_level(
    server: TalkativeServer, planted: list[str]
) -> None:
    client = server.client
    token = client.post("/api/requestAuthToken", json=CREDENTIALS).json()["auth_token"]
    wrong = client.post("/api/requestAuthToken", json={**CREDENTIALS, "password": PASSWORD})
    assert wrong.status_code == 401
    client.post("/login", data=CREDENTIALS)
    headers = {"Authorization": token}
    assert client.get("/api/v1_1/getConnection", headers=headers).status_code == 200
    path = "/api/v1_1/postMeterData"
    answers = [client.post(path, content=body, headers=headers).text for body in ("{", "{}")]
    assert found([*planted, token], server.stop(), *answers) == []


def test_a_secret_in_a_wrong_place_is_neither_logged_nor_recorded(
    server: TalkativeServer, planted: list[str], run: Run
) -> None:
    client = server.client
    token = client.post("/api/requestAuthToken", json=CREDENTIALS).json()["auth_token"]
    client.post("/login", data=CREDENTIALS)
    session = client.cookies["gridlore_session"]
    client.cookies.clear()
    key = run("key", "create", "ann@example.com", "gateway").stdout.strip()
    assert key.startswith("glk_")
    settings = load_settings()
    store = open_store(settings)
    (ann,) = store.read_directory().users
    store.close()
    invitation = open_accounts(settings).issue_invitation(ann, time.time())
    secrets = {"token": token, "session": session, "key": key, "invitation": invitation}
    secrets |= {"metrics token": METRICS_TOKEN, "password": NEW_PASSWORD}
    codes = {name: set(misplace(client, secret)) for name, secret in secrets.items()}
    assert {name: sorted(one for one in codes[name] if one >= 500) for name in codes} == {
        name: [] for name in codes
    }
    logged = server.stop()
    assert logged.count('"event":"request"') >= len(secrets) * 15
    told = [run(*command).output for command in COMMANDS]
    # Of a key its beginning is shown in lists, so that it can be told from others.
    kept = [*planted, *(secret[-20:] for secret in secrets.values()), *(s[20:40] for s in (token, session))]
    assert found(kept, logged, *told) == []


def misplace(client: httpx.Client, secret: str) -> Iterator[int]:
    """Send a secret wherever somebody may send it by mistake."""
    half = secret[len(secret) // 2 :]
    for text in (secret, half, f"Bearer {secret}", f"Bearer {half}", f"Basic {secret}", f"Bearer {secret} x"):
        yield client.get("/api/v1_1/getConnection", headers={"Authorization": text}).status_code
    yield client.get("/metrics", headers={"Authorization": f"Bearer {half}"}).status_code
    yield client.get("/metrics", headers={"Authorization": f"Bearer {secret}"}).status_code
    for path in ("/invitation/{}", "/{}", "/api/{}", "/sensors/{}", "/api/v1_1/getConnection/{}"):
        yield client.get(path.format(secret)).status_code
        yield client.delete(path.format(secret)).status_code
    for name in ("auth_token", "password", "key", "connection"):
        yield client.get("/api/v1_1/getMeterData", params={name: secret}).status_code
    yield client.get("/profile", headers={"Cookie": f"gridlore_session={half}"}).status_code
    yield client.get("/profile", headers={"Cookie": f"gridlore_session={secret}; {secret}=1"}).status_code
    yield client.post("/api/requestAuthToken", json={"email": secret, "password": "x"}).status_code
    yield client.post("/api/requestAuthToken", content=f'{{"password": "{secret}').status_code
    yield client.post("/login", data={"email": secret, "password": secret}).status_code
    yield client.post("/api/v1_1/postMeterData", content=secret).status_code
