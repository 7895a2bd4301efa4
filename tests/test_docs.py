"""The documents keep up with the code: settings, commands, links, and pages that need no net."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import jsonschema_rs
import pytest
from litestar.testing import TestClient

from gridlore.bootstrap import create_app
from gridlore.cli import main
from gridlore.cli.demo.scenario import PASSWORDS, WORLD
from gridlore.config import SETTINGS, Setting
from gridlore.services.world import parse_world
from gridlore.wire.endpoints import ENDPOINTS
from gridlore.wire.iso8601 import parse_resolution
from tests.conftest import Databases, WorldClient

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SETTINGS_PAGE = (ROOT / "docs" / "settings.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
API_PAGE = (ROOT / "docs" / "api.md").read_text("utf-8")
SHARING_PAGE = (ROOT / "docs" / "keys-and-grants.md").read_text("utf-8")
EXAMPLE_WORLD = ROOT / "docs" / "world.toml"
WEB = ROOT / "src" / "gridlore" / "web"

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def name_of(thing: object) -> str:
    return getattr(thing, "name", None) or str(thing)


def cells(page: str, first: str) -> list[str]:
    """The cells of the table row that begins with ``first``."""
    for line in page.splitlines():
        row = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if row and row[0] == first:
            return row
    return []


def commands(group: click.Group, words: tuple[str, ...] = ("gridlore",)) -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield " ".join((*words, name))


@pytest.mark.parametrize("setting", SETTINGS, ids=name_of)
def test_every_setting_is_documented_with_default_and_unit(setting: Setting) -> None:
    row = cells(SETTINGS_PAGE, f"`{setting.name}`")
    assert row, f"docs/settings.md has no row for {setting.name}"
    default = {None: "none", "": "empty"}.get(setting.default, f"`{setting.default}`")
    assert row[1:3] == [default, setting.unit.replace("|", "\\|")]


def test_no_setting_is_documented_that_does_not_exist() -> None:
    documented = re.findall(r"^\| `([A-Z_]+)`", SETTINGS_PAGE, re.MULTILINE)
    assert documented == [setting.name for setting in SETTINGS]


@pytest.mark.parametrize("command", list(commands(main)))
def test_every_command_is_documented(command: str) -> None:
    assert cells(SETTINGS_PAGE, f"`{command}`"), f"docs/settings.md has no row for `{command}`"


def test_no_command_is_documented_that_does_not_exist() -> None:
    documented = re.findall(r"^\| `(gridlore [^`]+)`", SETTINGS_PAGE, re.MULTILINE)
    assert set(documented) == set(commands(main))


def command_lines(document: Path) -> list[str]:
    """What a document says to type after ``gridlore``, within code."""
    text = document.read_text("utf-8").replace("\\\n", " ")
    code = re.findall(r"^    (.*)$", text, re.MULTILINE) + re.findall(r"`([^`]+)`", text)
    found = [re.search(r"(?:^|[\s/(])gridlore ((?:--)?[a-z][^|)&;<>#]*)", line) for line in code]
    return [match[1].strip() for match in found if match]


def misunderstood(line: str) -> Iterator[str]:
    """Words of a command line that are no commands or options of ours."""
    command: click.Command = main
    words = iter(line.split())
    for word in words:
        if word.startswith("--"):
            options = {option: known for known in command.params for option in known.opts}
            name, _, value = word.partition("=")
            if name not in {*options, "--help"}:
                yield word
            elif not value and not getattr(options.get(name), "is_flag", True):
                next(words, None)
        elif isinstance(command, click.Group) and word not in command.commands:
            yield word
            return
        elif isinstance(command, click.Group):
            command = command.commands[word]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_command_lines_in_the_documents_are_understood(document: Path) -> None:
    wrong = {line: words for line in command_lines(document) if (words := list(misunderstood(line)))}
    assert wrong == {}


def test_command_lines_that_are_not_understood_are_found() -> None:
    assert list(misunderstood("user lst")) == ["lst"]
    assert list(misunderstood("--database-url sqlite:///try.db demo --no-guide")) == []
    assert list(misunderstood('key create ann@example.com "my key" --readonly --sensor x')) == ["--readonly"]
    assert sum(len(command_lines(document)) for document in DOCUMENTS) > 40


def test_make_help_lists_the_words_one_a_line() -> None:
    # Quiet, as under `make test` a make of its own would tell of the directory it enters.
    command = ["make", "--no-print-directory", "help"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line for line in told.splitlines() if not line.startswith("  make ")] == []
    assert {"run", "test", "bench", "test-browser"} <= {line.split()[1] for line in told.splitlines()}


def test_commands_that_share_name_what_the_demo_has() -> None:
    commands = re.findall(r"^    gridlore (?:grant give|key create) .*", SHARING_PAGE, re.MULTILINE)
    names = {name for command in commands for name in re.findall('"([^"]+)"', command)}
    assert len(commands) == 3
    assert [name for name in names - {"meter gateway"} if f'name = "{name}"' not in WORLD] == []


@pytest.mark.parametrize("path", [endpoint.path for endpoint in ENDPOINTS])
def test_the_api_page_names_every_endpoint(path: str) -> None:
    assert path in API_PAGE


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in LINK.findall(document.read_text("utf-8")):
        path, _, _ = target.partition("#")
        if path and not path.startswith(("http://", "https://")):
            assert (document.parent / path).exists(), f"{document.name} links to {target}"


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [path.name[:3] for path in sorted((ROOT / "docs" / "adr").glob("*.md"))]
    assert numbers == [f"{number:03}" for number in range(1, len(numbers) + 1)]


def test_every_data_file_of_the_package_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    package = ROOT / "src" / "gridlore"
    patterns = project["tool"]["setuptools"]["package-data"]["gridlore"]
    installed = {path for pattern in patterns for path in package.glob(pattern)}
    there = {path for path in package.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert sorted(there - installed) == [], "not covered by package-data in pyproject.toml"


def test_the_api_page_loads_nothing_from_the_net() -> None:
    spec = find_spec("flask_swagger_ui")
    assert spec is not None
    assert spec.origin is not None
    page = (WEB / "templates" / "docs.html").read_text("utf-8")
    loaded = re.findall(r'<(?:script|link|img)\b[^>]*?(?:src|href)="([^"]+)"', page)
    assert len(loaded) == 4
    for address in loaded:
        folder, file = address.rsplit("/", 1)
        places = {"/docs/assets": Path(spec.origin).parent / "dist", "/static": WEB / "static"}
        assert (places[folder] / file).is_file(), address
    assert not re.search(r"<script\b(?![^>]*\bsrc=)", page), "scripts stand in files, not in the page"
    assert "://" not in (WEB / "static" / "docs.js").read_text("utf-8")


def readme_messages() -> list[dict[str, Any]]:
    """What the README's commands send."""
    return [json.loads(body) for body in re.findall(r"-d '(\{.*?\})'", README, re.DOTALL)]


