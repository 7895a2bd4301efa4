"""The API document is valid, complete, true to the code, and its examples are what it says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from urllib.parse import urlencode

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from gridlore.domain import errors
from gridlore.domain.commands import Receipt
from gridlore.domain.errors import GridloreError, TooManyRequestsError
from gridlore.domain.sensors import ROLES
from gridlore.domain.units import WEATHER_UNITS
from gridlore.web import routes
from gridlore.wire.credentials import read_credentials
from gridlore.wire.endpoints import ENDPOINTS, Endpoint
from gridlore.wire.messages import read_beliefs, read_data, read_get, read_post
from gridlore.wire.openapi import openapi_document
from gridlore.wire.openapi.status_words import errors_of
from gridlore.wire.responses import STATUS, acknowledge, encode, list_services, reject

BEYOND = {
    ("/api/", "get"),
    (routes.TOKEN_PATH, "post"),
    (routes.SENSORS_PATH, "get"),
    (routes.DATA_PATH, "get"),
    (routes.BELIEFS_PATH, "get"),
    (routes.LIVE_PATH, "get"),
    (routes.READY_PATH, "get"),
}
POSTS = [endpoint for endpoint in ENDPOINTS if endpoint.method == "POST"]
READS = [endpoint for endpoint in ENDPOINTS if endpoint.method == "GET" and endpoint.kind is not None]


def name_of(thing: object) -> str:
    return getattr(thing, "name", None) or str(thing)


@cache
def document() -> Any:
    """The document as clients get it."""
    return json.loads(json.dumps(openapi_document("1.2.3")))


def validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({**schema, "components": document()["components"]})


def message_validator(name: str) -> jsonschema_rs.Draft202012Validator:
    return validator({"$ref": f"#/components/schemas/{name}"})


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document()["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def contents() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every body of a request or answer that the document describes, and where."""
    for path, method, operation in operations():
        for media_type, content in operation.get("requestBody", {"content": {}})["content"].items():
            yield f"{method} {path} {media_type}", content
        for code, response in operation["responses"].items():
            for media_type, content in response["content"].items():
                yield f"{method} {path} {code} {media_type}", content


def operation_at(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = document()["paths"][endpoint.path][endpoint.method.lower()]
    return operation


def answer_validator(endpoint: Endpoint, code: int) -> jsonschema_rs.Draft202012Validator:
    response = operation_at(endpoint)["responses"][str(code)]
    return validator(response["content"]["application/json"]["schema"])


def words_at(operation: dict[str, Any]) -> set[tuple[str, int]]:
    """Status words with their codes, as the schemas of an operation's rejections list them."""
    found = set()
    for code, response in operation["responses"].items():
        properties = response["content"]["application/json"]["schema"].get("properties", {})
        found |= {(word, int(code)) for word in properties.get("status", {}).get("enum", ())}
    return found


def test_the_document_keeps_the_rules_of_openapi_3_1() -> None:
    assert document()["openapi"].startswith("3.1.")
    assert [error.message for error in OPENAPI_31_VALIDATOR.iter_errors(document())] == []


def test_the_document_states_version_and_server() -> None:
    made = openapi_document("1.2.3", "https://grid.example.com")
    assert made["info"]["version"] == "1.2.3"
    assert made["servers"] == [{"url": "https://grid.example.com"}]


def test_every_endpoint_is_described_and_no_other() -> None:
    described = {(path, method) for path, method, _ in operations()}
    assert described == BEYOND | {(endpoint.path, endpoint.method.lower()) for endpoint in ENDPOINTS}


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", sorted(document()["components"]["schemas"]))
def test_every_schema_can_be_used(name: str) -> None:
    check = message_validator(name)
    examples = document()["components"]["schemas"][name].get("examples", [])
    assert [error.message for example in examples for error in check.iter_errors(example)] == []


def test_every_schema_is_used() -> None:
    text = json.dumps(document())
    unused = [
        name
        for name in document()["components"]["schemas"]
        if f"#/components/schemas/{name}" not in text and not name.endswith("Request")
    ]
    assert unused == []


@pytest.mark.parametrize(("place", "content"), list(contents()))
def test_every_body_has_examples_that_fit_its_schema(place: str, content: dict[str, Any]) -> None:
    check = validator(content["schema"])
    examples = content["examples"]
    assert examples, place
    for example in examples.values():
        assert [error.message for error in check.iter_errors(example["value"])] == []


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        (f"{operation['operationId']} {parameter['name']}", parameter)
        for _, _, operation in operations()
        for parameter in operation.get("parameters", ())
    ],
)
def test_examples_of_parameters_fit_their_schema(name: str, parameter: dict[str, Any]) -> None:
    check = validator(parameter["schema"])
    examples = [parameter["example"]] if "example" in parameter else parameter["schema"].get("examples", [])
    assert all(check.is_valid(example) for example in examples), name


