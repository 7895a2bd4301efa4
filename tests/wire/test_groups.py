"""Who is meant and which values are theirs: singular and plural, flat and in groups."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gridlore.domain import errors
from gridlore.wire.endpoints import GET_METER_DATA, POST_METER_DATA, POST_PRICE_DATA, POST_WEATHER_DATA
from gridlore.wire.fields import find_groups
from gridlore.wire.messages import read_get, read_post

from .examples import UNITS, post_of

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "vectors" / "groups.json").read_text(encoding="utf-8")
)
RIGHT = [vector for vector in VECTORS if "groups" in vector]
WRONG = [vector for vector in VECTORS if "error" in vector]


def sentence(vector: dict[str, Any]) -> str:
    return str(vector["sentence"])


def body_of(vector: dict[str, Any]) -> bytes:
    without = {"connection", "values"} - vector["message"].keys()
    return post_of(POST_METER_DATA, without, **vector["message"])


@pytest.mark.parametrize("vector", RIGHT, ids=sentence)
def test_groups_are_read(vector: dict[str, Any]) -> None:
    command = read_post(POST_METER_DATA, body_of(vector), UNITS)
    read = [[list(group.addresses), group.values.tolist()] for group in command.groups]
    assert read == vector["groups"]


@pytest.mark.parametrize("vector", WRONG, ids=sentence)
def test_groups_are_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(getattr(errors, vector["error"])) as caught:
        read_post(POST_METER_DATA, body_of(vector), UNITS)
    for words in vector["words"]:
        assert words in caught.value.message


@pytest.mark.parametrize("endpoint", [POST_PRICE_DATA, POST_WEATHER_DATA])
def test_markets_and_weather_sensors_are_grouped_alike(endpoint: Any) -> None:
    noun = endpoint.noun
    groups = [{f"{noun}s": ["A", "B"], "values": [1, 2]}, {noun: "C", "value": 3}]
    command = read_post(endpoint, post_of(endpoint, {noun, "values"}, groups=groups), UNITS)
    assert [group.addresses for group in command.groups] == [("A", "B"), ("C",)]
    with pytest.raises(errors.ConnectionGroupError, match=noun):
        read_post(endpoint, post_of(endpoint, {noun}), UNITS)


def test_values_stay_as_sent_to_the_last_bit() -> None:
    body = (
        post_of(POST_METER_DATA, {"values"})[:-1]
        + b', "values": [0.1, 5e-324, 1.7976931348623157e308, -0.0]}'
    )
    values = read_post(POST_METER_DATA, body, UNITS).groups[0].values
    assert [value.hex() for value in values.tolist()] == [
        (0.1).hex(),
        (5e-324).hex(),
        (1.7976931348623157e308).hex(),
        (-0.0).hex(),
    ]


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 309, "-1" + "0" * 5000])
def test_a_number_beyond_floats_is_refused_with_its_position(number: str) -> None:
    body = post_of(POST_METER_DATA, {"values"})[:-1] + f', "values": [1, {number}]}}'.encode()
    with pytest.raises(errors.ValuesError, match="value 2 of group 1"):
        read_post(POST_METER_DATA, body, UNITS)


def test_a_huge_integer_within_floats_is_a_value() -> None:
    body = post_of(POST_METER_DATA, {"values"})[:-1] + b', "values": [1' + b"0" * 308 + b"]}"
    assert read_post(POST_METER_DATA, body, UNITS).groups[0].values.tolist() == [1e308]


def test_sensors_named_once_for_all_groups_are_read_once() -> None:
    many = [f"{number}" for number in range(5_000)]
    groups = find_groups(
        {"connections": many, "groups": [{} for _ in range(5_000)]}, "connection", valued=False
    )
    assert len({id(addresses) for addresses, _ in groups}) == 1
    message = {"type": "GetMeterDataRequest", "unit": "MW", "connections": many, "groups": [{}] * 5_000}
    period = {"start": "2020-01-01T00:00:00Z", "duration": "PT1H"}
    with pytest.raises(errors.ConnectionGroupError, match="at most 4000000 connections; got 25000000"):
        read_get(GET_METER_DATA, [], json.dumps({**message, **period}).encode())
