"""What those hear who watch over the server: health, figures and traces."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families

from gridlore import bootstrap
from gridlore.bootstrap import check_tracing
from gridlore.domain.errors import SchemaError, SettingError, StoreUnavailableError
from gridlore.services.readiness import Readiness
from gridlore.store.interface import Store
from gridlore.web import tracing
from gridlore.web.board import Board
from gridlore.web.metrics import Tally
from tests.conftest import Databases, WorldClient

WORLD = Path(__file__).parents[1] / "acceptance" / "small_world.toml"
PERIOD = {"start": "2024-01-01T00:00:00Z", "duration": "PT1H", "unit": "MW"}
MESSAGE = {"connections": ["Pole 1", "Pole 2"], "values": [1, 2, 3, 4], **PERIOD}
TOKEN = "a token for the tests only"

Figures = Mapping[tuple[str, ...], float]


@pytest.fixture
def databases(sqlite_databases: Databases) -> Databases:
    """Figures are the same whatever the store; one that cannot be reached is in test_unavailable.py."""
    return sqlite_databases


def read_figures(client: WorldClient, **headers: str) -> Figures:
    """What /metrics says: each sample by its name and the texts of its labels."""
    answer = client.request(None, "GET", "/metrics", headers={"Authorization": f"Bearer {TOKEN}", **headers})
    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (200, "text/plain")
    return {
        (sample.name.removeprefix("gridlore_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_a_wrong_method_counts_for_its_route_and_an_unknown_path_for_none(
    world_client: Callable[..., WorldClient],
) -> None:
    client = world_client(WORLD, METRICS_TOKEN=TOKEN)
    routes = {
        "/api/v1_1/postMeterData": "/api/v1_1/postMeterData",
        "/api/v1_1/postMeterData/": "/api/v1_1/postMeterData",
        "/sensors/1": "/sensors/{sensor_id}",
        "/sensors/1/upload": "/sensors/{sensor_id}/upload",
        "/": "/",
        "/api/": "/api",
    }
    for path in routes:
        assert client.request(None, "DELETE", path).status_code == 405
    for path in ("/nothing", "/sensors/1/nothing", "/sensors"):
        assert client.request(None, "DELETE", path).status_code == 404
    figures = read_figures(client)
    counted = {
        name[2]: count for name, count in figures.items() if name[:2] == ("http_requests_total", "DELETE")
    }
    assert counted == {**Counter(routes.values()), "unknown": 3}


def test_the_figures_tell_requests_values_commits_and_what_is_late(
    world_client: Callable[..., WorldClient],
) -> None:
    client = world_client(WORLD, METRICS_TOKEN=TOKEN)
    client.post("ann", "postMeterData", **MESSAGE)
    client.post("ann", "postMeterData", **MESSAGE)
    client.request("ann", "GET", "/api/v1_1/getMeterData")
    client.request(None, "BREW", "/nothing")
    figures = read_figures(client)
    post = ("POST", "/api/v1_1/postMeterData")
    assert figures["http_requests_total", *post, "200"] == 2
    assert figures["http_requests_total", "GET", "/api/v1_1/getMeterData", "400"] == 1
    assert figures["http_requests_total", "other", "unknown", "404"] == 1
    assert figures["http_request_duration_seconds_count", *post] == 2
    assert figures["http_request_duration_seconds_bucket", "+Inf", *post] == 2
    assert 0 < figures["http_request_duration_seconds_sum", *post] < 60
    assert (figures["values_total", "stored"], figures["values_total", "unchanged"]) == (8, 8)
    assert figures["commit_duration_seconds_count",] == figures["commit_batches_total",] == 2
    assert figures["commit_blocks_total",] == 4
    assert figures["late_sensors",] == 2, "both poles were measured long ago"
    worker = next(key[1] for key in figures if key[0] == "queue_bytes")
    assert (figures["queue_bytes", worker], figures["queue_batches", worker]) == (0, 0)
    assert figures["process_cpu_seconds_total", worker] > 0
    assert figures["process_resident_memory_bytes", worker] > 10_000_000


@pytest.mark.parametrize(
    ("settings", "client", "headers", "code"),
    [
        ({}, "127.0.0.1", {}, 200),
        ({}, "::1", {}, 200),
        ({}, "192.0.2.7", {}, 403),
        ({}, "unknown", {}, 403),
        ({}, "127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 403),
        ({}, "127.0.0.1", {"Forwarded": "for=127.0.0.1"}, 403),
        ({"METRICS": "open"}, "192.0.2.7", {}, 200),
        ({"METRICS": "off"}, "127.0.0.1", {}, 404),
        ({"METRICS_TOKEN": TOKEN}, "192.0.2.7", {"Authorization": f"Bearer {TOKEN}"}, 200),
        ({"METRICS_TOKEN": TOKEN}, "127.0.0.1", {"Authorization": f"Bearer {TOKEN}!"}, 401),
        ({"METRICS_TOKEN": TOKEN}, "192.0.2.7", {}, 403),
        ({"METRICS_TOKEN": TOKEN, "METRICS": "off"}, "::1", {"Authorization": f"Bearer {TOKEN}"}, 404),
    ],
)
def test_figures_are_for_this_machine_and_for_who_has_the_token(
    databases: Databases, settings: dict[str, str], client: str, headers: dict[str, str], code: int
) -> None:
    app = bootstrap.create_app(databases.settings(databases.create(databases.template(WORLD)), **settings))

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, client=(client, 50_000))  # type: ignore[arg-type]
        async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://grid") as http:
            return await http.get("/metrics", headers=headers)

    answer = asyncio.run(ask())
    assert answer.status_code == code
    assert code == 200 or answer.headers["Content-Type"] == "application/json"


def test_figures_of_several_workers_are_added_up_and_those_of_the_dead_not_forgotten(tmp_path: Path) -> None:
    here, other = Tally(), Tally()
    for tally in (here, other):
        tally.count("/api", "GET", 200, 0.003)
        tally.count_commit(0.01, 2, 3)
    figures = other.figures(1, 100)
    figures.worker = 2**22 + 1  # no process has such a number
    gone = Board(lambda: figures, tmp_path)
    gone.close()
    board = Board(lambda: here.figures(0, 0), tmp_path)
    ended, living = board.read()
    board.close()
    assert [len(ended), len(living)] == [1, 1]
    (route, method, status, durations) = ended[0].requests[0]
    assert (route, method, status, sum(durations.counts)) == ("/api", "GET", 200, 1)
    assert (ended[0].totals.batches, ended[0].queued_bytes) == (2, 100)


@dataclass
class Queue:
    queued_bytes: int
    max_queue_bytes: int = 100
    wrong: str | None = None

    def trouble(self) -> str | None:
        return self.wrong


class Failing:
    """A store with something wrong; counts how often it was looked at."""

    def __init__(self, error: Exception | None, *, writable: bool = True) -> None:
        self.error = error
        self.writable = writable
        self.looks = 0

    def check_schema(self) -> None:
        self.looks += 1
        if self.error:
            raise self.error

    def is_writable(self) -> bool:
        return self.writable


class Watched:
    """What has this wrong with it."""

    def __init__(self, trouble: str | None) -> None:
        self._trouble = trouble

    def trouble(self) -> str | None:
        return self._trouble


@pytest.mark.parametrize("part", ["DirectoryCache", "AuditTrail", "Readiness", "KeyRing", "LoginThrottle"])
def test_a_server_that_cannot_be_put_together_leaves_no_thread_behind(
    databases: Databases, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    settings = databases.settings(databases.create(databases.template(WORLD)))
    before = set(threading.enumerate())
    monkeypatch.setattr(bootstrap, part, lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bootstrap.create_app(settings)
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize(
    ("error", "queued", "trouble", "wrong"),
    [
        (None, 94, None, set()),
        (None, 95, None, {"queue"}),
        (None, 0, "is not seen", {"directory", "record"}),
        (StoreUnavailableError("s3cret"), 0, None, {"store", "schema"}),
        (SchemaError("s3cret"), 0, None, {"schema"}),
        (RuntimeError("s3cret"), 0, None, {"store", "schema"}),
    ],
)
def test_what_keeps_a_process_from_serving_is_named_without_details(
    error: Exception | None, queued: int, trouble: str | None, wrong: set[str]
) -> None:
    store: Store = Failing(error)  # type: ignore[assignment]
    checks = Readiness(store, Queue(queued), Watched(trouble), Watched(trouble)).check(now=0.0)
    assert {name for name, found in checks.items() if found != "ok"} == wrong
    assert "s3cret" not in str(checks)


def test_a_writer_that_has_ended_and_a_store_that_takes_no_writes_are_told() -> None:
    ended, standby = Queue(0, wrong="is not written any more"), Failing(None, writable=False)
    well, of_us = Failing(None), Watched(None)
    for store, queue, wrong in ((well, ended, {"queue"}), (standby, Queue(0), {"store"})):
        checks = Readiness(store, queue, of_us, of_us).check(now=0.0)  # type: ignore[arg-type]
        assert {name for name, found in checks.items() if found != "ok"} == wrong


def test_the_store_is_looked_at_once_a_second_however_often_one_asks() -> None:
    store = Failing(None)
    readiness = Readiness(store, Queue(0), Watched(None), Watched(None))  # type: ignore[arg-type]
    for tenth in range(21):
        readiness.check(now=tenth / 10)
    assert store.looks == 3


def test_a_process_that_is_well_is_ready(world_client: Callable[..., WorldClient]) -> None:
    answer = world_client(WORLD).request(None, "GET", "/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "READY")
    assert answer.json()["checks"] == {
        "store": "ok",
        "schema": "ok",
        "queue": "ok",
        "directory": "ok",
        "record": "ok",
    }


def test_a_store_that_does_not_answer_is_no_reason_to_hang(
    world_client: Callable[..., WorldClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridlore.web.monitoring.PATIENCE", 0.05)
    looks, answered = [], threading.Event()

    def check_schema(_: object) -> None:
        looks.append(1)
        answered.wait(60)

    client = world_client(WORLD)
    monkeypatch.setattr("gridlore.store.relational.RelationalStore.check_schema", check_schema)
    for _ in range(3):
        answer = client.request(None, "GET", "/health/ready")
        assert (answer.status_code, answer.json()["status"]) == (503, "SERVICE_UNAVAILABLE")
        assert answer.headers["Retry-After"]
        assert "the store has not answered" in answer.json()["message"]
    assert len(looks) == 1
    assert client.request(None, "GET", "/health/live").status_code == 200
    answered.set()


def test_a_post_is_one_trace_from_its_request_to_its_commit(
    world_client: Callable[..., WorldClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = InMemorySpanExporter()
    monkeypatch.setattr(tracing, "send_to", lambda _: SimpleSpanProcessor(spans))
    client = world_client(WORLD, TRACES_URL="http://collector.example:4318")
    padding = " " * 70_000  # long bodies are read in a thread of their own
    for note in ("", padding):
        spans.clear()
        answer = client.request(
            "ann",
            "POST",
            "/api/v1_1/postMeterData",
            json={"type": "PostMeterDataRequest", "note": note, **MESSAGE},
            headers={"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"},
        )
        assert answer.status_code == 200
        found = {span.name: span for span in spans.get_finished_spans()}
        request = found.pop("POST /api/v1_1/postMeterData")
        assert set(found) == {"read message", "ingest", "commit"}
        assert {span.parent.span_id for span in found.values() if span.parent} == {request.context.span_id}
        assert f"{request.context.trace_id:x}" == "ab" * 16
        assert request.attributes is not None
        assert request.attributes["gridlore.request_id"] == answer.headers["X-Request-ID"]
        assert request.attributes["http.response.status_code"] == 200


def test_traces_that_cannot_be_made_stop_the_start(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = databases.settings(databases.create(), TRACES_URL="http://127.0.0.1:4318")
    monkeypatch.setattr(bootstrap, "find_spec", lambda _: None)
    with pytest.raises(SettingError, match=r"pip install '\.\[tracing\]'"):
        check_tracing(settings)
