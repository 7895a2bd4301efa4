"""Entity addresses: what we write we can read, and what is none is refused."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gridlore.domain.addresses import (
    NamingAuthority,
    Place,
    connection_id,
    great_circle,
    local_part,
    numbered_id,
    parse_place,
)
from gridlore.domain.errors import AddressError
from gridlore.domain.sensors import Sensor, SensorKind
from gridlore.domain.timing import HOUR

LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
MONTHS = st.builds("{:04d}-{:02d}".format, st.integers(1990, 2100), st.integers(1, 12))
AUTHORITIES = st.builds(NamingAuthority, HOSTS, MONTHS)
IDS = st.integers(1, 2**63 - 1)
NAMES = st.text(min_size=1, max_size=30)
QUANTITIES = st.text(st.characters(exclude_characters=":_"), min_size=1, max_size=20)
LATITUDES = st.floats(-90, 90)
LONGITUDES = st.floats(-180, 180)


def connection(sensor_id: int, owner_id: int) -> Sensor:
    return Sensor(sensor_id, SensorKind.CONNECTION, "Dock 4", "MW", HOUR, owner_id=owner_id)


def weather(place: Place) -> Sensor:
    return Sensor(
        5,
        SensorKind.WEATHER,
        "roof",
        "°C",
        HOUR,
        quantity=place.quantity,
        latitude=place.latitude,
        longitude=place.longitude,
    )


def local_part_of(address: str) -> str:
    local = local_part(address)
    assert local is not None, address
    return local


@given(AUTHORITIES, IDS, IDS)
def test_the_address_of_a_connection_leads_back_to_its_id(authority, sensor_id, owner_id):
    local = local_part_of(authority.address(connection(sensor_id, owner_id)))
    assert local == f"{owner_id}:{sensor_id}"
    assert connection_id(local) == sensor_id


@given(AUTHORITIES, NAMES)
def test_the_address_of_a_market_leads_back_to_its_name(authority, name):
    assert local_part_of(authority.address(Sensor(2, SensorKind.MARKET, name, "EUR/MWh", HOUR))) == name


@given(AUTHORITIES, QUANTITIES, LATITUDES, LONGITUDES)
def test_the_address_of_a_weather_sensor_leads_back_to_its_place(authority, quantity, latitude, longitude):
    assume(not quantity.startswith("fm0."))
    place = Place(quantity, latitude, longitude)
    assert parse_place(local_part_of(authority.address(weather(place)))) == place


@given(AUTHORITIES)
def test_the_host_stands_reversed_after_its_month(authority):
    labels = authority.host.split(".")
    assert authority.prefix.split(".")[:2] == ["ea1", authority.month]
    assert authority.prefix.split(".")[2:][::-1] == labels


@given(IDS, IDS)
def test_all_four_forms_name_the_same_connection(sensor_id, owner_id):
    forms = [f"{owner_id}:{sensor_id}", f"fm0.{owner_id}:{sensor_id}", f"{sensor_id}", f"fm1.{sensor_id}"]
    assert [connection_id(form) for form in forms] == [sensor_id] * 4
    assert [numbered_id(form) for form in forms] == [None, None, None, sensor_id]


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_none_and_never_an_accident(text):
    local_part(text)
    connection_id(text)
    numbered_id(text)
    try:
        parse_place(text)
    except AddressError as error:
        assert "tude" in error.message


@pytest.mark.parametrize(
    "text",
    [
        "ea1",
        "ea1.2022-04",
        "ea1.2022-04.org.example",
        "ea1.2022-04.org.example:",
        "ea1.2022-00.org.example:3:4",
        "ea1.2022-13.org.example:3:4",
        "ea1.22-04.org.example:3:4",
        "ea1.org.example:3:4",
        "ea1.2022-04.:3:4",
        "ea1.2022-04..example:3:4",
        "ea1.2022-04.org/example:3:4",
        "ea2.2022-04.org.example:3:4",
        " ea1.2022-04.org.example:3:4",
        "ea1.２022-04.org.example:3:4",
        "Dock 4",
        "",
        f"ea1.2022-04.{'a' * 254}:3:4",
    ],
)
def test_what_does_not_follow_the_scheme_is_no_address(text):
    assert local_part(text) is None


@pytest.mark.parametrize(
    "local",
    [
        "3:4:",
        ":4",
        "3:",
        "3:x",
        "3:-4",
        "x:4",
        "3:4:5",
        "fm2.4",
        "fm1.3:4",
        "fm1.",
        "４",
        "3:４",
        "3: 4",
        "4\n",
        "+4",
        "4.0",
        "1" * 31,
    ],
)
def test_what_holds_no_sensor_id_names_no_connection(local):
    assert connection_id(local) is None


@pytest.mark.parametrize(
    "local", ["temperature", "temperature:52", "temperature:52:5:1", ":52:5", "temperature::5"]
)
def test_what_holds_no_two_numbers_is_no_place(local):
    assert parse_place(local) is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("temperature:90.1:5", "latitude is a number between -90 and 90; got '90.1'"),
        ("temperature:-91:5", "latitude"),
        ("temperature:52:180.5", "longitude is a number between -180 and 180; got '180.5'"),
        ("temperature:north:5", "latitude"),
        ("temperature:nan:5", "latitude"),
        ("temperature:52:inf", "longitude"),
        ("temperature:1e400:5", "latitude"),
        ("temperature:５2:5", "latitude"),
        ("temperature: 52:5", "latitude"),
        ("temperature:5_2:5", "latitude"),
    ],
)
def test_degrees_out_of_range_or_unreadable_are_refused_by_name(text, complaint):
    with pytest.raises(AddressError, match=re.escape(complaint)):
        parse_place(text)


def test_places_are_compared_as_numbers():
    assert parse_place("temperature:52.500:+5.0") == parse_place("temperature:52.5:5")
    assert parse_place("temperature:-0:-0.0") == parse_place("temperature:0:0")


@given(LATITUDES, LONGITUDES, LATITUDES, LONGITUDES)
def test_distance_follows_the_law_of_cosines_on_the_sphere(lat_a, lon_a, lat_b, lon_b):
    a, b = Place("", lat_a, lon_a), Place("", lat_b, lon_b)
    phi_a, phi_b, turn = math.radians(lat_a), math.radians(lat_b), math.radians(lon_b - lon_a)
    cosine = math.sin(phi_a) * math.sin(phi_b) + math.cos(phi_a) * math.cos(phi_b) * math.cos(turn)
    assert great_circle(a, b) == pytest.approx(6371.0 * math.acos(max(-1.0, min(1.0, cosine))), abs=0.5)
    assert great_circle(a, b) == pytest.approx(great_circle(b, a))


def test_the_nearest_place_may_lie_across_the_date_line():
    here, across, far = Place("", 0, 179), Place("", 0, -179), Place("", 0, 170)
    assert great_circle(here, across) < great_circle(here, far)
