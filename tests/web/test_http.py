"""HTTP itself: bodies packed and too long, answers packed, methods, unknown paths, other origins."""

import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gridlore.services.query import Query
from tests.conftest import Databases, WorldClient

WORLD = Path(__file__).parents[1] / "acceptance" / "small_world.toml"
METER_DATA = "/api/v1_1/postMeterData"
MESSAGE = {
    "type": "PostMeterDataRequest",
    "connection": "Pole 1",
    "values": [1.0, 2.0, 3.0, 4.0],
    "start": "2024-01-01T00:00:00Z",
    "duration": "PT1H",
    "unit": "MW",
}


@pytest.fixture
def databases(sqlite_databases: Databases) -> Databases:
    """HTTP is the same whatever the store."""
    return sqlite_databases


@pytest.fixture
def client(world_client: Callable[..., WorldClient]) -> WorldClient:
    return world_client(WORLD, MAX_BODY_BYTES="10000", CORS_ORIGINS="https://app.example")


def send(client: WorldClient, body: bytes, **headers: str) -> tuple[int, dict[str, object]]:
    answer = client.request("ann", "POST", METER_DATA, content=body, headers=headers)
    return answer.status_code, answer.json()


def test_packed_bodies_are_unpacked(client: WorldClient) -> None:
    plain = json.dumps(MESSAGE).encode()
    two_members = gzip.compress(plain[:20]) + gzip.compress(plain[20:])
    assert send(client, gzip.compress(plain), **{"Content-Encoding": "gzip"})[1]["stored"] == 4
    assert send(client, two_members, **{"Content-Encoding": "gzip"})[1]["unchanged"] == 4


@pytest.mark.parametrize(
    ("body", "encoding", "code"),
    [
        (b"not gzip at all", "gzip", 400),
        (gzip.compress(b"{}" * 100)[:-9], "gzip", 400),
        (gzip.compress(b" " * 10_001), "gzip", 413),
        (gzip.compress(b" " * 6_000) + gzip.compress(b" " * 6_000), "gzip", 413),
        (gzip.compress(b" " * 500_000_000, 1)[:9_000], "gzip", 413),
        (zlib.compress(b"{}"), "deflate", 400),
        (b"{}", "br", 400),
        (b" " * 10_001, "identity", 413),
    ],
    ids=["no gzip", "cut off", "long", "long in two", "a bomb", "deflate", "brotli", "plain"],
)
def test_bodies_that_cannot_be_unpacked_or_are_too_long_are_refused(
    client: WorldClient, body: bytes, encoding: str, code: int
) -> None:
    got, answer = send(client, body, **{"Content-Encoding": encoding})
    assert got == code
    assert (answer["status"], answer["type"], answer["result"]) == (
        "INVALID_MESSAGE",
        "PostMeterDataResponse",
        "Rejected",
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/requestAuthToken"),
        ("GET", "/api/v1_1/getService"),
        ("POST", "/login"),
        ("POST", "/invitation/x"),
        ("POST", "/profile/password"),
    ],
)
def test_who_has_not_shown_who_they_are_can_send_little(
    world_client: Callable[..., WorldClient], method: str, path: str
) -> None:
    client = world_client(WORLD)
    form = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": "gridlore_session=x"}
    sent = (b"[" + b"0," * 40_000 + b"0]", form), (b"a=" + b"%41" * 20_000, form)
    packed = (gzip.compress(sent[0][0], mtime=0), {"Content-Encoding": "gzip"})  # no time that is a "%"
    for body, headers in (*sent, *([packed] if path.startswith("/api/") else [])):
        answer = client.request(None, method, path, content=body, headers=headers)
        expected = {413, 303} if path.startswith("/profile") else {413}  # led to the log-in form, unread
        if path.startswith("/api/") and b"%" in body:
            expected = {400}
        assert answer.status_code in expected, answer.text


def test_long_answers_are_packed_when_asked_for(client: WorldClient) -> None:
    query = {
        "type": "GetMeterDataRequest",
        "connection": "Pole 1",
        "start": "2024-01-01T00:00:00Z",
        "duration": "P30D",
        "unit": "MW",
    }
    assert send(client, json.dumps(MESSAGE).encode())[0] == 200
    plain = client.request(
        "ann", "GET", "/api/v1_1/getMeterData", query=query, headers={"Accept-Encoding": "identity"}
    )
    packed = client.request("ann", "GET", "/api/v1_1/getMeterData", query=query)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.json() == plain.json()
    refused = {"Accept-Encoding": "gzip;q=0, br"}
    answer = client.request("ann", "GET", "/api/v1_1/getMeterData", query=query, headers=refused)
    assert "Content-Encoding" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", METER_DATA, "POST"),
        ("PUT", METER_DATA, "POST"),
        ("DELETE", "/api/v1_1/getMeterData", "GET"),
        ("POST", "/api/v1_1/getConnection", "GET"),
        ("GET", "/api/requestAuthToken", "POST"),
        ("POST", "/api/", "GET"),
        ("PATCH", "/api/gridlore/v1/data", "GET"),
    ],
)
def test_a_wrong_method_is_told_with_the_right_one(
    client: WorldClient, method: str, path: str, allowed: str
) -> None:
    answer = client.request("ann", method, path)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == allowed
    assert answer.headers["Content-Type"] == "application/json"
    assert allowed in str(answer.json())


