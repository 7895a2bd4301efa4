"""Operations: what is common to all, and those of version 1.1, one per endpoint of ``wire/endpoints.py``.

Layer: wire.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from gridlore.domain.errors import MethodError, TooManyRequestsError
from gridlore.domain.sensors import ROLES
from gridlore.wire.endpoints import GET_SERVICE, Endpoint
from gridlore.wire.openapi.answers import answer_schema, rejection_schema
from gridlore.wire.openapi.requests import Schema, keys_of, ref, request_schema
from gridlore.wire.openapi.status_words import Complaint, ErrorClass, complaints_by_code, errors_of
from gridlore.wire.responses import ALREADY_PROCESSED, PROCESSED

Operation = dict[str, Any]
Examples = Mapping[str, Any]

SECURITY: list[dict[str, list[str]]] = [{"token": []}, {"bearer": []}]
"""Either scheme opens an endpoint that needs a token."""

CODE_TITLES = {
    400: "The request is wrong.",
    401: "We do not know who sent this.",
    403: "We know who sent this, and they may not do it.",
    405: "This path is served for another method.",
    413: "Too much at once.",
    429: "Too often.",
    503: "Not now.",
}
HEADERS = {
    401: {"WWW-Authenticate": "How to authenticate."},
    405: {"Allow": "The method that is served here."},
    429: {"Retry-After": "When to come back. [s]"},
    503: {"Retry-After": "When to come back. [s]"},
}

STORED = {
    PROCESSED: "everything was news and is stored",
    ALREADY_PROCESSED: "some or all values were no news; the others are stored",
}
ANSWERED = {PROCESSED: "here it is"}


def operation_of(endpoint: Endpoint) -> Operation:
    """The operation object of an endpoint of version 1.1."""
    examples = load_examples()[endpoint.name]
    operation: Operation = {
        "operationId": endpoint.name,
        "summary": endpoint.purpose,
        "tags": ["version 1.1"],
        "security": SECURITY if endpoint.access else [],
    }
    if endpoint.method == "POST":
        body = content(ref(endpoint.request_type), examples["requests"])
        operation["requestBody"] = {"required": True, "content": body}
    elif endpoint.kind is not None:
        operation["description"] = body_instead(endpoint.request_type)
        operation["parameters"] = parameters_of(
            request_schema(endpoint), keys_of(endpoint), next(iter(examples["requests"].values()))
        )
    elif endpoint is GET_SERVICE:
        access = {
            "description": "Only the services open to accounts with this role. Left empty: all.",
            "type": "string",
            "enum": [*ROLES, ""],
        }
        operation["parameters"] = [parameter("access", access, examples["requests"]["services"])]
    operation["responses"] = {
        "200": success(
            STORED if endpoint.method == "POST" else ANSWERED, answer_schema(endpoint), examples["answers"]
        ),
        **rejections(errors_of(endpoint), endpoint.method, endpoint.path, endpoint),
    }
    return operation


def body_instead(request_type: str) -> str:
    """How to send the fields of a GET other than in the query string."""
    return (
        f"The fields may also be sent as a JSON body, a `{request_type}` (see *Schemas* at the end); those "
        "in the query string win. In the query string a list is a repeated key, or one JSON list."
    )


def parameters_of(schema: Schema, keys: tuple[str, str], example: Examples) -> list[dict[str, Any]]:
    """Parameters in the query string for the fields of a message; ``example`` fills in a first request."""
    one, many = keys
    several = {"description": "The key repeated, or one JSON list.", "type": "array", "minItems": 1}
    forms = {
        one: ref("Address", f"An entity address or a name. For several: `{many}`, or `groups`."),
        many: {**several, "items": ref("Address")},
        "groups": {
            "description": f'JSON, as in `[{{"{one}": "…"}}, {{"{many}": ["…", "…"]}}]`.',
            "type": "string",
            "pattern": r"^\[",
        },
        "source": {
            "description": "Whose beliefs count: a role, or the id of a user. For several: `sources`.",
            "type": "string",
            "minLength": 1,
        },
        "sources": {**several, "items": {"type": "string", "minLength": 1}},
    }
    return [
        parameter(name, forms.get(name, field), example, required=name in schema["required"])
        for name, field in schema["properties"].items()
    ]


def parameter(name: str, schema: Schema, example: Examples, *, required: bool = False) -> dict[str, Any]:
    """A parameter in the query string."""
    found: dict[str, Any] = {"name": name, "in": "query", "required": required}
    if "description" in schema:
        found["description"] = schema["description"]
    found["schema"] = {key: value for key, value in schema.items() if key != "description"}
    if name in example:
        found["example"] = example[name]
    return found


def content(schema: Schema, examples: Examples) -> dict[str, Any]:
    """JSON content with named examples."""
    named = {_key(name): {"summary": name, "value": value} for name, value in examples.items()}
    return {"application/json": {"schema": schema, "examples": named}}


def success(meanings: Mapping[str, str], schema: Schema, examples: Examples) -> dict[str, Any]:
    """The response object of an answer with code 200."""
    return {"description": _listed("Done.", meanings.items()), "content": content(schema, examples)}


def rejections(
    errors: Iterable[ErrorClass], method: str, path: str, endpoint: Endpoint | None = None
) -> dict[str, Any]:
    """The response objects of these errors, by HTTP code; ``endpoint`` is given when it is of version 1.1."""
    noun, request_type, response_type = "sensor", "", None
    if endpoint is not None:
        noun, request_type, response_type = endpoint.noun, endpoint.request_type, endpoint.response_type
    complaints = complaints_by_code(
        [*errors, TooManyRequestsError, MethodError],
        noun,
        request_type=request_type,
        method=method,
        path=path,
    )

    def schema(words: Sequence[str]) -> Schema:
        return rejection_schema(words, response_type)

    def body(complaint: Complaint) -> dict[str, Any]:
        kind = {} if response_type is None else {"type": response_type}
        return {**kind, "status": complaint.word, "message": complaint.message, "result": "Rejected"}

    return refusals(complaints, schema, body)


def refusals(
    complaints: Mapping[int, Sequence[Complaint]],
    schema: Callable[[Sequence[str]], Schema],
    body: Callable[[Complaint], dict[str, Any]],
) -> dict[str, Any]:
    """The response objects of complaints, by HTTP code.

    Parameters
    ----------
    schema : function
        From the status words of one code to the schema of the body.
    body : function
        From a complaint to the body that tells it.
    """
    responses = {}
    for code, told in complaints.items():
        words = list(dict.fromkeys(complaint.word for complaint in told))
        meanings = [(complaint.word, complaint.meaning) for complaint in told]
        examples = {f"{complaint.word}: {complaint.meaning}": body(complaint) for complaint in told}
        responses[str(code)] = {
            "description": _listed(CODE_TITLES[code], meanings),
            "headers": {
                name: {"description": text, "required": True, "schema": {"type": "string"}}
                for name, text in HEADERS.get(code, {}).items()
            },
            "content": content(schema(words), examples),
        }
    return responses


@cache
def load_examples() -> dict[str, dict[str, Any]]:
    """Example requests and answers, by operation."""
    table: dict[str, dict[str, Any]] = json.loads(
        files(__package__).joinpath("examples.json").read_text("utf-8")
    )
    return table


def _listed(title: str, meanings: Iterable[tuple[str, str]]) -> str:
    return "\n".join([title, "", *(f"- `{word}`: {meaning}" for word, meaning in meanings)])


def _key(name: str) -> str:
    """A name with letters, digits and underscores only, as keys of examples must be."""
    return "_".join("".join(letter if letter.isalnum() else " " for letter in name).split())
