"""Operations for those who watch over the server.

Layer: wire.
"""

from __future__ import annotations

from gridlore.wire.openapi.answers import closed, rejection_schema
from gridlore.wire.openapi.operations import Operation, content, rejections
from gridlore.wire.openapi.requests import Schema, constant
from gridlore.wire.responses import describe_readiness

LIVE_PATH = "/health/live"
READY_PATH = "/health/ready"

WELL = {"store": "ok", "schema": "ok", "queue": "ok", "directory": "ok", "record": "ok"}
UNWELL = {**WELL, "store": "cannot be reached, or is too busy", "schema": "unknown"}


def operations_of_health() -> dict[str, dict[str, Operation]]:
    """Path items, by path."""
    return {LIVE_PATH: {"get": _live()}, READY_PATH: {"get": _ready()}}


def _live() -> Operation:
    schema = closed({"status": constant("UP"), "message": {"type": "string"}})
    example = {"status": "UP", "message": "This process answers."}
    return {
        "operationId": "getLive",
        "summary": "Is this process up?",
        "description": "Asks nothing of the store. When there is no answer, start the process anew.",
        "tags": ["health"],
        "security": [],
        "responses": {
            "200": {"description": "It is.", "content": content(schema, {"up": example})},
            "405": rejections((), "GET", LIVE_PATH)["405"],
        },
    }


def _ready() -> Operation:
    checks: Schema = {
        "description": "What was looked at, within the last second: `ok`, or what is wrong with it.",
        "type": "object",
        "additionalProperties": {"type": "string"},
    }
    ready, unready = describe_readiness(WELL), describe_readiness(UNWELL)
    schema = closed({"status": constant("READY"), "message": {"type": "string"}, "checks": checks})
    refusal = rejection_schema([unready.body["status"]], None)
    refusal = closed({**refusal["properties"], "checks": checks})
    wait: Schema = {"description": "When to ask again. [s]", "required": True, "schema": {"type": "string"}}
    return {
        "operationId": "getReady",
        "summary": "Can this process serve?",
        "description": "Whether its store can be reached, has the schema of this version, and takes what "
        "comes in, the record of who did what too. When not, let requests go elsewhere, and ask again.",
        "tags": ["health"],
        "security": [],
        "responses": {
            "200": {"description": "It can.", "content": content(schema, {"ready": ready.body})},
            "503": {
                "description": "Not now.\n\n- `SERVICE_UNAVAILABLE`: the message says what is wrong",
                "headers": {"Retry-After": wait},
                "content": content(refusal, {"store out of reach": unready.body}),
            },
            "405": rejections((), "GET", READY_PATH)["405"],
        },
    }