def test_the_readme_logs_in_as_a_user_of_the_demo() -> None:
    credentials, _ = readme_messages()
    assert PASSWORDS[credentials["email"]] == credentials["password"]


def test_the_example_world_has_nothing_wrong_with_it() -> None:
    text = EXAMPLE_WORLD.read_text("utf-8")
    world = parse_world(text, file=EXAMPLE_WORLD.name, environ={}, parse_resolution=parse_resolution)
    assert len(world.sensors) == text.count("[[sensor]]") > 0


@pytest.fixture(scope="module")
def client(sqlite_databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorldClient]:
    """A client of an application that holds the world of the demo, without its data."""
    world = tmp_path_factory.mktemp("demo") / "world.toml"
    world.write_text(WORLD, "utf-8")
    databases = sqlite_databases
    settings = databases.settings(databases.create(databases.template(world)))
    with TestClient(create_app(settings)) as http:
        yield WorldClient(http, settings)


@pytest.fixture(scope="module")
def described(client: WorldClient) -> Any:
    """The API document, as the server gives it."""
    return client.request(None, "GET", "/schema/openapi.json").json()


def complaints(described: Any, operation: Any, answer: Any) -> list[str]:
    """Where an answer differs from what the document says of it."""
    response = operation["responses"].get(str(answer.status_code))
    if response is None:
        return [f"{answer.status_code} is not described"]
    media_type = answer.headers["content-type"].split(";")[0]
    schema = {**response["content"][media_type]["schema"], "components": described["components"]}
    body = answer.json() if media_type == "application/json" else answer.text
    missing = [f"no {name}" for name in response.get("headers", ()) if name not in answer.headers]
    return missing + [error.message for error in jsonschema_rs.Draft202012Validator(schema).iter_errors(body)]


