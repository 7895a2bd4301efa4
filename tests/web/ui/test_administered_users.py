"""Administration of users: invitations, passwords, who is kept out, and what is refused."""

import re
import time

import pytest
from structlog.testing import capture_logs

from gridlore.bootstrap import connect_store, open_accounts
from gridlore.services.accounts import Accounts
from tests.conftest import WorldClient
from tests.web.ui.administering import USERS, find_user, recorded
from tests.web.ui.browsing import Form, Person


def invite(root: Person, email: str = "new@plug.example", **fields: str) -> str:
    """Create a user; the path of the invitation."""
    usual = {"email": email, "account": "Plug & Go"}
    page = root.change(f"{USERS}/new", **{**usual, **fields})
    (link,) = re.findall(r"http://testserver\.local(/invitation/\S+)", page.text)
    return str(link)


def test_an_invited_user_sets_a_password_once_and_logs_in(client: WorldClient, root: Person) -> None:
    link = invite(root, "New@Plug.example")
    guest = Person(client)
    assert guest.log_in("new@plug.example", "a long password") == 401
    form = guest.form(guest.go(link), link)
    assert "new@plug.example" in guest.go(link).text
    for password, again, told in (
        ("a long password", "another one", "not the same"),
        ("short", "short", "10 to"),
    ):
        assert told in guest.send(form, 422, password=password, again=again).text
    page = guest.send(form, password="a long password", again="a long password")
    assert guest.answer.url.path == "/login"
    assert "Your password is set" in page.text
    guest.send(guest.form(page, "/login"), email="new@plug.example", password="a long password")
    assert "Pole 2" in guest.go("/").text
    guest.go(link, 410)
    guest.send(form, 403, password="another password", again="another password")
    client.http.cookies.clear()
    guest.send(form, 410, password="another password", again="another password")
    assert guest.log_in("new@plug.example", "a long password") == 303
    assert [(entry.action, entry.title) for entry in recorded(client)] == [
        ("accept invitation", "user new@plug.example"),
        ("invite", "user new@plug.example"),
        ("create", "user new@plug.example"),
    ]


