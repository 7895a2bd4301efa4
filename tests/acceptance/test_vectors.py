"""The API contract, sentence by sentence: scenarios in ``vectors/*.json``, against the whole application.

A scenario is a list of steps on days of its own, so that all of them share one database (``fresh`` ones,
and those with ``settings``, have their own). In every text of a step

* ``{d}``, ``{d+3}``, ``{d-1}`` are the scenario's first day and days around it,
* ``{now+5}``, ``{hour-60}`` are the time of the step and the hour in which the scenario began, and minutes
  around them,
* ``{slot}`` is the start of the quarter hour of the first day that has the number of the round, in a step
  that is taken several ``times``,
* ``{token:vera}`` is a token of that user, ``{name}`` what an earlier step kept from its answer.

A step says what is sent (``post`` or ``get`` with ``fields``, which are laid over the scenario's ``given``;
or ``send`` with a method and path) and what is expected: ``is`` (HTTP code and status word), ``answer``
(a part of the body; lists in full), ``says`` (patterns in the message), ``lacks``, ``headers``, ``text``.
vectors/README.md lists all keys.
"""

from __future__ import annotations

import gzip
import json
import math
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient

from gridlore.bootstrap import create_app
from tests.conftest import Databases, WorldClient

HERE = Path(__file__).parent
FIRST_DAY = date(2012, 1, 2)
DAYS_EACH = 9
MINUTE = timedelta(minutes=1)
ABSENT = object()

Open = Callable[[Databases, dict[str, str], bool, Path], WorldClient]


def read_scenarios() -> list[Any]:
    """All scenarios, each with the day it may call its own."""
    found = []
    for path in sorted((HERE / "vectors").glob("*.json")):
        for scenario in json.loads(path.read_text(encoding="utf-8")):
            day = FIRST_DAY + timedelta(days=DAYS_EACH * len(found))
            found.append(pytest.param(scenario, day, id=f"{path.stem}: {scenario['name']}"))
    return found


@pytest.fixture(scope="module")
def open_world() -> Iterator[Open]:
    """Gives a client of an application that holds the world; one for all who ask alike."""
    opened: dict[object, WorldClient] = {}
    broken: dict[object, Exception] = {}
    running: list[TestClient[Any]] = []

    def open_client(databases: Databases, overrides: dict[str, str], fresh: bool, world: Path) -> WorldClient:
        key = (databases.kind, world, *sorted(overrides.items()))
        if key in broken:
            raise broken[key]
        if fresh or key not in opened:
            settings = databases.settings(databases.create(databases.template(world)), **overrides)
            try:
                client = TestClient(create_app(settings), base_url="http://testserver.local")
                client.__enter__()
            except Exception as error:  # every other scenario would fail alike, each leaving a store open
                broken[key] = error
                raise
            running.append(client)
            made = WorldClient(client, settings)
            if fresh:
                return made
            opened[key] = made
        return opened[key]

    yield open_client
    for client in running:
        client.__exit__(None, None, None)


