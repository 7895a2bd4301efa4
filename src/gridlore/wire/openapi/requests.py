"""Schemas of the messages of API version 1.1, one per endpoint that reads one.

Layer: wire. They allow what the server takes: singular or plural keys, values outside or inside groups,
fields it does not know. What no schema can say (the count of values fits the duration, the sensor exists)
is told by the status words.
"""

from __future__ import annotations

from typing import Any

from gridlore.domain.sensors import SensorKind
from gridlore.wire.endpoints import GET_METER_DATA, POST_METER_DATA, POST_PROGNOSIS, Endpoint

Schema = dict[str, Any]

UNIT_SCHEMAS = {
    SensorKind.CONNECTION: "PowerUnit",
    SensorKind.MARKET: "PriceUnit",
    SensorKind.WEATHER: "WeatherUnit",
}

POST_HORIZONS = {
    POST_METER_DATA.name: "Zero or negative: how long after the fact it was known. Left out: known at the "
    "end of each event.",
    POST_PROGNOSIS.name: "How long before the end it was known. Needed here, unless there is a `prior`.",
}
ASKED_RESOLUTION = "Length of the events in the answer: the sensor's own, or a multiple of it."
ARRIVAL_HORIZON = (
    "How long before the end it was known. Left out: known on arrival, or at the event's end if that is "
    "earlier."
)


def ref(name: str, description: str = "") -> Schema:
    """A reference to the schema ``name``, with a description of its own if one is given."""
    pointer = {"$ref": f"#/components/schemas/{name}"}
    return {"description": description, **pointer} if description else pointer


def keys_of(endpoint: Endpoint) -> tuple[str, str]:
    """The singular and plural key of what a message is about.

    >>> keys_of(GET_METER_DATA)
    ('connection', 'connections')
    """
    return endpoint.noun, endpoint.noun + "s"


def request_schema(endpoint: Endpoint) -> Schema:
    """The schema of the messages that ``endpoint`` takes."""
    return post_schema(endpoint) if endpoint.method == "POST" else read_schema(endpoint)


def post_schema(endpoint: Endpoint) -> Schema:
    """The schema of a message that states values."""
    one, many = keys_of(endpoint)
    fields = {one: ref("Addresses"), many: ref("Addresses"), "value": ref("Values"), "values": ref("Values")}
    rules = [
        not_both(one, many),
        not_both("value", "values"),
        _outside_or_in_groups(one, many),
        _outside_or_in_groups("value", "values"),
        _not_outside_and_in_groups((one, many), (one, many, "value", "values")),
    ]
    if endpoint is POST_PROGNOSIS:
        rules.append(any_of("horizon", "prior"))
    return {
        "type": "object",
        "required": ["type", "unit", "start", "duration"],
        "properties": {
            "type": constant(endpoint.request_type),
            **fields,
            "groups": groups_schema(
                fields,
                [not_both(one, many), not_both("value", "values")],
                f"Several runs of values, each with its own {one} (or list of {many}) and values. Values "
                "stated outside hold for the groups that have none.",
            ),
            "unit": ref(_unit_schema(endpoint)),
            "start": ref("Instant", "Where the period begins: on the sensor's grid."),
            "duration": ref("Duration", "How long it lasts: a whole number of the sensor's events."),
            "horizon": ref("Horizon", POST_HORIZONS.get(endpoint.name, ARRIVAL_HORIZON)),
            "prior": ref(
                "Instant", "When it was known, at the latest: one belief time for the whole message."
            ),
        },
        "allOf": rules,
    }


def groups_schema(fields: Schema, rules: list[Schema], description: str) -> Schema:
    """The schema of ``groups``: each has some of these fields."""
    return {
        "description": description,
        "type": "array",
        "minItems": 1,
        "items": {
            "type": "object",
            "properties": fields,
            "allOf": [{"not": {"required": ["groups"]}}, *rules],
        },
    }


def read_schema(endpoint: Endpoint) -> Schema:
    """The schema of a message that asks for values; as a body, or as parameters of the query string."""
    one, many = keys_of(endpoint)
    addresses = {one: ref("Addresses"), many: ref("Addresses")}
    return {
        "type": "object",
        "required": ["type", "unit", "start", "duration"],
        "properties": {
            "type": constant(endpoint.request_type),
            **addresses,
            "groups": groups_schema(addresses, [not_both(one, many)], f"Several groups of {many}."),
            "unit": ref(_unit_schema(endpoint)),
            "start": ref("Instant", "Where the period begins."),
            "duration": ref("Duration", "How long the period lasts."),
            "horizon": ref("Horizon", read_horizon(endpoint)),
            "prior": ref("Instant", read_prior(endpoint)),
            "source": ref("Sources"),
            "sources": ref("Sources"),
            "resolution": ref("Resolution", ASKED_RESOLUTION),
        },
        "allOf": read_rules(one, many),
    }


def read_rules(one: str, many: str) -> list[Schema]:
    """What holds between the fields of a message that asks for values."""
    return [
        not_both(one, many),
        not_both("source", "sources"),
        _outside_or_in_groups(one, many),
        _not_outside_and_in_groups((one, many), (one, many)),
    ]


def read_horizon(endpoint: Endpoint) -> str:
    """What a horizon means when reading from ``endpoint``."""
    if endpoint is GET_METER_DATA:
        return "Zero or negative: only what was known at most that long after the fact."
    return "Only what was known at least that long before the end of each event; `R/` makes no difference."


def read_prior(endpoint: Endpoint) -> str:
    """What a prior means when reading from ``endpoint``."""
    text = "Only what was known at this moment."
    return text + " Not before the end of the period." if endpoint is GET_METER_DATA else text


def _unit_schema(endpoint: Endpoint) -> str:
    return UNIT_SCHEMAS[endpoint.kind or SensorKind.CONNECTION]


def constant(text: str) -> Schema:
    """The one text that may stand there."""
    return {"type": "string", "const": text}


def not_both(one: str, other: str) -> Schema:
    """No message has both of these fields."""
    return {"not": {"required": [one, other]}}


def any_of(*keys: str) -> Schema:
    """Every message has one of these fields."""
    return {"anyOf": [{"required": [key]} for key in keys]}


def _outside_or_in_groups(one: str, many: str) -> Schema:
    """A field stands in the message, or in each of its groups."""
    in_groups = {"required": ["groups"], "properties": {"groups": {"items": any_of(one, many)}}}
    return {"anyOf": [*any_of(one, many)["anyOf"], in_groups]}


def _not_outside_and_in_groups(outside: tuple[str, ...], inside: tuple[str, ...]) -> Schema:
    """When one of these fields stands in the message, none of those stands in a group."""
    in_some_group = {"required": ["groups"], "properties": {"groups": {"contains": any_of(*inside)}}}
    return {"not": {"allOf": [any_of(*outside), in_some_group]}}
