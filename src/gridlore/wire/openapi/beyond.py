"""Operations beside version 1.1: what needs no token, and reading sensors of every kind.

Layer: wire.
"""

from __future__ import annotations

from typing import Any

from gridlore.domain import errors
from gridlore.wire.openapi.answers import closed, heading, period, values_schema
from gridlore.wire.openapi.operations import (
    ANSWERED,
    SECURITY,
    Operation,
    body_instead,
    content,
    load_examples,
    parameters_of,
    refusals,
    rejections,
    success,
)
from gridlore.wire.openapi.requests import (
    ASKED_RESOLUTION,
    Schema,
    any_of,
    groups_schema,
    not_both,
    read_rules,
    ref,
)
from gridlore.wire.openapi.status_words import (
    BODY,
    SENDER,
    SENSORS,
    TIMES,
    Complaint,
    complaints_by_code,
)
from gridlore.wire.reads import DEFAULT_LIMIT, FORMATS, KINDS, MAX_LIMIT
from gridlore.wire.responses import PROCESSED

VERSIONS_PATH = "/api/"
TOKEN_PATH = "/api/requestAuthToken"  # noqa: S105 - a path, no password
SENSORS_PATH = "/api/gridlore/v1/sensors"
DATA_PATH = "/api/gridlore/v1/data"
BELIEFS_PATH = "/api/gridlore/v1/beliefs"

BELIEFS_ERRORS = (
    *SENDER,
    *BODY,
    *SENSORS,
    errors.MarketError,
    errors.WeatherSensorError,
    *TIMES,
    errors.SourceError,
    errors.StoreUnavailableError,
)
DATA_ERRORS = (*BELIEFS_ERRORS, errors.ResolutionError)


def operations_beyond() -> dict[str, dict[str, Operation]]:
    """Path items, by path."""
    return {
        VERSIONS_PATH: {"get": _versions()},
        TOKEN_PATH: {"post": _token()},
        SENSORS_PATH: {"get": _sensors()},
        DATA_PATH: {"get": _data()},
        BELIEFS_PATH: {"get": _beliefs()},
    }


def schemas_beyond() -> dict[str, Schema]:
    """Schemas of the messages that ask for data and beliefs."""
    return {"DataRequest": _data_request(), "BeliefsRequest": _beliefs_request()}


def _versions() -> Operation:
    examples = load_examples()["versions"]["answers"]
    return {
        "operationId": "listVersions",
        "summary": "List the versions of this API",
        "tags": ["public"],
        "security": [],
        "responses": {
            "200": {
                "description": "The versions served here.",
                "content": content(ref("Versions"), examples),
            },
            **rejections((), "GET", "/api"),
        },
    }


def _token() -> Operation:
    examples = load_examples()["requestAuthToken"]
    complaints = complaints_by_code(
        (*BODY, errors.AuthenticationError, errors.TooManyRequestsError, errors.MethodError),
        "credentials",
        method="POST",
        path=TOKEN_PATH,
    )

    def body(complaint: Complaint) -> dict[str, Any]:
        return {"errors": [complaint.message], "status": complaint.code}

    return {
        "operationId": "requestAuthToken",
        "summary": "Request an authentication token",
        "description": "The answer to a wrong password and to an unknown e-mail is the same.",
        "tags": ["public"],
        "security": [],
        "requestBody": {"required": True, "content": content(ref("TokenRequest"), examples["requests"])},
        "responses": {
            "200": {"description": "Logged in.", "content": content(ref("Token"), examples["answers"])},
            **refusals(complaints, lambda _: ref("TokenRefusal"), body),
        },
    }


def _sensors() -> Operation:
    schema = closed({"sensors": {"type": "array", "items": ref("Sensor")}, **heading([PROCESSED])})
    return {
        "operationId": "getSensors",
        "summary": "List every sensor the user may see, and what is newest about it",
        "tags": ["beyond 1.1"],
        "security": SECURITY,
        "responses": {
            "200": success(ANSWERED, schema, load_examples()["getSensors"]["answers"]),
            **rejections((*SENDER, errors.StoreUnavailableError), "GET", SENSORS_PATH),
        },
    }