@dataclass
class Player:
    """Plays one scenario."""

    client: WorldClient
    scenario: dict[str, Any]
    day: date
    round: int = 0
    kept: dict[str, str] = field(default_factory=dict)
    answers: list[httpx.Response] = field(default_factory=list)
    hour: datetime = field(
        default_factory=lambda: datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    )

    def fill(self, value: Any) -> Any:
        """The value with every placeholder replaced."""
        if isinstance(value, str):
            return re.sub(r"\{([a-z]+)(?::([a-z]+)|([+-]\d+))?\}", self._replace, value)
        if isinstance(value, list):
            return [self.fill(one) for one in value]
        if isinstance(value, dict):
            if set(value) == {"$repeat"}:
                what, times = value["$repeat"]
                return [what] * times
            return {key: self.fill(one) for key, one in value.items()}
        return value

    def _replace(self, match: re.Match[str]) -> str:
        word, name, number = match[1], match[2], int(match[3] or 0)
        if word == "d":
            return str(self.day + timedelta(days=number))
        if word in {"now", "hour", "slot"}:
            midnight = datetime.combine(self.day, datetime.min.time(), UTC)
            moments = {
                "now": datetime.now(UTC),
                "hour": self.hour,
                "slot": midnight + 15 * self.round * MINUTE,
            }
            moment = moments[word]
            return (moment + number * MINUTE).isoformat().replace("+00:00", "Z")
        if word == "token" and name:
            return self.client.token(name)
        return self.kept.get(word, match[0])

    def play(self) -> None:
        """Take every step, and check every answer."""
        for number, step in enumerate(self.scenario["steps"], 1):
            for self.round in range(step.get("times", 1)):
                answer = self.send(step)
                for _ in range(step.get("up_to", 1) - 1):
                    if answer.status_code != int(step["is"].split()[0]):
                        answer = self.send(step)
                problem = complain_form(answer) or self.complain(self.fill(step_expectations(step)), answer)
                asked = answer.request
                sent = asked.content[:500].decode(errors="replace")
                told = f"{problem}\nin step {number}: {asked.method} {asked.url} {sent}"
                told += f"\n→ {answer.status_code} {answer.text[:1500]}"
                assert problem is None, told
            self.answers.append(answer)
            for name, key in step.get("keep", {}).items():
                self.kept[name] = str(answer.json()[key])
            time.sleep(step.get("wait", 0))

    def send(self, step: dict[str, Any]) -> httpx.Response:
        """Send one step's request."""
        user = step.get("user", self.scenario.get("user", "vera"))
        headers = self.fill(step.get("headers", {}))
        endpoint = step.get("post") or step.get("get")
        body: Any = self.fill(step.get("json", ABSENT))
        query = self.fill(step.get("query", {}))
        if endpoint is None:
            method, path = step["send"].split()
        else:
            method, path = ("POST" if "post" in step else "GET"), f"/api/v1_1/{endpoint}"
            fields = self.message(step, endpoint)
            if method == "POST" or step.get("in_body"):
                body = fields if body is ABSENT else body
            else:
                query = {**fields, **query} if isinstance(query, dict) else query
        content = step.get("text")
        if content is not None:
            content = "".join(self.fill(content)).encode(step.get("encoding", "utf-8"))
        elif body is not ABSENT:
            content = json.dumps(body).encode()
        if content is not None and step.get("type", "application/json"):
            headers.setdefault("Content-Type", step.get("type", "application/json"))
        if step.get("gzip"):
            content, headers["Content-Encoding"] = gzip.compress(content or b""), "gzip"
        return self.client.request(user, method, path, query=query or None, content=content, headers=headers)

    def message(self, step: dict[str, Any], endpoint: str) -> dict[str, Any]:
        """The fields of a message of version 1.1."""
        fields = {
            "type": f"{endpoint[0].upper()}{endpoint[1:]}Request",
            **self.scenario.get("given", {}),
            **step.get("fields", {}),
        }
        return {key: self.fill(value) for key, value in fields.items() if key not in step.get("without", [])}

    def complain(self, step: dict[str, Any], answer: httpx.Response) -> str | None:
        """What about the answer is not as the step expects; None when nothing is."""
        codes, _, words = step["is"].partition(" ")
        if str(answer.status_code) not in codes.split("|"):
            return f"HTTP {answer.status_code}, expected {codes}"
        body = answer.json() if "json" in answer.headers.get("Content-Type", "") and answer.content else {}
        if words and body.get("status") not in words.split("|"):
            return f"status {body.get('status')!r}, expected {words}"
        for pattern in step.get("says", ()):
            if not re.search(pattern, str(body.get("message"))):
                return f"the message does not say {pattern!r}"
        if "answer" in step and (difference := differ(step["answer"], body, "answer")):
            return difference
        for key in step.get("lacks", ()):
            if key in body:
                return f"the answer has {key!r}"
        for name, expected in step.get("headers_back", {}).items():
            got = answer.headers.get(name)
            if (got is None) != (expected is None) or (expected and not re.search(expected, got or "")):
                return f"header {name} is {got!r}, expected {expected!r}"
        if "body_lacks" in step and re.search(step["body_lacks"], answer.text):
            return f"the body has {step['body_lacks']!r}"
        if "csv" in step and answer.text.splitlines() != step["csv"]:
            return f"lines {answer.text.splitlines()}, expected {step['csv']}"
        if "same_as" in step and answer.content != (same := self.answers[step["same_as"] - 1]).content:
            return f"the body differs from that of step {step['same_as']}: {same.text}"
        return None


