"""Who is let in: tokens, sessions, and those who may no longer."""

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from argon2 import PasswordHasher

from gridlore.bootstrap import connect_store, open_accounts
from gridlore.config import load_settings
from gridlore.domain.errors import TooManyRequestsError
from gridlore.services import accounts as accounts_module
from gridlore.services.accounts import Accounts
from gridlore.services.throttle import ACCOUNT_FACTOR, MAX_KNOWN, LoginThrottle
from gridlore.web.platform import THREADS
from tests.conftest import WorldClient, wait_for

WORLD = Path(__file__).parents[1] / "acceptance" / "small_world.toml"
CONNECTIONS = "/api/v1_1/getConnection"


@pytest.fixture
def client(world_client: Callable[..., WorldClient]) -> WorldClient:
    return world_client(WORLD, DIRECTORY_MAX_AGE="0.05", LOGIN_ATTEMPTS="3")


def status(client: WorldClient, authorization: str | None) -> int:
    headers = {} if authorization is None else {"Authorization": authorization}
    return client.request(None, "GET", CONNECTIONS, headers=headers).status_code


def test_a_token_is_taken_bare_and_as_bearer(client: WorldClient) -> None:
    token = client.token("ann")
    assert [status(client, form.format(token)) for form in ("{}", "Bearer {}", "bearer  {} ")] == [200] * 3


@pytest.mark.parametrize("form", ["", "Bearer", "Bearer ", "Basic {}", "{}x", "x{}", "{} {}", "Token {}"])
def test_anything_else_is_no_token(client: WorldClient, form: str) -> None:
    answer = client.request(
        None, "GET", CONNECTIONS, headers={"Authorization": form.format(*[client.token("ann")] * 2)}
    )
    assert answer.status_code == 401
    assert answer.json() == {
        "type": "GetConnectionResponse",
        "status": "UNAUTHORIZED",
        "message": "You could not be properly authenticated for this content or functionality.",
        "result": "Rejected",
    }
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_bytes_that_are_no_text_are_no_token(client: WorldClient) -> None:
    assert client.http.get(CONNECTIONS, headers={b"Authorization": b"\xff\xe9"}).status_code == 401


def test_no_character_of_a_token_can_be_changed(client: WorldClient) -> None:
    token = client.token("ann")
    changed = {
        token[:place] + other + token[place + 1 :]
        for place in range(len(token))
        for other in ("A", "B", "f", "_")
        if token[place] != other
    }
    assert {status(client, forged) for forged in changed} == {401}


def test_a_token_ends_when_its_time_is_over(client: WorldClient) -> None:
    store = connect_store(client.settings)
    user = store.read_directory().users[0]
    store.close()
    accounts = open_accounts(client.settings)
    age = client.settings.security_token_max_age
    assert status(client, accounts.issue_token(user, time.time() - age + 60)) == 200
    assert status(client, accounts.issue_token(user, time.time() - age - 60)) == 401
    assert status(client, accounts.issue_token(user, time.time() + 3600)) == 401


def test_passwords_are_kept_with_argon2id_and_at_full_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts_module, "PasswordHasher", PasswordHasher)  # other tests have a cheap one
    kept = Accounts("a key", 1).hash_password("a password")
    cost = re.match(r"\$argon2id\$v=19\$m=(\d+),t=(\d+),p=\d+\$", kept)
    assert cost and int(cost[1]) >= 19 * 1024 and int(cost[2]) >= 2, "less than OWASP asks for"


def test_a_token_signed_with_another_key_is_none(client: WorldClient) -> None:
    store = connect_store(client.settings)
    user = store.read_directory().users[0]
    store.close()
    other = load_settings(
        {"SECRET_KEY": "another key altogether", "DATABASE_URL": "sqlite:///x.db"}, environ={}
    )
    assert status(client, open_accounts(other).issue_token(user, time.time())) == 401


def test_deactivation_and_revocation_take_effect_within_the_staleness_bound(client: WorldClient) -> None:
    store = connect_store(client.settings)
    ann, ben = store.read_directory().users
    tokens = [client.token("ann"), client.token("ben")]
    assert [status(client, token) for token in tokens] == [200, 200]
    with store.change_directory() as directory:
        directory.save_user(replace(ann, active=False))
        directory.save_user(replace(ben, token_key="another"))
    wait_for(lambda: [status(client, token) for token in tokens] == [401, 401])
    answer = client.request(
        None, "POST", "/api/requestAuthToken", json={"email": ann.email, "password": "ann's password"}
    )
    assert answer.status_code == 401
    with store.change_directory() as directory:
        directory.save_user(replace(ann, active=True))
    wait_for(lambda: status(client, tokens[0]) == 200)
    store.close()


