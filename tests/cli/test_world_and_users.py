"""Worlds, users and tokens from the command line, also while the application runs."""

from __future__ import annotations

import time

import httpx
import pytest
from litestar.testing import TestClient

from gridlore.bootstrap import create_app
from gridlore.config import load_settings


def test_apply_tells_what_it_did_and_again_that_nothing_was_to_do(run, world):
    again = run("apply", "world.toml")
    assert (again.exit_code, again.stderr) == (0, "")
    assert again.stdout == "world.toml: 0 created, 0 updated, 4 as they were.\n"
    world.write_text(world.read_text("utf-8").replace('roles = ["Prosumer"]', 'roles = ["ESCo"]'), "utf-8")
    changed = run("apply", "world.toml").stdout
    assert changed == "updated  account Charge Co\nworld.toml: 0 created, 1 updated, 3 as they were.\n"


def test_apply_tells_all_problems_on_stderr_with_exit_code_2(run, world):
    world.write_text(
        world.read_text("utf-8").replace("PT15M", "PT7M").replace("Prosumer", "Consumer"), "utf-8"
    )
    result = run("apply", "world.toml")
    assert (result.exit_code, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert lines[0] == "Error: 2 problems; nothing was changed."
    assert lines[1].startswith("world.toml:4: [[account]] 1 (Charge Co): roles has ")
    assert lines[2].startswith("world.toml:17: [[sensor]] 1 (CS 1): resolution is ")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "world.toml: this file cannot be read: No such file or directory."),
        (b'[[account]]\nname = "\xff"\n', "world.toml: a world file is text in UTF-8; got "),
    ],
)
def test_apply_tells_when_the_file_cannot_be_read(run, folder, content, told):
    if content is not None:
        (folder / "world.toml").write_bytes(content)
    result = run("apply", "world.toml")
    assert result.exit_code == 2
    assert told in result.stderr


def test_a_world_file_that_is_wrong_by_itself_makes_no_database(run, folder):
    (folder / "world.toml").write_text("[[account]]\nname = 1\n", "utf-8")
    for file in ("world.toml", "missing.toml"):
        assert run("apply", file).exit_code == 2
    assert [path.name for path in folder.iterdir()] == ["world.toml"]


def test_a_world_file_may_begin_with_a_byte_order_mark(run, folder):
    (folder / "world.toml").write_bytes(b'\xef\xbb\xbf[[account]]\nname = "A"\n')
    assert run("apply", "world.toml").exit_code == 0


def test_users_are_listed_with_their_account_and_state(run, world):
    run("user", "deactivate", "ann@example.com")
    header, ann, bob = run("user", "list").stdout.splitlines()
    assert header.split() == ["id", "e-mail", "name", "account", "account", "roles", "roles", "state"]
    assert ann.split() == ["1", "ann@example.com", "ann", "Charge", "Co", "Prosumer", "deactivated"]
    assert bob.split()[-4:] == ["admin", "active,", "no", "password"]


def test_token_prints_only_a_token_that_works(run, world):
    result = run("token", "ANN@example.com")
    assert result.stderr == ""
    with TestClient(create_app(load_settings())) as client:
        headers = {"Authorization": result.stdout.strip()}
        answer = client.get("/api/v1_1/getConnection", headers=headers)
    assert answer.status_code == 200
    assert answer.json()["names"] == ["CS 1"]


@pytest.mark.parametrize(
    "command", [("token",), ("user", "deactivate"), ("user", "logout"), ("get", "/api/", "--as")]
)
def test_an_unknown_user_is_told_with_exit_code_1(run, world, command):
    result = run(*command, "nobody@example.com")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "There is no user with the e-mail 'nobody@example.com'" in result.stderr


def test_a_deactivated_user_gets_no_token(run, world):
    run("user", "deactivate", "ann@example.com")
    result = run("token", "ann@example.com")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "`gridlore user activate ann@example.com` comes first" in result.stderr


def test_set_password_asks_twice_and_shows_nothing(run, world):
    result = run("user", "set-password", "bob@example.com", text="bob's own\nbob's own\n")
    assert result.exit_code == 0
    assert "bob's own" not in result.output
    assert result.stdout == (
        "bob@example.com has a new password. Tokens and sessions have ended; API keys go on.\n"
    )
    assert bob_can_log_in("bob's own")
    assert not bob_can_log_in("something else")


def test_set_password_reads_a_line_for_scripts(run, world):
    assert run("user", "set-password", "bob@example.com", "--stdin", text="from a script\n").exit_code == 0
    assert bob_can_log_in("from a script")