def _data() -> Operation:
    examples = load_examples()["getData"]
    facts = {"unit": {"type": "string"}, "resolution": ref("AnswerSpan", "Length of the events answered.")}
    common = {**period(), **heading([PROCESSED])}
    answer = success(ANSWERED, values_schema(common, "sensor", "sensors", facts), examples["answers"])
    answer["content"]["text/csv"] = {
        "schema": {"description": "One line per event and sensor.", "type": "string"},
        "examples": {name: {"summary": name, "value": text} for name, text in examples["tables"].items()},
    }
    return {
        "operationId": "getData",
        "summary": "Read values of connections, markets and weather sensors",
        "description": body_instead("DataRequest"),
        "tags": ["beyond 1.1"],
        "security": SECURITY,
        "parameters": parameters_of(
            _data_request(), ("sensor", "sensors"), next(iter(examples["requests"].values()))
        ),
        "responses": {"200": answer, **rejections(DATA_ERRORS, "GET", DATA_PATH)},
    }


def _beliefs() -> Operation:
    examples = load_examples()["getBeliefs"]
    schema = closed(
        {
            "sensor": ref("Address", "As the request named it."),
            "unit": {"type": "string"},
            "resolution": ref("AnswerSpan", "Length of the sensor's events."),
            "beliefs": {
                "description": "In order of event, belief time and source.",
                "type": "array",
                "items": ref("Belief"),
            },
            "next": {
                "description": "The `cursor` of the next page; null on the last.",
                "type": ["string", "null"],
            },
            **period(),
            **heading([PROCESSED]),
        }
    )
    return {
        "operationId": "getBeliefs",
        "summary": "Read the history: every belief about the events of a period",
        "description": body_instead("BeliefsRequest"),
        "tags": ["beyond 1.1"],
        "security": SECURITY,
        "parameters": parameters_of(
            _beliefs_request(), ("sensor", "sensors"), next(iter(examples["requests"].values()))
        ),
        "responses": {
            "200": success(ANSWERED, schema, examples["answers"]),
            **rejections(BELIEFS_ERRORS, "GET", BELIEFS_PATH),
        },
    }


def _reading_fields() -> dict[str, Schema]:
    return {
        "start": ref("Instant", "Where the period begins."),
        "duration": ref("Duration", "How long it lasts."),
        "end": ref("Instant", "Where it ends; instead of `duration`."),
        "prior": ref("Instant", "Only what was known at this moment."),
        "horizon": ref("Horizon", "Only what was known at least that long before the end of each event."),
        "source": ref("Sources"),
        "sources": ref("Sources"),
        "kind": {
            "description": "`measured`: known after the fact; `forecast`: before it.",
            "type": "string",
            "enum": list(KINDS),
            "default": KINDS[0],
        },
    }


def _data_request() -> Schema:
    addresses = {"sensor": ref("Addresses"), "sensors": ref("Addresses")}
    groups = groups_schema(addresses, [not_both("sensor", "sensors")], "Several groups of sensors.")
    fields = {
        **addresses,
        "groups": groups,
        **_reading_fields(),
        "resolution": ref("Resolution", ASKED_RESOLUTION),
        "format": {"type": "string", "enum": list(FORMATS), "default": FORMATS[0]},
        "timezone": {
            "description": "The clock of the times in CSV, by its name.",
            "type": "string",
            "default": "UTC",
            "examples": ["Europe/Amsterdam"],
        },
    }
    rules = [*read_rules("sensor", "sensors"), *_period_rules()]
    return _message("getData", fields, ["start"], rules)


def _beliefs_request() -> Schema:
    fields = {
        "sensor": ref("Address"),
        **_reading_fields(),
        "limit": {
            "description": "How many beliefs make a page.",
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_LIMIT,
            "default": DEFAULT_LIMIT,
        },
        "cursor": {"description": "Where to go on: `next` of the page before.", "type": "string"},
    }
    rules = [not_both("source", "sources"), *_period_rules()]
    return _message("getBeliefs", fields, ["sensor", "start"], rules)


def _period_rules() -> list[Schema]:
    return [not_both("duration", "end"), any_of("duration", "end")]


def _message(operation: str, fields: dict[str, Schema], required: list[str], rules: list[Schema]) -> Schema:
    return {
        "type": "object",
        "required": required,
        "properties": fields,
        "allOf": rules,
        "examples": list(load_examples()[operation]["requests"].values()),
    }