def test_an_invitation_is_not_logged_even_when_we_make_a_mistake(
    client: WorldClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(Accounts, "user_of_invitation", fail)
    client.http._transport.raise_server_exceptions = False  # type: ignore[attr-defined]
    with capture_logs() as logged:
        assert client.http.get("/invitation/the-secret").status_code == 500
    [entry] = [entry for entry in logged if entry["event"] == "request failed"]
    assert entry["route"] == "/invitation/{token}"
    assert "the-secret" not in str(logged)


def test_invitations_end_after_a_week_and_are_no_tokens(client: WorldClient, root: Person) -> None:
    link = invite(root)
    accounts = open_accounts(client.settings)
    user = find_user(client, "new@plug.example")
    week = 7 * 24 * 3600
    young = accounts.issue_invitation(user, time.time() - week + 60)
    old = accounts.issue_invitation(user, time.time() - week - 60)
    guest = Person(client)
    client.http.cookies.clear()
    guest.go(f"/invitation/{young}")
    for forged in (old, accounts.issue_token(user, time.time()), young[:-1], "x", "x" * 2000):
        guest.go(f"/invitation/{forged}", 410)
    headers = {"Authorization": link.rpartition("/")[2]}
    assert client.request(None, "GET", "/api/v1_1/getConnection", headers=headers).status_code == 401


def test_a_new_link_lets_a_user_set_another_password(client: WorldClient, root: Person) -> None:
    user_id = find_user(client, "ann@plug.example").id
    page = root.send(root.form(root.go(f"{USERS}/{user_id}"), f"/administration/invitations/{user_id}"))
    (link,) = re.findall(r"http://testserver\.local(/invitation/\S+)", page.text)
    guest = Person(client)
    client.http.cookies.clear()
    guest.send(guest.form(guest.go(link), link), password="ann's second one", again="ann's second one")
    assert guest.log_in("ann@plug.example", "ann's password") == 401
    assert guest.log_in("ann@plug.example", "ann's second one") == 303


def test_an_admin_sets_a_password_by_typing_it_twice(client: WorldClient, root: Person) -> None:
    ann, path = find_user(client, "ann@plug.example"), "/administration/passwords"
    form = root.form(root.go(f"{USERS}/{ann.id}"), f"{path}/{ann.id}")
    for password, again, told in (
        ("a long password", "another", "not the same"),
        ("short", "short", "10 to"),
    ):
        assert told in root.send(form, 422, password=password, again=again).text
    own = find_user(client, "root@meter.example")
    assert f"{path}/{own.id}" not in {each.action for each in root.go(f"{USERS}/{own.id}").forms}
    mine = Form(f"{path}/{own.id}", "post", form.fields)
    assert "on your profile" in root.send(mine, 422, password="a long password", again="a long password").text
    assert recorded(client) == []
    page = root.send(form, password="a long password", again="a long password")
    assert "Done: root@meter.example set a password for user ann@plug.example." in page.text
    assert "a long password" not in str(recorded(client))
    assert [(entry.action, entry.user_id) for entry in recorded(client)] == [("set password", own.id)]
    assert Person(client).log_in("ann@plug.example", "ann's password") == 401
    assert Person(client).log_in("ann@plug.example", "a long password") == 303


def test_a_deactivated_user_is_out_at_once_until_activated(client: WorldClient, root: Person) -> None:
    ann = find_user(client, "ann@plug.example")
    token = {"Authorization": client.token("ann")}
    assert client.request(None, "GET", "/api/v1_1/getConnection", headers=token).status_code == 200
    page = root.change(f"{USERS}/{ann.id}", active=None)
    assert not [form for form in page.forms if "invitations" in form.action], "no link while it is so"
    assert client.request(None, "GET", "/api/v1_1/getConnection", headers=token).status_code == 401
    root.change(f"{USERS}/{ann.id}", active="on")
    assert client.request(None, "GET", "/api/v1_1/getConnection", headers=token).status_code == 401, (
        "for good"
    )
    client.tokens.clear()
    assert client.request("ann", "GET", "/api/v1_1/getConnection").status_code == 200
    states = [(entry.before or {}, entry.after or {}) for entry in recorded(client)]
    assert [(before["state"], after["state"]) for before, after in states] == [
        ("deactivated", "active"),
        ("active", "deactivated"),
    ]


def test_a_user_can_be_made_an_admin_and_its_source_follows_its_name(
    client: WorldClient, root: Person
) -> None:
    ann = find_user(client, "ann@plug.example")
    root.change(f"{USERS}/{ann.id}", admin="on", name="Ann of Plug")
    changed = find_user(client, "ann@plug.example")
    assert changed.is_admin
    assert (changed.password_hash, changed.token_key) == (ann.password_hash, ann.token_key)
    store = connect_store(client.settings)
    names = [source.name for source in store.read_directory().sources if source.user_id == ann.id]
    store.close()
    assert names == ["Ann of Plug"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [({"active": None}, "cannot deactivate yourself"), ({"admin": None}, "cannot end your own")],
)
def test_admins_cannot_lock_themselves_out(root: Person, changed: dict[str, None], told: str) -> None:
    assert told in root.send(root.form(root.go(f"{USERS}/2"), f"{USERS}/2"), 422, **changed).text


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"email": "ann@plug.example"}, "There is a user with the e-mail ann@plug.example already"),
        ({"email": "no e-mail"}, 'Email is an e-mail address like "ann@example.com"'),
        ({"email": ""}, "Email is missing"),
        ({"account": ""}, "Account is missing"),
        ({"account": "Nobody's"}, "There is no account with the name"),
        ({"name": "x" * 201}, "at most 200 characters"),
    ],
)
def test_users_follow_the_rules_of_world_files(
    client: WorldClient, root: Person, changed: dict[str, str], told: str
) -> None:
    form = root.form(root.go(f"{USERS}/new"), f"{USERS}/new")
    fields = {"email": "new@plug.example", "account": "Plug & Go", **changed}
    assert told in root.send(form, 422, **fields).text
    assert recorded(client) == []


def test_who_has_only_a_session_gets_no_password_by_inviting_themselves(
    client: WorldClient, root: Person
) -> None:
    user = find_user(client, "root@meter.example")
    page = root.go(f"{USERS}/{user.id}")
    forms = [form for form in page.forms if form.action == f"/administration/invitations/{user.id}"]
    assert forms == []
    (token,) = {form.fields["form_token"] for form in page.forms if form.method == "post"}
    answer = client.http.post(f"/administration/invitations/{user.id}", data={"form_token": token})
    assert answer.status_code == 422
    assert "changed on your profile" in answer.text
    assert find_user(client, "root@meter.example").token_key == user.token_key