def test_every_status_word_occurs_with_its_code() -> None:
    found = {word for _, _, operation in operations() for word in words_at(operation)}
    assert set(STATUS.values()) <= found
    assert {word for word, code in found if code == 200} == {
        "PROCESSED",
        "ALREADY_RECEIVED_AND_SUCCESSFULLY_PROCESSED",
    }


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
def test_descriptions_tell_what_each_status_word_means(endpoint: Endpoint) -> None:
    operation = operation_at(endpoint)
    words = words_at(operation)
    assert ("INVALID_METHOD", 405) in words
    for word, code in words:
        assert f"- `{word}`: " in operation["responses"][str(code)]["description"]


def make_error(kind: type[GridloreError]) -> GridloreError:
    if kind is TooManyRequestsError:
        return TooManyRequestsError("Too often.", 5)
    try:
        return kind("Something is wrong.")
    except TypeError:
        return kind()


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
def test_rejections_are_as_described(endpoint: Endpoint) -> None:
    for kind in (*errors_of(endpoint), errors.MethodError):
        rejection = reject(make_error(kind), endpoint.response_type)
        check = answer_validator(endpoint, rejection.code)
        assert [error.message for error in check.iter_errors(rejection.body)] == [], kind
        described = operation_at(endpoint)["responses"][str(rejection.code)]["headers"]
        assert set(rejection.headers) <= set(described)


@pytest.mark.parametrize("endpoint", POSTS, ids=name_of)
@pytest.mark.parametrize("receipt", [Receipt(4, 0), Receipt(0, 4)], ids=str)
def test_receipts_are_as_described(endpoint: Endpoint, receipt: Receipt) -> None:
    assert answer_validator(endpoint, 200).is_valid(acknowledge(endpoint, receipt).body)


def test_the_service_listing_is_as_described() -> None:
    endpoint = next(endpoint for endpoint in ENDPOINTS if endpoint.name == "getService")
    listing = json.loads(encode(list_services(ROLES).body))
    assert [error.message for error in answer_validator(endpoint, 200).iter_errors(listing)] == []


@pytest.mark.parametrize("endpoint", POSTS, ids=name_of)
def test_example_posts_are_understood(endpoint: Endpoint) -> None:
    units = WEATHER_UNITS
    for message in document()["components"]["schemas"][endpoint.request_type]["examples"]:
        command = read_post(endpoint, json.dumps(message).encode(), units)
        assert sum(group.values.size for group in command.groups) > 0


def query_string(message: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (key, item if isinstance(item, str) else json.dumps(item))
        for key, value in message.items()
        for item in (value if isinstance(value, list) else [value])
    ]