def request_token(client: WorldClient, **body: object) -> tuple[int, dict[str, object]]:
    answer = client.request(None, "POST", "/api/requestAuthToken", json=body)
    return answer.status_code, answer.json()


def test_password_and_email_in_any_case_give_a_token_that_works(client: WorldClient) -> None:
    code, body = request_token(client, email="ANN@Plug.example", password="ann's password")
    assert code == 200
    assert set(body) == {"auth_token", "user_id"}
    assert status(client, str(body["auth_token"])) == 200


def test_who_guesses_from_many_addresses_of_one_network_is_one_and_others_are_not_held_back() -> None:
    throttle = LoginThrottle(3)
    for number in range(3):
        throttle.count_failure("ann@plug.example", f"2001:db8::{number}", now=0.0)
    with pytest.raises(TooManyRequestsError):
        throttle.check("ann@plug.example", "2001:db8::ffff", now=1.0)
    throttle.check("ann@plug.example", "2001:db8:0:1::", now=1.0)
    for _ in range(3):
        throttle.count_failure("ann@plug.example", "::ffff:192.0.2.1", now=0.0)
    with pytest.raises(TooManyRequestsError):
        throttle.check("ann@plug.example", "192.0.2.1", now=1.0)
    throttle.check("ann@plug.example", "::ffff:192.0.2.2", now=1.0)


def test_an_account_is_tried_only_so_often_from_all_addresses_and_its_user_is_not_locked_out() -> None:
    throttle = LoginThrottle(3)
    throttle.count_success("Ann@plug.example", "192.0.2.1")
    for number in range(3 * ACCOUNT_FACTOR):
        throttle.check("ann@plug.example", f"198.51.100.{number}", now=0.0)
        throttle.count_failure("ann@plug.example", f"198.51.100.{number}", now=0.0)
    with pytest.raises(TooManyRequestsError):
        throttle.check("ANN@plug.example", "203.0.113.1", now=1.0)
    throttle.check("ann@plug.example", "192.0.2.1", now=1.0)
    throttle.check("ben@plug.example", "203.0.113.1", now=1.0)
    throttle.check("ann@plug.example", "203.0.113.1", now=61.0)


def test_failures_from_where_one_comes_from_keep_nobody_else_out_and_are_bounded_too() -> None:
    throttle = LoginThrottle(1)
    for number in range(MAX_KNOWN + 1):
        throttle.count_success("ann@plug.example", f"192.0.2.{number}")
        throttle.count_failure("ann@plug.example", f"192.0.2.{number}", now=0.0)
    throttle.check("ann@plug.example", "203.0.113.1", now=1.0)
    with pytest.raises(TooManyRequestsError):
        throttle.check("ann@plug.example", "192.0.2.1", now=1.0)
    for number in range(ACCOUNT_FACTOR):
        throttle.count_failure("ann@plug.example", f"198.51.100.{number}", now=100.0)
    throttle.check("ann@plug.example", "192.0.2.1", now=101.0)
    with pytest.raises(TooManyRequestsError):
        throttle.check("ann@plug.example", "192.0.2.0", now=101.0)  # the oldest of too many is forgotten


