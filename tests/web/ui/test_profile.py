"""One's own profile: the password, the token, and who may change them."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gridlore.bootstrap import connect_store
from gridlore.domain.audit import AuditFilter
from tests.conftest import Databases, WorldClient
from tests.web.ui.browsing import Person

WORLD = Path(__file__).with_name("grid.toml")
NEW = "a password of ann's own"


@pytest.fixture
def databases(sqlite_databases: Databases) -> Databases:
    """Pages are the same whatever the store."""
    return sqlite_databases


@pytest.fixture
def client(world_client: Callable[..., WorldClient]) -> WorldClient:
    return world_client(WORLD, LOGIN_ATTEMPTS="5")


@pytest.fixture
def ann(client: WorldClient) -> Person:
    person = Person(client)
    assert person.log_in("ann@plug.example", "ann's password") == 303
    return person


def status(client: WorldClient, token: str) -> int:
    headers = {"Authorization": token}
    return client.request(None, "GET", "/api/v1_1/getConnection", headers=headers).status_code


def change_password(person: Person, code: int = 200, **fields: str) -> str:
    form = person.form(person.go("/profile"), "/profile/password")
    usual = {"current": "ann's password", "password": NEW, "again": NEW}
    return person.send(form, code, **{**usual, **fields}).text


def test_the_profile_tells_who_one_is(ann: Person) -> None:
    text = ann.go("/profile").text
    assert all(fact in text for fact in ("ann@plug.example", "Plug & Go", "Prosumer"))


@pytest.mark.parametrize("path", ["/profile", "/administration", "/administration/users/1"])
def test_who_is_not_logged_in_is_led_to_the_log_in_form_and_back(client: WorldClient, path: str) -> None:
    person = Person(client)
    person.go(path, 303)
    assert person.answer.headers["Location"] == f"/login?next={path}"
    form = person.form(person.go(person.answer.headers["Location"]), "/login")
    person.send(form, email="root@meter.example", password="root's password")
    assert person.answer.url.path == path


def test_another_password_keeps_this_session_and_ends_all_else(client: WorldClient, ann: Person) -> None:
    old_token, old_cookie = client.token("ann"), client.http.cookies["gridlore_session"]
    assert status(client, old_token) == 200
    assert "is changed" in change_password(ann)
    assert "ann@plug.example" in ann.go("/profile").text, "the session goes on"
    assert client.http.cookies["gridlore_session"] != old_cookie
    assert status(client, old_token) == 401
    assert ann.log_in("ann@plug.example", "ann's password") == 401
    assert ann.log_in("ann@plug.example", NEW) == 303
    client.http.cookies.clear()
    client.http.cookies["gridlore_session"] = old_cookie
    ann.go("/profile", 303)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"current": "guess"}, "current password is not right"),
        ({"current": ""}, "current password is not right"),
        ({"again": "a password of ann's owm"}, "not the same"),
        ({"password": "nine char", "again": "nine char"}, "10 to 1000 characters; this one has 9"),
        ({"password": "x" * 1001, "again": "x" * 1001}, "this one has 1001"),
    ],
    ids=["wrong", "none", "differ", "short", "long"],
)
def test_a_password_that_cannot_be_changed_so_stays(ann: Person, fields: dict[str, str], told: str) -> None:
    assert told in change_password(ann, 422, **fields)
    assert ann.log_in("ann@plug.example", "ann's password") == 303


def test_the_current_password_cannot_be_guessed_for_ever(ann: Person) -> None:
    for _ in range(5):
        change_password(ann, 422, current="guess")
    assert "Too many" in change_password(ann, 429)


def test_a_change_of_password_is_recorded_without_it(client: WorldClient, ann: Person) -> None:
    change_password(ann)
    store = connect_store(client.settings)
    (entry,) = store.read_audit(10, only=AuditFilter(comings=False))
    store.close()
    assert (entry.action, entry.title, entry.user_id) == ("change password", "user ann@plug.example", 1)
    assert NEW not in repr(entry)


def test_a_token_is_shown_once_with_its_end_and_works(client: WorldClient, ann: Person) -> None:
    page = ann.go("/profile")
    shown = ann.send(ann.form(page, "/profile/token#token"))
    (token,) = re.findall(r'aria-label="Your token">([^<]+)<', ann.answer.text)
    assert status(client, token) == 200
    assert f"-H 'Authorization: {token}'" in shown.text
    assert re.search(r"It ends 20\d\d-\d\d-\d\d \d\d:\d\d UTC", shown.text)
    assert ann.answer.headers["Cache-Control"] == "no-store"
    assert token not in ann.go("/profile").text


@pytest.mark.parametrize("path", ["/profile/token", "/profile/password"])
def test_no_other_site_can_send_these_forms(client: WorldClient, ann: Person, path: str) -> None:
    for form_token in ("", "guess"):
        assert client.http.post(path, data={"form_token": form_token}).status_code == 403
    (token,) = {form.fields["form_token"] for form in ann.go("/profile").forms}
    elsewhere = {"Origin": "https://evil.example"}
    assert client.http.post(path, data={"form_token": token}, headers=elsewhere).status_code == 403
