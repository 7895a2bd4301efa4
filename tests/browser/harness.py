"""A running server, and browser pages that are watched: what the browser tests work with.

Nothing here needs Playwright to be installed in order to be imported, so that a machine without it skips
these tests instead of failing to collect them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

try:
    from playwright.sync_api import Browser, Page, expect, sync_playwright
except ImportError:  # find_missing tells
    Browser = Page = expect = sync_playwright = None

GRIDLORE = Path(sys.executable).with_name("gridlore")
WORLD = Path(__file__).with_name("world.toml")
PASSWORDS = {
    "ada@grid.example": "ada keeps watch",
    "hanna@harbour.example": "hanna at the harbour",
    "forecasts@harbour.example": "tomorrow and after",
    "farid@farm.example": "farid on the hill",
}
ADMIN, HANNA, FARID = "ada@grid.example", "hanna@harbour.example", "farid@farm.example"

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}

ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
).split()
COOKIE = "gridlore_session"

PATIENCE = 30.0
"""How long something may take to come about, on a machine that is busy with other things. [s]"""


def find_chromium() -> str | None:
    """The system's Chromium: of GRIDLORE_TEST_CHROMIUM, or by one of its usual names."""
    named = os.environ.get("GRIDLORE_TEST_CHROMIUM")
    names = [named] if named else ["chromium", "chromium-browser", "google-chrome"]
    return next((path for name in names if (path := shutil.which(name))), None)


def find_missing() -> str | None:
    """Why browser tests cannot run here, and what would mend it; None when they can."""
    if sync_playwright is None:
        return "browser tests need Playwright for Python: make install-dev, or pip install playwright"
    if find_chromium() is None:
        return (
            "browser tests need Chromium: apt-get install chromium (make browser does it where it can), or "
            "name an executable with GRIDLORE_TEST_CHROMIUM"
        )
    return None


@dataclass
class Site:
    """A running ``gridlore serve`` with the world of these tests in it."""

    url: str
    log: Path
    sessions: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def session(self, email: str) -> str:
        """The session cookie of a user, who logs in once."""
        if email not in self.sessions:
            form = {"email": email, "password": PASSWORDS[email]}
            answer = httpx.post(f"{self.url}/login", data=form, timeout=30)
            assert answer.status_code == 303, answer.text
            self.sessions[email] = answer.cookies[COOKIE]
        return self.sessions[email]

    def get(self, path: str, email: str = HANNA, **query: Any) -> Any:
        """What the API answers this user."""
        if email not in self.tokens:
            login = {"email": email, "password": PASSWORDS[email]}
            self.tokens[email] = httpx.post(
                f"{self.url}/api/requestAuthToken", json=login, timeout=30
            ).json()["auth_token"]
        answer = httpx.get(
            self.url + path, params=query, headers={"Authorization": self.tokens[email]}, timeout=30
        )
        assert answer.status_code == 200, answer.text
        return answer.json()


@dataclass
class Watch:
    """What went wrong on a page: console errors, page errors, failed requests, requests to elsewhere.

    An answer of 400 or more is a problem too, unless the test expects it: ``watch.expect(404)``.
    """

    site: Site
    problems: list[str] = field(default_factory=list)
    answers: list[tuple[int, str]] = field(default_factory=list)
    expected: set[int] = field(default_factory=set)

    def expect(self, *codes: int) -> None:
        """From the test's start to its end, answers with these codes are no problem."""
        self.expected.update(codes)

    def follow(self, page: Page) -> None:
        """Listen to a page."""
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        page.on("request", self._check_host)
        page.on("requestfailed", self._judge_failure)
        page.on("response", self._judge_answer)

    def complaints(self) -> list[str]:
        """Everything that was not expected."""
        wrong = [f"answered {code}: {what}" for code, what in self.answers if code not in self.expected]
        if any(code >= 500 for code, _ in self.answers):
            wrong.append(self.site.log.read_text()[-5000:])
        return self.problems + wrong

    def _hear(self, message: Any) -> None:
        # The browser also tells each answer of 400 and more here; _judge_answer has these.
        if message.type in {"error", "warning"} and not re.match(
            r"Failed to load resource: the server responded with a status of", message.text
        ):
            self.problems.append(f"console {message.type}: {message.text} ({message.location.get('url')})")

    def _check_host(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob", "about"} and parts.netloc != self.site.url.removeprefix(
            "http://"
        ):
            self.problems.append(f"request to another host: {request.url}")

    def _judge_failure(self, request: Any) -> None:
        # A page may give up a request itself (a newer one, a download, leaving): that is no failure.
        if "ERR_ABORTED" not in (request.failure or ""):
            self.problems.append(f"request failed: {request.url}: {request.failure}")

    def _judge_answer(self, response: Any) -> None:
        if response.status >= 400:
            self.answers.append((response.status, f"{response.request.method} {response.url}"))


DRAWN = """() => {
  const lines = {};
  for (const {name, opacity, x, y} of document.getElementById("chart").data ?? []) {
    if (opacity === 1) lines[name] = Object.fromEntries(Array.from(x, (at, place) => [at, y[place]]));
  }
  return lines;
}"""


def read_drawn(page: Page, line: str, start: datetime, count: int, minutes: int = 15) -> list[float | None]:
    """The values that a line of a sensor's chart shows, for events from ``start`` on."""
    values = page.evaluate(DRAWN).get(line, {})
    first = int(start.timestamp() * 1000)
    return [values.get(str(first + place * minutes * 60_000)) for place in range(count)]


def wait_for(page: Page, condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Let the page go on until something has come about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not come about within {seconds} s"
        page.wait_for_timeout(30)


def wait_for_chart(page: Page) -> None:
    """Let a sensor's page go on until its chart shows what was asked for."""
    drawn = """() => (document.getElementById("chart")?.data ?? []).length > 0
      && !document.getElementById("drawing").hasAttribute("aria-busy")"""
    wait_for(page, lambda: bool(page.evaluate(drawn)))


def show_days(page: Page, sensor: int, first: str, last: str | None = None) -> None:
    """Open a sensor's page and choose days, for the chart to show."""
    page.goto(f"/sensors/{sensor}")
    wait_for_chart(page)
    for name, day in (("First day", first), ("Last day", last or first)):
        field = page.get_by_label(name, exact=True)
        with page.expect_response(re.compile(r"series\.json")):
            field.fill(day)
            field.dispatch_event("change")
    wait_for_chart(page)


def travel_to(page: Page, moment: str) -> None:
    """Have the chart drawn as known at a moment of the sensor's clock."""
    field = page.locator("#prior")
    field.fill(moment)
    field.dispatch_event("change")


def start_server(folder: Path) -> tuple[subprocess.Popen[bytes], Site]:
    """A server on a free port with the world in a new SQLite file."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("GRIDLORE_")}
    environment = {**kept, "GRIDLORE_DATABASE_URL": f"sqlite:///{folder}/gridlore.db"}
    environment["GRIDLORE_DIRECTORY_MAX_AGE"] = "0.05"
    subprocess.run([GRIDLORE, "apply", WORLD], env=environment, check=True, capture_output=True)
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [GRIDLORE, "serve", "--port", "0"], env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        match = re.match(r"Gridlore serves (http://127\.0\.0\.1:[0-9]+) ", log.read_text())
        if match:
            return process, Site(match[1], log)
        time.sleep(0.05)
    process.kill()
    raise AssertionError(f"the server does not start: {log.read_text()}")
