"""What deploys Gridlore agrees with Gridlore: settings, commands, versions, ports; and asks for no more
rights than it needs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from configparser import ConfigParser
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from gridlore.cli import main
from gridlore.config import load_settings
from gridlore.config.table import BY_NAME, PREFIX

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
UNIT_FILE = (ROOT / "deploy" / "gridlore.service").read_text("utf-8")
ENVIRONMENT_FILE = (ROOT / "deploy" / "gridlore.env").read_text("utf-8")
PROXIES = {name: (ROOT / "deploy" / name).read_text("utf-8") for name in ("nginx.conf", "Caddyfile")}

Instruction = tuple[str, str]


def instructions(text: str) -> list[Instruction]:
    """Each instruction of a Dockerfile, with its continuation lines."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [
        (word.upper(), rest.strip())
        for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())
    ]


def given(name: str) -> list[str]:
    """The arguments of every instruction of this name in the image's last stage."""
    final = instructions(DOCKERFILE)
    start = max(number for number, (word, _) in enumerate(final) if word == "FROM")
    return [rest for word, rest in final[start:] if word == name]


def unit() -> ConfigParser:
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT_FILE)
    return parser


def find_command(words: list[str]) -> click.Command:
    """The command that words on a command line lead to; fails when there is none."""
    command: click.Command = main
    for word in words:
        if not isinstance(command, click.Group):
            break
        command = command.commands[word]
    return command


@pytest.mark.parametrize(
    "file", ["Dockerfile", "compose.yaml", "deploy/gridlore.env", "deploy/gridlore.service"]
)
def test_only_settings_that_exist_are_named(file: str) -> None:
    named = set(re.findall(rf"{PREFIX}([A-Z_]+)", (ROOT / file).read_text("utf-8")))
    assert named <= set(BY_NAME)


def test_the_environments_are_taken_as_they_are(tmp_path: Path) -> None:
    service = dict(re.findall(r"^(\w+)=(.*)$", ENVIRONMENT_FILE, re.MULTILINE))
    service[f"{PREFIX}DATABASE_URL"] = f"sqlite:///{tmp_path}/gridlore.db"
    assert load_settings(environ=service).host == "127.0.0.1"
    kept = {"POSTGRES_PASSWORD": "ab" * 32, f"{PREFIX}SECRET_KEY": "cd" * 32}
    composed = {
        name: re.sub(r"\$\{(\w+):[?-]([^}]*)\}", lambda part: kept.get(part[1], part[2]), value)
        for name, value in COMPOSE["x-gridlore"]["environment"].items()
    }
    image = dict(re.findall(rf"({PREFIX}\w+)=(\S+)", " ".join(given("ENV"))))
    settings = load_settings(environ=image | composed)
    assert (settings.host, settings.workers, settings.is_embedded) == ("0.0.0.0", 2, False)
    assert COMPOSE["services"]["server"]["ports"] == [f"127.0.0.1:5000:{settings.port}"]
    assert given("EXPOSE") == [str(settings.port)]


def test_the_commands_exist() -> None:
    commands = [
        service["command"]
        for service in COMPOSE["services"].values()
        if "<<" in service or "image" in service
    ]
    for words in (json.loads(given("CMD")[0]), *(words for words in commands if words[0] != "postgres")):
        assert find_command(words).callback is not None
    assert json.loads(given("ENTRYPOINT")[0]) == [*PROJECT["scripts"]] == ["gridlore"]
    program, *words = unit()["Service"]["ExecStart"].split()
    assert Path(program).name == "gridlore"
    assert find_command(words).name == "serve"


def test_the_image_is_built_from_the_locked_versions_on_a_named_version_of_python() -> None:
    lowest = tuple(map(int, PROJECT["requires-python"].removeprefix(">=").split(".")))
    bases = [rest.split()[0] for word, rest in instructions(DOCKERFILE) if word == "FROM"]
    assert len(bases) == 2
    assert len(set(bases)) == 1
    found = re.fullmatch(r"python:(\d+)\.(\d+)-slim-[a-z]+", bases[0])
    assert found is not None
    assert (int(found[1]), int(found[2])) >= lowest
    runs = " ".join(rest for word, rest in instructions(DOCKERFILE) if word == "RUN")
    assert "--requirement requirements.lock" in runs
    assert all(
        "--no-deps" in part for part in runs.split("pip ")[1:] if part.startswith(("wheel", "install"))
    )
    images = [COMPOSE["x-gridlore"]["image"], COMPOSE["services"]["db"]["image"]]
    assert images[0] == f"gridlore:{PROJECT['version']}"
    assert all(re.search(r":\d", image) and "latest" not in image for image in images)


