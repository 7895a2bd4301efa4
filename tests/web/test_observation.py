"""What is seen of every request: its id, its line in the log, its place in the figures, and its bounds."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from tests.conftest import Databases, WorldClient

WORLD = Path(__file__).parents[1] / "acceptance" / "small_world.toml"
PERIOD = {"start": "2024-01-01T00:00:00Z", "duration": "PT1H", "unit": "MW"}
MESSAGE = {"connections": ["Pole 1", "Pole 2"], "values": [1, 2, 3, 4], **PERIOD}

ANSWERS = [
    ("GET", "/api/", 200),
    ("GET", "/api/v1_1/getConnection", 401),
    ("GET", "/nothing", 404),
    ("DELETE", "/api/v1_1/postMeterData", 405),
    ("GET", "/", 200),
    ("GET", "/profile", 303),
    ("GET", "/docs", 200),
    ("GET", "/docs/assets/swagger-ui.css", 200),
    ("GET", "/static/gridlore.css", 200),
    ("GET", "/health/live", 200),
    ("OPTIONS", "/api/", 204),
]
"""One request for each kind of answer that there is."""

Open = Callable[..., WorldClient]


@pytest.fixture
def databases(sqlite_databases: Databases) -> Databases:
    """What is seen is the same whatever the store."""
    return sqlite_databases


@pytest.fixture
def open_client(world_client: Callable[..., WorldClient]) -> Open:
    return lambda **settings: world_client(WORLD, **settings)


def test_every_answer_names_its_request_and_says_how_it_may_be_used(open_client: Open) -> None:
    client = open_client()
    seen = set()
    for method, path, code in ANSWERS:
        answer = client.request(None, method, path)
        assert (path, answer.status_code) == (path, code)
        assert re.fullmatch(r"[0-9a-f]{12}-[0-9a-f]+", answer.headers["X-Request-ID"])
        seen.add(answer.headers["X-Request-ID"])
        assert answer.headers.get_list("X-Content-Type-Options") == ["nosniff"]
        (policy,) = answer.headers.get_list("Content-Security-Policy")
        assert "frame-ancestors 'none'" in policy
        assert "'unsafe-inline'" not in policy.replace("style-src 'self' 'unsafe-inline'", "")
        assert len(answer.headers.get_list("Referrer-Policy")) == 1
        assert "Strict-Transport-Security" not in answer.headers
    assert len(seen) == len(ANSWERS)


@pytest.mark.parametrize("name", ["order-66", "a" * 64, "urn:uuid:1/2+3=4@5_6~7.8"])
def test_a_request_keeps_the_name_that_its_client_gave_it(open_client: Open, name: str) -> None:
    for path in ("/api/", "/nothing"):
        answer = open_client().request(None, "GET", path, headers={"X-Request-ID": name})
        assert answer.headers["X-Request-ID"] == name


@pytest.mark.parametrize("name", ["", "a" * 65, "a b", "a;b", '"', "é"])
def test_a_name_that_could_do_harm_in_a_log_is_replaced(open_client: Open, name: str) -> None:
    answer = open_client().http.get("/api/", headers={"X-Request-ID": name.encode("latin-1")})
    assert re.fullmatch(r"[0-9a-f]{12}-[0-9a-f]+", answer.headers["X-Request-ID"])


def lines_of(client: WorldClient) -> list[dict[str, object]]:
    """What is logged about a post that is stored, a refused read, and an unknown path."""
    with capture_logs() as lines:
        client.request(
            "ann",
            "POST",
            "/api/v1_1/postMeterData",
            query={"secret": "s3cret"},
            json={"type": "PostMeterDataRequest", **MESSAGE},
            headers={"X-Request-ID": "post-1"},
        )
        client.get("ann", "getMeterData", connection="s3cret", **PERIOD)
        client.request(None, "GET", "/invitation-s3cret")
    return [line for line in lines if line["event"] == "request"]


def test_a_stored_message_leaves_a_receipt_in_the_log(open_client: Open) -> None:
    receipt, refused, unknown = lines_of(open_client())
    assert receipt == receipt | {
        "request_id": "post-1",
        "method": "POST",
        "route": "/api/v1_1/postMeterData",
        "status": 200,
        "user": 1,
        "stored": 8,
        "unchanged": 0,
        "sensors": 2,
    }
    assert min(float(str(receipt[name])) for name in ("milliseconds", "received", "sent")) > 0
    assert (refused["status"], refused["user"], refused["route"]) == (400, 1, "/api/v1_1/getMeterData")
    assert (unknown["status"], unknown["route"], "user" in unknown) == (404, "unknown", False)
    assert "s3cret" not in str([receipt, refused, unknown])


@pytest.mark.parametrize(
    ("setting", "codes"),
    [
        ({"LOG_REQUESTS": "all"}, [200, 200, 400, 404]),
        ({}, [200, 400, 404]),
        ({"LOG_REQUESTS": "errors"}, [400, 404]),
        ({"LOG_REQUESTS": "none"}, []),
    ],
)
def test_what_is_read_is_logged_only_when_asked_for(
    open_client: Open, setting: dict[str, str], codes: list[int]
) -> None:
    client = open_client(**setting)
    with capture_logs() as lines:
        client.get("ann", "getConnection")
    lines += lines_of(client)
    assert [line["status"] for line in lines if line["event"] == "request"] == codes


def first_refusal(send: Callable[[], httpx.Response]) -> httpx.Response:
    """The first answer that says "too much"; on a slow machine it may take a few more requests."""
    for _ in range(100):
        answer = send()
        if answer.status_code == 429:
            return answer
    raise AssertionError("a hundred requests were let pass")


def test_who_sends_too_much_is_told_when_to_go_on_and_others_go_on(open_client: Open) -> None:
    client = open_client(REQUESTS_PER_USER="1", DIRECTORY_MAX_AGE="3600")
    codes = [client.post("ann", "postMeterData", **MESSAGE).status_code for _ in range(10)]
    assert codes == [200] * 10, "ten seconds' worth may come at once"
    refused = first_refusal(lambda: client.post("ann", "postMeterData", **MESSAGE))
    body = refused.json()
    assert (refused.status_code, body["status"]) == (429, "TOO_MANY_REQUESTS")
    assert (body["type"], body["result"]) == ("PostMeterDataResponse", "Rejected")
    assert "1 per second from one user" in body["message"]
    wait = refused.headers["Retry-After"]
    assert 1 <= int(wait) <= 10
    limits = {name: refused.headers[f"RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset")}
    assert limits == {"Limit": "1", "Remaining": "0", "Reset": wait}
    assert client.request("ben", "GET", "/api/v1_1/getConnection").status_code == 200


def test_an_address_is_bounded_before_anything_is_read_but_for_its_health(open_client: Open) -> None:
    client = open_client(REQUESTS_PER_ADDRESS="1")
    for _ in range(10):
        assert client.request(None, "GET", "/api/v1_1/getConnection").status_code == 401
    refused = first_refusal(lambda: client.request(None, "GET", "/api/v1_1/getConnection"))
    assert refused.json()["type"] == "GetConnectionResponse"
    assert "X-Request-ID" in refused.headers
    wrong = first_refusal(lambda: client.request(None, "POST", "/api/requestAuthToken", content=b"{}"))
    assert (wrong.status_code, "Too many requests" in wrong.json()["errors"][0]) == (429, True)
    assert client.request(None, "GET", "/health/live").status_code == 200


def test_nobody_is_bounded_where_limits_are_off_or_as_they_are_by_default(open_client: Open) -> None:
    for settings in ({}, {"REQUESTS_PER_USER": "0", "REQUESTS_PER_ADDRESS": "0"}):
        client = open_client(**settings)
        answers = {client.request("ann", "GET", "/api/v1_1/getConnection").status_code for _ in range(100)}
        assert answers == {200}


def test_a_request_names_no_more_sensors_than_it_may(open_client: Open) -> None:
    client = open_client(MAX_SENSORS_PER_MESSAGE="1")
    post = client.post("ann", "postMeterData", **MESSAGE)
    assert (post.status_code, post.json()["status"]) == (413, "PTUS_INCOMPLETE")
    read = client.get("ann", "getMeterData", connections=MESSAGE["connections"], **PERIOD)
    assert (read.status_code, read.json()["status"]) == (400, "UNRECOGNIZED_CONNECTION_GROUP")
    assert "at most 1 sensors; got 2" in read.json()["message"]


def test_pages_of_other_origins_are_told_in_json_and_their_answers_kept_apart(open_client: Open) -> None:
    client = open_client(CORS_ORIGINS="https://app.example")
    ours, foreign = {"Origin": "https://app.example"}, {"Origin": "https://evil.example"}
    document = client.request(None, "GET", "/schema/openapi.json", headers=ours)
    assert document.headers["Content-Encoding"] == "gzip"
    assert set(document.headers["Vary"].split(", ")) == {"Accept-Encoding", "Origin"}
    assert document.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "X-Request-ID" in document.headers["Access-Control-Expose-Headers"]
    refused = client.request(
        None, "OPTIONS", "/api/", headers={**foreign, "Access-Control-Request-Method": "GET"}
    )
    assert (refused.status_code, refused.json()["status"]) == (403, "INVALID_SENDER")
    for announced in ({"Method": "DELETE"}, {"Method": "GET", "Headers": "x-evil"}):
        headers = {f"Access-Control-Request-{name}": text for name, text in announced.items()}
        answer = client.request(None, "OPTIONS", "/api/", headers={**ours, **headers})
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer.headers
    read = client.request(None, "GET", "/api/", headers=foreign)
    assert (read.status_code, read.headers.get("Access-Control-Allow-Origin")) == (200, None)
    anybody = open_client(CORS_ORIGINS="*").request(None, "GET", "/api/", headers=foreign)
    assert anybody.headers["Access-Control-Allow-Origin"] == "*"
