"""Schemas of what the server answers.

Layer: wire. An answer has the fields stated here and no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gridlore.wire.endpoints import GET_CONNECTION, GET_SERVICE, VERSION, Endpoint
from gridlore.wire.openapi.requests import Schema, constant, keys_of, ref
from gridlore.wire.responses import ALREADY_PROCESSED, PROCESSED


def answer_schema(endpoint: Endpoint) -> Schema:
    """The schema of what ``endpoint`` of version 1.1 answers with code 200."""
    words = [PROCESSED, ALREADY_PROCESSED] if endpoint.method == "POST" else [PROCESSED]
    head = heading(words, endpoint.response_type)
    if endpoint is GET_SERVICE:
        services = {"type": "array", "items": ref("Service")}
        return closed({**head, "version": constant(VERSION), "services": services})
    if endpoint is GET_CONNECTION:
        addresses = {"description": "Newest first.", "type": "array", "items": ref("Address")}
        names = {"description": "In the same order.", "type": "array", "items": {"type": "string"}}
        return closed({**head, "connections": addresses, "names": names})
    if endpoint.method == "GET":
        return values_schema({**head, **period(), "unit": {"type": "string"}}, *keys_of(endpoint))
    counts = {
        "stored": {"description": "How many values are news.", "type": "integer", "minimum": 0},
        "unchanged": {"description": "How many are no news.", "type": "integer", "minimum": 0},
    }
    return closed({**head, **counts})


def values_schema(common: Schema, one: str, many: str, facts: Mapping[str, Schema] | None = None) -> Schema:
    """The schema of an answer with values: of one sensor, of several that agree, or in groups.

    ``common`` are the fields of the whole answer, ``facts`` those that go with each list of values.
    """
    values = {"values": ref("ValuesRead"), **(facts or {})}
    single = {one: ref("Address", "As the request named it."), **values}
    several = {
        many: {
            "description": "All of them have these values.",
            "type": "array",
            "minItems": 2,
            "items": ref("Address"),
        },
        **values,
    }
    groups = {
        "groups": {
            "description": f"In the order of the request; {many} with the same values share a group.",
            "type": "array",
            "minItems": 2,
            "items": {"oneOf": [closed(single), closed(several)]},
        }
    }
    return {"oneOf": [closed({**common, **form}) for form in (single, several, groups)]}


def period() -> Schema:
    """The fields that say which period an answer is about."""
    return {"start": ref("Instant", "As asked."), "duration": ref("Duration", "As asked.")}


def rejection_schema(words: Iterable[str], response_type: str | None) -> Schema:
    """The schema of a rejection with one of these status words."""
    return closed({**heading(words, response_type), "result": constant("Rejected")})


def heading(words: Iterable[str], response_type: str | None = None) -> Schema:
    """The fields that stand in every answer; ``response_type`` only where there is one."""
    kind = {} if response_type is None else {"type": constant(response_type)}
    return {**kind, "status": {"type": "string", "enum": list(words)}, "message": {"type": "string"}}


def closed(properties: Schema) -> Schema:
    """An object that has all these fields and no others."""
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": properties,
    }
