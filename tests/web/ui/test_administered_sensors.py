"""Administration of sensors: made, renamed, and what cannot change once they have data."""

import pytest

from gridlore.domain.sensors import Direction
from tests.conftest import WorldClient
from tests.web.ui.administering import SENSORS, find_sensor, find_user, post_value, recorded
from tests.web.ui.browsing import Person

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