def test_the_post_of_the_readme_is_stored(client: WorldClient) -> None:
    _, message = readme_messages()
    answer = client.request("sunny", "POST", "/api/v1_1/postMeterData", json=message).json()
    assert (answer["stored"], answer["unchanged"]) == (len(message["values"]), 0)
    page = re.search(r"/sensors/(\d+)\?first=(\S+?)&", README)
    assert page is not None
    client.log_in("sunny")
    assert f"<h1>{message['connection']}" in client.http.get(f"/sensors/{page[1]}").text
    client.http.cookies.clear()
    assert message["start"].startswith(page[2])


def test_example_posts_are_stored_in_the_demo_world(client: WorldClient, described: Any) -> None:
    for path, item in described["paths"].items():
        if "post" in item:
            content = item["post"]["requestBody"]["content"]["application/json"]
            for example in content["examples"].values():
                answer = client.request("sunny", "POST", path, json=example["value"])
                assert (answer.status_code, complaints(described, item["post"], answer)) == (200, [])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/api/", None),
        ("/api/v1_1/getService", None),
        ("/api/v1_1/getConnection", None),
        ("/api/v1_1/getMeterData", "GetMeterDataRequest"),
        ("/api/v1_1/getPrognosis", "GetPrognosisRequest"),
        ("/api/gridlore/v1/sensors", None),
        ("/api/gridlore/v1/data", "DataRequest"),
        ("/api/gridlore/v1/beliefs", "BeliefsRequest"),
        ("/health/live", None),
        ("/health/ready", None),
    ],
)
def test_example_reads_are_answered_as_described(
    client: WorldClient, described: Any, path: str, message: str | None
) -> None:
    operation = described["paths"][path]["get"]
    for fields in described["components"]["schemas"][message]["examples"] if message else [{}]:
        answer = client.request("sunny", "GET", path, query=fields)
        assert (answer.status_code, complaints(described, operation, answer)) == (200, [])


@pytest.mark.parametrize(
    "message", ["GetMeterDataRequest", "GetPrognosisRequest", "DataRequest", "BeliefsRequest"]
)
def test_every_wrong_field_of_a_read_is_rejected_as_described(
    client: WorldClient, described: Any, message: str
) -> None:
    schema = described["components"]["schemas"][message]
    path, operation = next(
        (path, item["get"])
        for path, item in described["paths"].items()
        if f"`{message}`" in item.get("get", {}).get("description", "")
    )
    for name in schema["properties"]:
        fields = {**schema["examples"][0], name: "ea1.2021-01.localhost:?"}
        answer = client.request("sunny", "GET", path, query=fields)
        assert (answer.status_code, complaints(described, operation, answer)) == (400, []), name


@pytest.mark.parametrize("token", [None, "no token of ours"])
@pytest.mark.parametrize("body", [b"", b"[", b"[]", b"{}"])
def test_rejections_are_as_described(
    client: WorldClient, described: Any, token: str | None, body: bytes
) -> None:
    for path, item in described["paths"].items():
        for own in item:
            for method in ("GET", "POST", "DELETE"):
                headers = {"Authorization": token or client.token("sunny")}
                answer = client.request(None, method, path, content=body, headers=headers)
                assert complaints(described, item[own], answer) == [], (method, path, answer.text)
