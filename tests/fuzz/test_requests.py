"""Whatever is sent, the server answers in its form, soon, and stores nothing of what it rejects."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.acceptance.test_vectors import complain_form
from tests.fuzz.conftest import COUNT, SEED, Target
from tests.fuzz.sending import PATIENCE, Sent, Wire
from tests.fuzz.strange import strange_requests

SECRETS = ("Traceback (most recent call last)", 'File "/', "sqlite3.", "psycopg.", "SELECT ")
NO_HTTP = "Long lists belong in a JSON body"
"""What every answer to a request says that never reached the application."""


def path_of(sent: Sent) -> str:
    """Where a request goes, as far as that can be told."""
    try:
        return urlsplit(sent.target.decode("latin-1")).path
    except ValueError:
        return ""


def complain(sent: Sent, answer: httpx.Response | None, took: float) -> str | None:
    """What is wrong with an answer; None when nothing is."""
    if took > PATIENCE:
        return f"it took {took:.1f} s"
    if answer is None:
        # Half a request may be hung up on; everything else is to be answered.
        return None if sent.cut is not None else "the server hung up without an answer"
    if any(secret in answer.text for secret in SECRETS):
        return "it tells what is inside"
    if answer.status_code == 503:
        return None if answer.headers.get("Retry-After") else "503 without Retry-After"
    path, method = path_of(sent), sent.method.decode("latin-1")
    if answer.status_code in {400, 408, 431} and NO_HTTP in answer.text:
        return None  # it was never known what it is about
    if sent.method == b"HEAD" or not path.startswith("/api"):
        return "the server's mistake" if answer.status_code >= 500 else None
    answer.request = httpx.Request(method, httpx.URL("http://gridlore.example", path=path))
    return complain_form(answer)


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
def test_no_request_breaks_the_server_or_leaves_a_trace_when_rejected(
    target: Target, request: pytest.FixtureRequest
) -> None:
    parts = urlsplit(target.server.url)
    wire = Wire((str(parts.hostname), int(parts.port or 0)))
    request.addfinalizer(wire.close)
    seen: dict[int, int] = {}
    history = [target.history()]

    @seed(SEED)
    @settings(
        max_examples=COUNT,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(sent=strange_requests(target.world.token))
    def run(sent: Sent) -> None:
        answer, took = wire.send(sent)
        code = answer.status_code if answer is not None else 0
        seen[code] = seen.get(code, 0) + 1
        problem = complain(sent, answer, took)
        before, history[0] = history[0], target.history()
        if problem is None and code not in {200, 201, 0} and history[0] != before:
            problem = "something of a rejected message was stored"
        told = "" if answer is None else f"{answer.status_code} {answer.headers} {answer.text[:1500]}"
        assert problem is None, f"{problem} (seed {SEED})\n{sent!r}\n→ {told}"

    run()
    assert target.server.process.poll() is None
    log = target.log.read_text()
    assert "Traceback" not in log, log[-5000:]
    assert seen[200] > COUNT / 20 and seen[400] > COUNT / 20, f"most requests never got far: {seen}"
    print(json.dumps(seen))
