"""One's own profile: the password, the token, and who may change them."""

import os
import re
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from gridlore.bootstrap import connect_store
from gridlore.domain.audit import AuditFilter
from gridlore.store.interface import DirectoryTransaction
from gridlore.store.relational import RelationalStore
from tests.conftest import WorldClient
from tests.web.ui.browsing import Person

WORLD = Path(__file__).with_name("grid.toml")
NEW = "a password of ann's own"


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
    assert int(ann.answer.headers["Retry-After"]) > 0


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness of their own on Linux only")
def test_who_hashes_at_low_priority_holds_no_lock_of_the_database(
    ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_directory, niceness = RelationalStore.change_directory, []

    def change(store: RelationalStore) -> AbstractContextManager[DirectoryTransaction]:
        niceness.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return change_directory(store)

    monkeypatch.setattr(RelationalStore, "change_directory", change)
    change_password(ann)
    assert niceness == [os.getpriority(os.PRIO_PROCESS, 0)]


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


def make_key(person: Person, code: int = 200, **fields: str) -> str:
    """The text of a new key, or of the page that says why there is none."""
    form = person.form(person.go("/profile"), "/profile/keys#keys")
    text = person.send(form, code, **{"name": "gateway", **fields}).text
    found = re.findall(r'aria-label="Your key">([^<]+)<', person.answer.text)
    return found[0] if found else text


def test_a_key_is_shown_once_with_a_call_to_try_and_works(client: WorldClient, ann: Person) -> None:
    key = make_key(ann, access="post", sensors="Pole 2\r\n\r\nPole 10\r\n", days="365")
    assert f"-H 'Authorization: Bearer {key}'" in ann.answer.text
    assert ann.answer.headers["Cache-Control"] == "no-store"
    assert status(client, key) == 200
    page = ann.go("/profile")
    assert key not in page.text
    assert re.search(rf"gateway {key[:16]} reads and posts Pole 10, Pole 2 20\d\d-", page.text)


def test_a_key_reads_only_unless_it_is_asked_to_post(client: WorldClient, ann: Person) -> None:
    headers = {"Authorization": make_key(ann)}
    assert client.request(None, "POST", "/api/v1_1/postMeterData", headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"name": " "}, "A key needs a name of 1 to 100 characters"),
        ({"name": "x" * 101}, "A key needs a name of 1 to 100 characters"),
        ({"sensors": "Vault <b>7</b>"}, "neither an entity address nor a known name"),
        ({"sensors": "ea1.2021-01.localhost:4:3"}, "were not found in your account"),
        ({"sensors": "Pole 2\n" * 1001}, "at most 1000 sensors; got 1001"),
    ],
    ids=["nameless", "long", "of others", "address of others", "many"],
)
def test_a_key_that_cannot_be_made_is_explained(ann: Person, fields: dict[str, str], told: str) -> None:
    assert told in make_key(ann, 422, **fields)
    assert "/revoke" not in ann.answer.text


def test_one_revokes_ones_own_keys_and_no_others(client: WorldClient, ann: Person) -> None:
    key = make_key(ann)
    cleo = Person(client)
    assert cleo.log_in("cleo@meter.example", "cleo's password") == 303
    form = cleo.form(cleo.go("/profile"), "/profile/keys#keys")
    assert key[:16] not in cleo.answer.text
    form.action = f"/profile/keys/{key[:16]}/revoke"
    foreign = cleo.send(form, 404).text
    form.action = "/profile/keys/glk_000000000000/revoke"
    assert cleo.send(form, 404).text == foreign
    assert status(client, key) == 200
    assert ann.log_in("ann@plug.example", "ann's password") == 303
    page = ann.send(ann.form(ann.go("/profile"), f"/profile/keys/{key[:16]}/revoke"))
    assert "The key is revoked." in page.text
    assert status(client, key) == 401
    store = connect_store(client.settings)
    assert [entry.user_id for entry in store.read_audit(10, only=AuditFilter(comings=False))] == [1, 1]
    store.close()


def test_a_key_outlives_a_new_password_of_its_user(client: WorldClient, ann: Person) -> None:
    key = make_key(ann)
    assert "API keys go on" in change_password(ann)
    assert status(client, key) == 200


@pytest.mark.parametrize(
    "path", ["/profile/token", "/profile/password", "/profile/keys", "/profile/keys/glk_0/revoke"]
)
def test_no_other_site_can_send_these_forms(client: WorldClient, ann: Person, path: str) -> None:
    for form_token in ("", "guess"):
        assert client.http.post(path, data={"form_token": form_token}).status_code == 403
    (token,) = {form.fields["form_token"] for form in ann.go("/profile").forms}
    elsewhere = {"Origin": "https://evil.example"}
    assert client.http.post(path, data={"form_token": token}, headers=elsewhere).status_code == 403