@pytest.mark.parametrize(
    "path", ["/api/v1_1/getFoo", "/nothing", "/api/v2/getConnection", "/api/v1_1", "/docs/x"]
)
def test_an_unknown_path_is_answered_in_json(client: WorldClient, path: str) -> None:
    answer = client.request("ann", "GET", path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["status"] == "NOT_FOUND"


def test_other_origins_are_let_in_by_setting_only(client: WorldClient) -> None:
    preflight = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    answer = client.request(None, "OPTIONS", METER_DATA, headers=preflight)
    assert answer.status_code < 300
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
    other = client.request(
        None, "OPTIONS", METER_DATA, headers={**preflight, "Origin": "https://evil.example"}
    )
    assert other.headers.get("Access-Control-Allow-Origin") != "https://evil.example"


@pytest.mark.parametrize(
    ("method", "path", "headers", "code"),
    [
        ("GET", "/static/%00", {}, 404),
        ("GET", "/docs/assets/a%00b", {}, 404),
        ("GET", "/static/" + "a" * 300, {}, 404),
        ("GET", "/docs/assets/" + "a/" * 3000, {}, 404),
        ("GET", "/api/v1_1/%00", {}, 404),
        ("POST", "/login", {"Origin": "http://["}, 403),
        ("POST", "/logout", {"Origin": "http://[::1"}, 403),
        ("GET", "/", {"Host": "a:b:c"}, 200),
        ("GET", "/", {"Host": '"><script>'}, 400),
    ],
)
def test_odd_paths_and_headers_are_no_bug_of_ours(
    client: WorldClient, method: str, path: str, headers: dict[str, str], code: int
) -> None:
    answer = client.request(None, method, path, headers=headers)
    assert answer.status_code == code
    assert "<script>" not in answer.text.replace('<script src="', "")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1_1/getService"),
        ("GET", "/api/v1_1/getMeterData"),
        ("POST", "/api/v1_1/postMeterData"),
        ("GET", "/api/requestAuthToken"),
        ("GET", "/health/live"),
        ("GET", "/sensors/1"),
    ],
)
def test_slashes_too_many_change_no_answer(client: WorldClient, method: str, path: str) -> None:
    answers = [client.request(None, method, one) for one in (path, path.replace("/", "//")[1:])]
    told, odd = (
        (answer.status_code, answer.text, answer.headers.get("Allow"), answer.headers.get("Location"))
        for answer in answers
    )
    assert told == odd


def test_pages_and_their_files_are_served_from_here_alone(client: WorldClient) -> None:
    for path in ("/", "/login", "/docs"):
        answer = client.request(None, "GET", path)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/html")
        assert "http://" not in answer.text.replace("http://testserver.local", "")
        assert "https://" not in answer.text
    for path in ("/docs/assets/swagger-ui-bundle.js", "/docs/assets/swagger-ui.css", "/static/gridlore.css"):
        assert client.request(None, "GET", path).status_code == 200
    assert client.request(None, "GET", "/docs/assets/../../../etc/passwd").status_code == 404


def test_a_mistake_of_ours_is_told_without_details_and_logged_with_them(
    client: WorldClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("deep inside")

    monkeypatch.setattr(Query, "read", fail)
    query = {"connection": "Pole 1", "start": MESSAGE["start"], "duration": "PT1H", "unit": "MW"}
    with capture_logs() as lines:
        answer = client.get("ann", "getMeterData", **query)
    body = answer.json()
    assert (answer.status_code, body["status"], body["result"]) == (500, "INTERNAL_ERROR", "Rejected")
    assert body["type"] == "GetMeterDataResponse"
    assert "deep inside" not in answer.text and "ZeroDivision" not in answer.text
    (line,) = (line for line in lines if line["event"] == "request failed")
    assert isinstance(line["exc_info"], ZeroDivisionError)
    assert line["request_id"] == answer.headers["X-Request-ID"]
    assert "stored" not in body["message"], "it was a question"


def test_a_mistake_after_the_commit_does_not_say_that_nothing_was_stored_and_sending_again_tells(
    client: WorldClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("after the commit")

    with monkeypatch.context() as broken:
        broken.setattr("gridlore.web.api_v1_1.acknowledge", fail)
        failed = client.post("ann", "postMeterData", **MESSAGE)
    assert failed.status_code == 500
    assert "may be stored, or not; sending the same again is safe" in failed.json()["message"]
    again = client.post("ann", "postMeterData", **MESSAGE)
    assert (again.status_code, again.json()["stored"]) == (200, 0)