def test_the_image_holds_no_secret_and_nothing_that_was_not_asked_for() -> None:
    assert "SECRET" not in DOCKERFILE
    assert "PASSWORD" not in DOCKERFILE
    ignored = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[:1] != "#"]
    assert ignored[0] == "*"
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    copied = {
        name
        for word, rest in instructions(DOCKERFILE)
        if word == "COPY" and "--from" not in rest
        for name in rest.split()[:-1]
    }
    assert let_in == copied
    assert all((ROOT / name).exists() for name in copied)


def test_containers_run_without_rights() -> None:
    user = given("USER")[-1]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user), (
        "numbers, so that an orchestrator can tell it is not root"
    )
    assert user.split(":")[0] in given("RUN")[0]
    service = COMPOSE["x-gridlore"]
    assert service["read_only"] is True
    for rights in (service, COMPOSE["services"]["db"]):
        assert rights["cap_drop"] == ["ALL"]
        assert rights["security_opt"] == ["no-new-privileges:true"]
    assert "cap_add" not in service
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    (outside,) = COMPOSE["networks"]["outside"]["ipam"]["config"]
    trusted = service["environment"][f"{PREFIX}TRUSTED_PROXIES"]
    assert trusted == outside["gateway"], "nobody but a proxy on the machine itself"
    assert ip_address(trusted) in ip_network(outside["subnet"])
    assert COMPOSE["services"]["db"]["networks"] == ["inside"]
    assert "ports" not in COMPOSE["services"]["db"]


def test_the_server_waits_for_the_database_and_its_schema() -> None:
    server, upgrade = COMPOSE["services"]["server"], COMPOSE["services"]["upgrade"]
    assert server["depends_on"]["upgrade"]["condition"] == "service_completed_successfully"
    assert upgrade["depends_on"]["db"]["condition"] == "service_healthy"
    assert upgrade["restart"] == "no"


class Health(BaseHTTPRequestHandler):
    """Answers as a server would that is live, or not."""

    code = 200

    def do_GET(self) -> None:
        self.send_response(self.code if self.path == "/health/live" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def health() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Health)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_health_check_tells_a_live_server_from_a_sick_and_an_absent_one(
    health: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (check,) = given("HEALTHCHECK")
    python, *words = json.loads(check[check.index("CMD ") + 4 :])
    assert python == "python"

    def exit_code() -> int:
        environment = os.environ | {f"{PREFIX}PORT": str(health.server_port)}
        return subprocess.run(
            [sys.executable, "-I", *words], check=False, env=environment, stderr=subprocess.DEVNULL
        ).returncode

    assert exit_code() == 0
    monkeypatch.setattr(Health, "code", 503)
    assert exit_code() == 1


def test_the_unit_gives_no_rights_but_its_own_folder() -> None:
    service = unit()["Service"]
    expected = {
        "DynamicUser": "yes",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "StateDirectory": "gridlore",
        "UMask": "0077",
        "RestartPreventExitStatus": "2",
    }
    assert {name: service.get(name) for name in expected} == expected
    assert int(service["TimeoutStopSec"]) > 10, "a stop takes up to ten seconds"
    state = f"/var/lib/{service['StateDirectory']}"
    assert f"{PREFIX}DATABASE_URL=sqlite:///{state}/gridlore.db" in ENVIRONMENT_FILE
    filters = re.findall(r"^SystemCallFilter=(.*)$", UNIT_FILE, re.MULTILINE)
    assert filters == ["@system-service", "~@privileged"], "workbooks need setrlimit, of @resources"


@pytest.mark.parametrize("name", PROXIES)
def test_proxies_agree_on_port_and_size_answer_in_json_and_keep_metrics_inside(name: str) -> None:
    text = PROXIES[name]
    assert f"127.0.0.1:{BY_NAME['PORT'].default}" in text
    mebibytes = int(BY_NAME["MAX_BODY_BYTES"].default or 0) >> 20
    assert re.search(rf"(client_max_body_size|max_size)\s+{mebibytes + 1}(m;|MiB)", text)
    told = re.findall(r"""['`](\{"status".*?\})['`]""", text)
    assert [json.loads(answer)["result"] for answer in told] == ["Rejected"]
    assert re.search(r"/metrics\s*(\{\s*return )?404", text)
    assert "Strict-Transport-Security" in text