def test_an_empty_password_is_refused(run, world):
    result = run("user", "set-password", "bob@example.com", "--stdin", text="\n")
    assert result.exit_code == 1
    assert "A password has 1 to 1000 characters; got 0." in result.stderr


def test_set_password_of_an_unknown_user_asks_for_nothing(run, world):
    result = run("user", "set-password", "nobody@example.com", text="")
    assert result.exit_code == 1
    assert "New password" not in result.output


def bob_can_log_in(password: str) -> bool:
    with TestClient(create_app(load_settings())) as client:
        answer = client.post("/api/requestAuthToken", json={"email": "bob@example.com", "password": password})
    return bool(answer.status_code == 200)


@pytest.mark.parametrize(
    "command",
    [
        ("user", "deactivate"),
        ("user", "logout-everywhere"),
        ("user", "logout"),
        ("user", "set-password", "--stdin"),
    ],
    ids=" ".join,
)
def test_a_running_application_refuses_the_tokens_of_a_user_soon_after(run, world, command):
    token = run("token", "ann@example.com").stdout.strip()
    with TestClient(create_app(load_settings({"DIRECTORY_MAX_AGE": "0.05"}))) as client:

        def connections() -> httpx.Response:
            return client.get("/api/v1_1/getConnection", headers={"Authorization": token})

        assert connections().status_code == 200
        assert run(*command, "ann@example.com", text="a new one\n").exit_code == 0
        deadline = time.monotonic() + 5
        while connections().status_code == 200 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert connections().status_code == 401


def test_an_activated_user_needs_a_new_token(run, world):
    token = run("token", "ann@example.com").stdout.strip()
    run("user", "deactivate", "ann@example.com")
    run("user", "activate", "ann@example.com")
    with TestClient(create_app(load_settings())) as client:
        assert client.get("/api/v1_1/getConnection", headers={"Authorization": token}).status_code == 401
        token = run("token", "ann@example.com").stdout.strip()
        assert client.get("/api/v1_1/getConnection", headers={"Authorization": token}).status_code == 200


def test_get_prints_the_body_of_an_answer(run, world):
    result = run("get", "/api/")
    assert result.exit_code == 0
    assert '"versions":["v1_1"]' in result.stdout
    assert '"names":["CS 1"]' in run("get", "api/v1_1/getConnection", "--as", "ann@example.com").stdout
    (entry,) = run("audit", "--action", "issue token", "--json").stdout.splitlines()
    assert "user ann@example.com" in entry


def test_get_tells_the_status_of_a_refusal_and_exits_with_1(run, world):
    result = run("get", "/api/v1_1/getConnection")
    assert result.exit_code == 1
    assert "properly authenticated" in result.stdout
    assert result.stderr == "401 Unauthorized\n"


def test_a_command_that_makes_a_new_database_says_so_once(run, folder):
    (folder / "world.toml").write_text('[[account]]\nname = "Charge Co"\n', "utf-8")
    told = "Made gridlore.db, a new and empty database; --database-url names another.\n"
    assert [run("apply", "world.toml").stderr for _ in range(2)] == [told, ""]


@pytest.mark.parametrize(
    "command",
    [
        "user list",
        "user set-password ann@example.com",
        "user deactivate ann@example.com",
        "user logout-everywhere ann@example.com",
        "token ann@example.com",
        "key list",
        "key create ann@example.com gateway",
        "grant list",
        "audit",
        "get /api/",
        "get /api/ --as ann@example.com",
        "data retain --older-than P1Y --dry-run",
        "data delete --sensor 1 --start 2026-01-01T00:00Z --end 2026-02-01T00:00Z --dry-run",
        "db check",
        "db compact",
        "backup copy.db",
        "doctor",
    ],
)
def test_a_command_that_finds_no_database_says_where_and_what_to_do_and_makes_no_file(run, folder, command):
    result = run("--database-url", "sqlite:///nowhere.db", *command.split())
    assert result.exit_code == 1
    for told in ("nowhere.db", "gridlore serve", "demo", "--database-url"):
        assert told in result.output
    assert list(folder.iterdir()) == []


def test_accounts_without_users_are_listed_too(run, folder):
    (folder / "world.toml").write_text(
        '[[account]]\nname = "Clear Metering"\nroles = ["MDC"]\n'
        '[[account]]\nname = "Charge Co"\n[[user]]\nemail = "ann@example.com"\naccount = "Charge Co"\n',
        "utf-8",
    )
    run("apply", "world.toml")
    _, ann, unpeopled = run("user", "list").stdout.splitlines()
    assert "ann@example.com" in ann
    assert unpeopled.split() == ["Clear", "Metering", "MDC", "no", "users"]