def step_expectations(step: dict[str, Any]) -> dict[str, Any]:
    """Only what a step expects."""
    kept = ("is", "says", "answer", "lacks", "headers_back", "body_lacks", "csv", "same_as")
    return {key: step[key] for key in kept if key in step}


def complain_form(answer: httpx.Response) -> str | None:
    """What is wrong with the form that every answer has, whatever was asked; None when nothing is."""
    code, path = answer.status_code, answer.request.url.path
    if code >= 500:
        return "the server's mistake"
    if code == 401 and "WWW-Authenticate" not in answer.headers:
        return "401 without WWW-Authenticate"
    if code == 405 and "Allow" not in answer.headers:
        return "405 without Allow"
    if code == 429 and "Retry-After" not in answer.headers:
        return "429 without Retry-After"
    if not path.startswith("/api") or answer.request.method in {"HEAD", "OPTIONS"} or 300 <= code < 400:
        return None
    if code == 200 and answer.headers["Content-Type"].startswith("text/csv"):
        return None
    if answer.headers.get("Content-Type", "").split(";")[0] != "application/json":
        return f"Content-Type {answer.headers.get('Content-Type')!r}"
    body = json.loads(answer.text, parse_constant=_refuse)
    if not isinstance(body, dict):
        return "the answer is no JSON object"
    service = re.fullmatch(r"/api/v1_1/+(\w+)/?", path)
    if service and code != 404:
        endpoint = service[1]
        if body.get("type") != f"{endpoint[0].upper()}{endpoint[1:]}Response":
            return f"type {body.get('type')!r}"
        if not all(isinstance(body.get(key), str) and body[key] for key in ("status", "message")):
            return "no status or message"
        if (body.get("result") == "Rejected") != (code >= 400):
            return f"result {body.get('result')!r} with HTTP {code}"
    return None


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} in an answer is no JSON")


def differ(expected: Any, got: Any, where: str) -> str | None:
    """The first difference; objects may hold more than expected, lists not. Numbers to 12 digits."""
    if isinstance(expected, dict) and set(expected) == {"$like"}:
        same = isinstance(got, str) and re.search(expected["$like"], got)
        return None if same else f"{where} is {got!r}, expected something like {expected['$like']!r}"
    if isinstance(expected, dict) and isinstance(got, dict):
        pairs = [(f"{where}.{key}", value, got.get(key, ABSENT)) for key, value in expected.items()]
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        pairs = [(f"{where}[{i}]", *pair) for i, pair in enumerate(zip(expected, got, strict=True))]
    else:
        numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (expected, got))
        same = math.isclose(expected, got, rel_tol=1e-12) if numbers else expected == got
        same = same and isinstance(expected, bool) == isinstance(got, bool)
        return None if same else f"{where} is {'absent' if got is ABSENT else got!r}, expected {expected!r}"
    return next((told for path, want, have in pairs if (told := differ(want, have, path))), None)


@pytest.mark.parametrize(("scenario", "day"), read_scenarios())
def test_the_application_answers_as_the_contract_says(
    scenario: dict[str, Any], day: date, databases: Databases, open_world: Open
) -> None:
    world = HERE / scenario.get("world", "world.toml")
    client = open_world(databases, scenario.get("settings", {}), scenario.get("fresh", False), world)
    Player(client, scenario, day).play()