def test_who_has_logged_in_from_an_address_is_known_there(
    client: WorldClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def try_from(address: str, user: str, password: str) -> int:
        monkeypatch.setattr("gridlore.web.auth.client_address", lambda _: address)
        return request_token(client, email=f"{user}@plug.example", password=password)[0]

    assert try_from("192.0.2.1", "ann", "ann's password") == 200
    for number in range(3 * ACCOUNT_FACTOR):
        for user in ("ann", "ben"):
            assert try_from(f"198.51.100.{number}", user, "guess") == 401
    assert try_from("192.0.2.1", "ann", "ann's password") == 200
    assert try_from("192.0.2.1", "ben", "ben's password") == 429


def test_a_wrong_password_and_an_unknown_email_are_told_alike(client: WorldClient) -> None:
    wrong = request_token(client, email="ann@plug.example", password="ben's password")
    unknown = request_token(client, email="zoe@plug.example", password="ben's password")
    assert wrong == unknown
    assert wrong[0] == 401
    assert isinstance(wrong[1]["errors"], list)


def test_who_fails_too_often_has_to_wait_and_others_do_not(client: WorldClient) -> None:
    for _ in range(3):
        assert request_token(client, email="ann@plug.example", password="guess")[0] == 401
    answer = client.request(
        None,
        "POST",
        "/api/requestAuthToken",
        json={"email": "ann@plug.example", "password": "ann's password"},
    )
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 61
    assert "errors" in answer.json()
    assert request_token(client, email="ben@plug.example", password="ben's password")[0] == 200


def test_many_guesses_at_once_are_no_more_than_may_fail_and_one_for_each_thread(
    client: WorldClient,
) -> None:
    with ThreadPoolExecutor(40) as people:
        codes = list(
            people.map(
                lambda guess: request_token(client, email="ann@plug.example", password=f"guess {guess}")[0],
                range(40),
            )
        )
    assert set(codes) == {401, 429}
    assert codes.count(401) <= 3 + THREADS


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "JSON"),
        (b"[]", "object"),
        (b'{"password": "x"}', "email"),
        (b'{"email": "ann@plug.example"}', "password"),
        (b'{"email": 5, "password": "x"}', "email"),
        (b'{"email": "ann@plug.example", "password": null}', "password"),
        (b'{"email": "' + b"a" * 2000 + b'", "password": "x"}', "email"),
        (b"\xff", "JSON"),
        (b"[" * 50_000, "JSON"),
    ],
    ids=range(9),
)
def test_credentials_that_cannot_be_read_are_explained(client: WorldClient, body: bytes, word: str) -> None:
    answer = client.request(None, "POST", "/api/requestAuthToken", content=body)
    assert answer.status_code == 400
    (message,) = answer.json()["errors"]
    assert word in message


def actions(client: WorldClient) -> list[str]:
    store = connect_store(client.settings)
    found = [entry.action for entry in store.read_audit(10)]
    store.close()
    return found


def test_who_is_let_in_is_on_the_record_before_they_hear_so(client: WorldClient) -> None:
    assert request_token(client, email="ann@plug.example", password="ann's password")[0] == 200
    assert actions(client) == ["issue token"]
    assert log_in(client) == 303
    assert actions(client) == ["log in", "issue token"]


def test_nobody_is_kept_out_because_the_record_cannot_be_written(
    client: WorldClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Event()
    monkeypatch.setattr("gridlore.web.auth.RECORD_PATIENCE", 0.1)
    monkeypatch.setattr("gridlore.store.relational.RelationalStore.record", lambda *_: written.wait(10))
    assert log_in(client) == 303
    written.set()


def log_in(client: WorldClient, password: str = "ann's password", **headers: str) -> int:
    form = {"email": "ann@plug.example", "password": password}
    return client.http.post("/login", data=form, headers=headers, follow_redirects=False).status_code


def test_a_session_needs_no_password_for_its_own_token(client: WorldClient) -> None:
    assert request_token(client, email="ann@plug.example")[0] == 400
    assert log_in(client) == 303
    code, body = request_token(client, email="Ann@plug.example")
    assert code == 200
    assert status(client, str(body["auth_token"])) == 200
    assert request_token(client, email="ben@plug.example")[0] == 401
    assert "ann@plug.example" in client.http.get("/").text
    assert client.http.post("/logout", follow_redirects=False).status_code == 403, "no token of this session"
    (token,) = set(re.findall(r'name="form_token" value="([^"]+)"', client.http.get("/").text))
    form = {"form_token": token}
    assert client.http.post("/logout", data=form, follow_redirects=False).status_code == 303
    assert request_token(client, email="ann@plug.example")[0] == 400


def test_the_session_cookie_is_no_token_and_the_token_no_session(client: WorldClient) -> None:
    assert log_in(client) == 303
    session = client.http.cookies["gridlore_session"]
    assert status(client, session) == 401
    client.http.cookies.clear()
    client.http.cookies["gridlore_session"] = client.token("ann")
    assert request_token(client, email="ann@plug.example")[0] == 400


@pytest.mark.parametrize("elsewhere", ["https://evil.example", "//evil.example", "/\\\\evil.example", "evil"])
def test_logging_in_leads_to_pages_of_ours_only(client: WorldClient, elsewhere: str) -> None:
    form = {"email": "ann@plug.example", "password": "ann's password", "next": elsewhere}
    answer = client.http.post("/login", data=form, follow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


def test_a_wrong_log_in_is_told_and_starts_no_session(client: WorldClient) -> None:
    assert log_in(client, "guess") == 401
    assert "gridlore_session" not in client.http.cookies


def test_another_site_cannot_log_somebody_in(client: WorldClient) -> None:
    assert log_in(client, **{"Sec-Fetch-Site": "cross-site"}) == 403
    assert log_in(client, Origin="https://evil.example") == 403
    assert log_in(client, Origin="http://testserver.local") == 303
