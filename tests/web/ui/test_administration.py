"""Administration: who may, what is asked and confirmed, and what is recorded."""

import time

import pytest

from gridlore.bootstrap import connect_store
from gridlore.domain.audit import AuditEntry
from gridlore.domain.sensors import Direction
from tests.conftest import WorldClient
from tests.web.ui.administering import ACCOUNTS, SENSORS, USERS, find_sensor, find_user, recorded
from tests.web.ui.browsing import Person


@pytest.mark.parametrize(
    "path",
    [
        "/administration",
        "/administration/changes",
        *(
            f"/administration/{section}{rest}"
            for section in ("users", "sensors")
            for rest in ("", "/new", "/1")
        ),
    ],
)
def test_for_who_is_no_admin_administration_does_not_exist(client: WorldClient, path: str) -> None:
    person = Person(client)
    person.log_in("ann@plug.example", "ann's password")
    told = person.go(path, 404).text
    person.go("/no/such/page", 404)
    assert "There is no such page" in told
    (token,) = {form.fields["form_token"] for form in person.go("/").forms if form.method == "post"}
    for method_path in (path, "/administration/invitations/2", "/administration/passwords/2"):
        answer = client.http.post(method_path, data={"form_token": token})
        assert answer.status_code in (404, 405)


@pytest.mark.parametrize("path", ["/administration/nothing", f"{USERS}/99", f"{USERS}/x", f"{SENSORS}/0"])
def test_what_is_not_there_is_not_found(root: Person, path: str) -> None:
    root.go(path, 404)


def test_lists_show_everything_and_find_parts_of_it(root: Person) -> None:
    assert all(name in root.go(ACCOUNTS).text for name in ("Plug & Go", "Clear Metering", "Onlookers"))
    assert all(name in root.go(USERS).text for name in ("ann@plug.example", "otto@look.example"))
    texts = root.go(f"{SENSORS}?q=pole").texts
    assert [text for text in texts if text.startswith(("Pole", "Roof"))] == ["Pole 2", "Pole 10"]
    assert "Nothing matches" in root.go(f"{USERS}?q=nobody").text


def test_nothing_is_changed_before_it_is_confirmed(client: WorldClient, root: Person) -> None:
    form = root.form(root.go(f"{ACCOUNTS}/new"), f"{ACCOUNTS}/new")
    confirmation = root.send(form, name="  New Co ", role_DSO="on", role_ESCo="on")
    assert "Create account New Co?" in confirmation.text
    assert "DSO, ESCo" in confirmation.text
    assert recorded(client) == []
    page = root.send(root.form(confirmation, f"{ACCOUNTS}/new"))
    assert "Done: root@meter.example created account New Co" in page.text
    (entry,) = recorded(client)
    assert (entry.action, entry.before, entry.after) == (
        "create",
        None,
        {"name": "New Co", "roles": "DSO, ESCo"},
    )
    assert abs(entry.recorded_at / 1e6 - time.time()) < 60


def test_what_fills_a_page_is_told_in_a_line_and_kept_whole(client: WorldClient, root: Person) -> None:
    created = ", ".join(f"connection Meter {number}" for number in range(500))
    entry = AuditEntry(1, None, "apply", "world", None, "world file w.toml", None, {"created": created})
    store = connect_store(client.settings)
    store.record([entry])
    store.close()
    page = root.go("/administration/changes").text
    assert "connection Meter 1, " in page
    assert "… and more" in page
    assert "connection Meter 499" not in page
    assert recorded(client)[0].after == {"created": created}


def test_one_can_go_back_from_the_confirmation_with_what_was_entered(root: Person) -> None:
    form = root.form(root.go(f"{ACCOUNTS}/new"), f"{ACCOUNTS}/new")
    confirmation = root.form(root.send(form, name="New Co", role_DSO="on"), f"{ACCOUNTS}/new")
    back = root.form(root.send(confirmation, seal=None, back="1"), f"{ACCOUNTS}/new")
    assert (back.fields["name"], back.fields.get("role_DSO"), back.fields.get("role_ESCo")) == (
        "New Co",
        "on",
        None,
    )


def test_a_changed_account_keeps_its_id_and_its_users(client: WorldClient, root: Person) -> None:
    account_id = find_user(client, "ann@plug.example").account_id
    page = root.change(f"{ACCOUNTS}/{account_id}", name="Plug & Stay", role_Prosumer=None, role_ESCo="on")
    assert "changed account Plug & Stay" in page.text
    (entry,) = recorded(client)
    assert entry.before == {"name": "Plug & Go", "roles": "Prosumer"}
    assert entry.after == {"name": "Plug & Stay", "roles": "ESCo"}
    assert find_user(client, "ann@plug.example").account_id == account_id
    assert "Plug & Go" in root.go("/administration/changes").text


def test_leaving_all_as_it_was_changes_nothing(client: WorldClient, root: Person) -> None:
    for path in (f"{ACCOUNTS}/1", f"{USERS}/1", f"{SENSORS}/1", f"{SENSORS}/4", f"{SENSORS}/5"):
        assert "Nothing was changed" in root.send(root.form(root.go(path), path), 422).text
    assert recorded(client) == []


def test_a_change_that_another_made_meanwhile_is_shown_again(client: WorldClient, root: Person) -> None:
    path = f"{SENSORS}/1"
    confirmation = root.send(root.form(root.go(path), path), direction="consumer")
    root.change(path, name="Pole 11")
    again = root.send(root.form(confirmation, path))
    assert "in the meantime" in again.text
    assert find_sensor(client, "Pole 11").direction is Direction.BOTH
    root.send(root.form(again, path))
    assert find_sensor(client, "Pole 10").direction is Direction.CONSUMER, "as the second look showed"


def test_the_record_is_shown_a_page_at_a_time(client: WorldClient, root: Person) -> None:
    for number in range(51):
        root.change(f"{SENSORS}/1", name=f"Pole {1000 + number}")
    page = root.go("/administration/changes")
    assert "Pole 1050" in page.text
    assert "Pole 10 → Pole 1000" not in page.text
    (earlier,) = {link for link in page.links if "before=" in link}
    assert "Pole 10 → Pole 1000" in root.go(earlier).text
    assert len(recorded(client)) == 51


@pytest.mark.parametrize(
    "path",
    [
        f"{USERS}/new",
        f"{USERS}/1",
        f"{SENSORS}/1",
        "/administration/invitations/1",
        "/administration/passwords/1",
    ],
)
def test_no_other_site_can_send_these_forms(client: WorldClient, root: Person, path: str) -> None:
    (token,) = {form.fields["form_token"] for form in root.go("/administration").forms}
    assert client.http.post(path, data={"form_token": "guess"}).status_code == 403
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert client.http.post(path, data={"form_token": token}, headers=headers).status_code == 403
    assert recorded(client) == []


@pytest.mark.parametrize(
    "number", [str(2**63 - 2), str(2**63 - 1), str(2**63), "9" * 19, "9" * 400, "-1", "x", "²"]
)
def test_numbers_of_changes_that_cannot_be_are_no_bug_of_ours(root: Person, number: str) -> None:
    root.go(f"/administration/changes?before={number}")
    root.go(f"{USERS}/1?done={number}")
