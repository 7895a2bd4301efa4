"""Administration: who may, what is asked and confirmed, what is recorded; and the invitation."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gridlore.bootstrap import connect_store, open_accounts
from gridlore.domain.audit import AuditEntry, AuditFilter
from gridlore.domain.sensors import Direction, Sensor, User
from gridlore.services.accounts import Accounts
from tests.conftest import Databases, WorldClient
from tests.web.ui.browsing import Form, Person

WORLD = Path(__file__).with_name("grid.toml")
USERS, SENSORS, ACCOUNTS = "/administration/users", "/administration/sensors", "/administration/accounts"


@pytest.fixture
def databases(sqlite_databases: Databases) -> Databases:
    """Pages are the same whatever the store."""
    return sqlite_databases


@pytest.fixture
def client(world_client: Callable[..., WorldClient]) -> WorldClient:
    return world_client(WORLD)


@pytest.fixture
def root(client: WorldClient) -> Person:
    person = Person(client)
    assert person.log_in("root@meter.example", "root's password") == 303
    return person


def recorded(client: WorldClient) -> list[AuditEntry]:
    store = connect_store(client.settings)
    try:
        return store.read_audit(100, only=AuditFilter(comings=False))
    finally:
        store.close()


def find_user(client: WorldClient, email: str) -> User:
    store = connect_store(client.settings)
    try:
        return next(user for user in store.read_directory().users if user.email == email)
    finally:
        store.close()


def find_sensor(client: WorldClient, name: str) -> Sensor:
    store = connect_store(client.settings)
    try:
        return next(sensor for sensor in store.read_directory().sensors if sensor.name == name)
    finally:
        store.close()


def post_value(client: WorldClient, connection: str) -> None:
    answer = client.post(
        "ann",
        "postMeterData",
        connection=connection,
        value=1.0,
        start="2024-01-01T00:00:00Z",
        duration="PT15M",
        unit="MW",
    )
    assert answer.status_code == 200, answer.text


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
    assert client.request(None, "GET", "/api/v1_1/getConnection", headers=token).status_code == 200
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


NEW_SENSORS = {
    "connection": {"name": "Pole 3", "owner": "Ann@plug.example", "resolution": "PT5M", "direction": "both"},
    "market": {"name": "epex_id", "unit": "EUR/MWh", "resolution": "PT15M", "timezone": "Europe/Oslo"},
    "weather": {
        "quantity": "wind speed",
        "latitude": "52.370",
        "longitude": "-4.9",
        "unit": "m/s",
        "resolution": "PT1H",
    },
}


@pytest.mark.parametrize("kind", NEW_SENSORS)
def test_a_sensor_of_each_kind_can_be_made_once(client: WorldClient, root: Person, kind: str) -> None:
    page = root.change(f"{SENSORS}/new?kind={kind}", **NEW_SENSORS[kind])
    assert f"created {kind}" in page.text
    name = NEW_SENSORS[kind].get("name", "wind speed at 52.37, -4.9")
    sensor = find_sensor(client, name)
    assert sensor.kind == kind
    assert client.request("ann", "GET", "/api/gridlore/v1/sensors").json()["sensors"][-1]["name"] == name
    form = root.form(root.go(f"{SENSORS}/new?kind={kind}"), f"{SENSORS}/new")
    assert "already" in root.send(form, 422, **NEW_SENSORS[kind]).text


@pytest.mark.parametrize(
    ("kind", "changed", "told"),
    [
        ("connection", {"owner": "zoe@plug.example"}, "There is no user with the e-mail zoe@plug.example"),
        ("connection", {"owner": ""}, "Owner is missing"),
        ("connection", {"unit": "kW"}, 'Unit is "MW" for a connection'),
        ("connection", {"resolution": "PT7M"}, "divides a day"),
        ("connection", {"timezone": "Europe/Amstrdam"}, "Did you mean Europe/Amsterdam?"),
        ("connection", {"name": "ea1.2021-01.localhost:1:2"}, "must not look like an entity address"),
        ("connection", {"direction": "sideways"}, "Direction is one of"),
        ("market", {"name": "epex:da"}, "must be without"),
        ("market", {"unit": "EUR"}, "a currency per MWh or kWh"),
        ("weather", {"latitude": "91"}, "from -90 to 90"),
        ("weather", {"longitude": "4,9"}, "from -180 to 180"),
        ("weather", {"longitude": "nan"}, "from -180 to 180"),
        ("weather", {"unit": "km/h"}, 'Unit is "m/s" for wind speed'),
    ],
)
def test_sensors_follow_the_rules_of_world_files(
    client: WorldClient, root: Person, kind: str, changed: dict[str, str], told: str
) -> None:
    form = root.form(root.go(f"{SENSORS}/new?kind={kind}"), f"{SENSORS}/new")
    page = root.send(form, 422, **{**NEW_SENSORS[kind], **changed})
    assert told in page.text
    assert 'aria-invalid="true"' in root.answer.text, "the field is marked"
    field, value = next(iter(changed.items()))
    if field != "direction":
        assert root.form(page, f"{SENSORS}/new").fields[field] == value, "what was entered is kept"
    assert recorded(client) == []


def test_renaming_a_sensor_keeps_it_and_its_data(client: WorldClient, root: Person) -> None:
    post_value(client, "Pole 10")
    before = find_sensor(client, "Pole 10")
    page = root.change(
        f"{SENSORS}/{before.id}", name="Pole 1", direction="consumer", owner="cleo@meter.example"
    )
    assert "name: Pole 10 → Pole 1" in root.go("/administration/changes").text
    assert "changed connection Pole 1" in page.text
    after = find_sensor(client, "Pole 1")
    assert (after.id, after.direction) == (before.id, Direction.CONSUMER)
    assert after.owner_id == find_user(client, "cleo@meter.example").id
    listed = client.request("cleo", "GET", "/api/gridlore/v1/sensors").json()["sensors"]
    assert next(sensor["latest"]["value"] for sensor in listed if sensor["name"] == "Pole 1") == 1.0


def test_a_new_address_or_owner_is_warned_of(root: Person) -> None:
    path = f"{SENSORS}/1"
    told = root.send(root.form(root.go(path), path), owner="cleo@meter.example").text
    assert "old address" in told
    assert "account of the new owner" in told


@pytest.mark.parametrize(
    ("sensor_id", "changed", "told"),
    [
        (1, {"resolution": "PT5M"}, "cannot change, because it has data"),
        (1, {"unit": "kW"}, 'Unit is "MW"'),
        (1, {"kind": "market", "name": "x", "unit": "EUR/MWh"}, "stays one"),
        (1, {"name": "Pole 2"}, "has a connection with the name"),
        (1, {"name": "Pole 2", "owner": "otto@look.example"}, ""),
    ],
)
def test_what_data_hangs_on_cannot_be_changed(
    client: WorldClient, root: Person, sensor_id: int, changed: dict[str, str], told: str
) -> None:
    post_value(client, "Pole 10")
    path = f"{SENSORS}/{sensor_id}"
    page = root.go(path)
    assert "This sensor has data" in page.text
    assert told in root.send(root.form(page, path), 422 if told else 200, **changed).text


def test_the_grid_of_a_sensor_with_data_stays_where_it_is(client: WorldClient, root: Person) -> None:
    root.change(f"{SENSORS}/1", resolution="PT1H")
    post_value_hourly = client.post(
        "ann",
        "postMeterData",
        connection="Pole 10",
        value=1.0,
        start="2024-01-01T00:00:00Z",
        duration="PT1H",
        unit="MW",
    )
    assert post_value_hourly.status_code == 200
    path = f"{SENSORS}/1"
    told = root.send(root.form(root.go(path), path), 422, timezone="Asia/Kolkata").text
    assert "events begin at other times" in told
    assert "changed connection" in root.change(path, timezone="Europe/Amsterdam").text


def test_the_place_of_a_weather_sensor_can_be_mended_until_it_has_data(
    client: WorldClient, root: Person
) -> None:
    path = f"{SENSORS}/5"
    root.change(path, latitude="52.4")
    assert find_sensor(client, "Roof").latitude == 52.4
    answer = client.post(
        "ann",
        "postWeatherData",
        sensor="Roof",
        value=1.0,
        start="2024-01-01T00:00:00Z",
        duration="PT15M",
        unit="°C",
    )
    assert answer.status_code == 200, answer.text
    told = root.send(root.form(root.go(path), path), 422, latitude="52.5").text
    assert "cannot change, because the sensor has data" in told


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
