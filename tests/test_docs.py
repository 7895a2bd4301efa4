"""The documents keep up with the code: settings, commands, links, and pages that need no net."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import jsonschema_rs
import pytest
from litestar.testing import TestClient
from tests.conftest import Databases, WorldClient

from gridlore.bootstrap import create_app
from gridlore.cli import main
from gridlore.config import SETTINGS, Setting
from gridlore.wire.endpoints import ENDPOINTS

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SETTINGS_PAGE = (ROOT / "docs" / "settings.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
WORLD = ROOT / "docs" / "world.toml"
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


@pytest.mark.parametrize("path", [endpoint.path for endpoint in ENDPOINTS])
def test_the_readme_names_every_endpoint(path: str) -> None:
    assert path in README


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in LINK.findall(document.read_text("utf-8")):
        path, _, _ = target.partition("#")
        if path and not path.startswith(("http://", "https://")):
            assert (document.parent / path).exists(), f"{document.name} links to {target}"


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [path.name[:3] for path in sorted((ROOT / "docs" / "adr").glob("*.md"))]
    assert numbers == [f"{number:03}" for number in range(1, len(numbers) + 1)]


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


@pytest.fixture(scope="module")
def client(sqlite_databases: Databases) -> Iterator[WorldClient]:
    """A client of an application that holds the world of docs/world.toml."""
    databases = sqlite_databases
    settings = databases.settings(databases.create(databases.template(WORLD)))
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


def test_example_posts_are_stored_in_the_example_world(client: WorldClient, described: Any) -> None:
    for path, item in described["paths"].items():
        if "post" in item:
            content = item["post"]["requestBody"]["content"]["application/json"]
            for example in content["examples"].values():
                answer = client.request("alice", "POST", path, json=example["value"])
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
    ],
)
def test_example_reads_are_answered_as_described(
    client: WorldClient, described: Any, path: str, message: str | None
) -> None:
    operation = described["paths"][path]["get"]
    for fields in described["components"]["schemas"][message]["examples"] if message else [{}]:
        answer = client.request("alice", "GET", path, query=fields)
        assert (answer.status_code, complaints(described, operation, answer)) == (200, [])


@pytest.mark.parametrize("token", [None, "no token of ours"])
@pytest.mark.parametrize("body", [b"", b"[", b"[]", b"{}"])
def test_rejections_are_as_described(
    client: WorldClient, described: Any, token: str | None, body: bytes
) -> None:
    for path, item in described["paths"].items():
        for own in item:
            for method in ("GET", "POST", "DELETE"):
                headers = {"Authorization": token or client.token("alice")}
                answer = client.request(None, method, path, content=body, headers=headers)
                assert complaints(described, item[own], answer) == [], (method, path, answer.text)