@pytest.mark.parametrize(
    ("name", "read"),
    [
        *((endpoint.request_type, lambda *sent, e=endpoint: read_get(e, *sent)) for endpoint in READS),
        ("DataRequest", read_data),
        ("BeliefsRequest", read_beliefs),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_example_reads_are_understood_in_the_query_string_and_as_a_body(
    name: str, read: Callable[[list[tuple[str, str]], bytes], Any]
) -> None:
    for message in document()["components"]["schemas"][name]["examples"]:
        stated = read(query_string(message), b"")
        sent = read([], json.dumps(message).encode())
        assert (stated.start, stated.query.addresses) == (sent.start, sent.query.addresses)


def test_example_credentials_are_understood() -> None:
    content = document()["paths"][routes.TOKEN_PATH]["post"]["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        assert read_credentials(json.dumps(example["value"]).encode()).password


GOOD_POST: dict[str, Any] = {
    "type": "PostMeterDataRequest",
    "connection": "CS 1",
    "values": [1, "2.5"],
    "start": "2025-06-01T00:00:00Z",
    "duration": "PT30M",
    "unit": "MW",
}
WITHOUT_SENSOR = {key: value for key, value in GOOD_POST.items() if key not in ("connection", "values")}


@pytest.mark.parametrize(
    "change",
    [
        {"type": "PostPrognosisRequest"},
        {"connections": ["CS 2"]},
        {"connection": []},
        {"connection": 5},
        {"value": 3},
        {"values": []},
        {"values": [None]},
        {"values": [True]},
        {"values": ["NaN"]},
        {"values": [[1, 2]]},
        {"unit": "kW"},
        {"start": "2025-06-01"},
        {"start": "2025-06-01T00:00:00"},
        {"duration": "15 minutes"},
        {"duration": "-PT30M"},
        {"duration": "PT"},
        {"horizon": "6h"},
        {"horizon": None},
        {"prior": "yesterday"},
        {"groups": []},
        {"groups": [{"connection": "CS 2", "values": [1]}]},
    ],
    ids=json.dumps,
)
def test_schemas_refuse_what_the_server_refuses(change: dict[str, Any]) -> None:
    check = message_validator("PostMeterDataRequest")
    endpoint = next(endpoint for endpoint in POSTS if endpoint.name == "postMeterData")
    assert check.is_valid(GOOD_POST)
    bad = {**GOOD_POST, **change}
    assert not check.is_valid(bad)
    with pytest.raises(GridloreError):
        read_post(endpoint, json.dumps(bad).encode(), WEATHER_UNITS)


@pytest.mark.parametrize(
    ("groups", "right"),
    [
        ([{"connection": "CS 1", "values": [1, 2]}], True),
        ([{"connections": ["CS 1", "CS 2"], "value": "3"}], True),
        ([{"connection": "CS 1"}], False),
        ([{"values": [1]}], False),
        ([{"connection": "CS 1", "connections": ["CS 2"], "values": [1]}], False),
        ([{"connection": "CS 1", "values": [1], "groups": []}], False),
        ({"connection": "CS 1", "values": [1]}, False),
    ],
    ids=json.dumps,
)
def test_schemas_and_server_agree_on_groups(groups: object, right: bool) -> None:
    endpoint = next(endpoint for endpoint in POSTS if endpoint.name == "postMeterData")
    message = {**WITHOUT_SENSOR, "groups": groups}
    assert message_validator("PostMeterDataRequest").is_valid(message) is right
    try:
        read_post(endpoint, json.dumps(message).encode(), WEATHER_UNITS)
    except GridloreError:
        assert not right
    else:
        assert right


def test_prognoses_need_a_horizon_or_a_prior() -> None:
    check = message_validator("PostPrognosisRequest")
    message = {**GOOD_POST, "type": "PostPrognosisRequest"}
    assert not check.is_valid(message)
    assert check.is_valid({**message, "horizon": "R/PT6H"})
    assert check.is_valid({**message, "prior": "2025-05-31T18:00:00Z"})


def test_what_needs_a_token_says_so() -> None:
    opened = {operation["operationId"] for _, _, operation in operations() if not operation["security"]}
    assert opened == {"listVersions", "requestAuthToken", "getService", "getLive", "getReady"}
    schemes = document()["components"]["securitySchemes"]
    assert {(scheme["type"], scheme.get("name", scheme.get("scheme"))) for scheme in schemes.values()} == {
        ("apiKey", "Authorization"),
        ("http", "bearer"),
    }


def test_a_first_request_from_the_document_is_a_good_url() -> None:
    for endpoint in READS:
        filled = {
            parameter["name"]: parameter["example"]
            for parameter in operation_at(endpoint)["parameters"]
            if "example" in parameter
        }
        assert "connections" not in filled
        assert urlencode(filled).startswith("type=")
        assert read_get(endpoint, list(filled.items()), b"").query.addresses
