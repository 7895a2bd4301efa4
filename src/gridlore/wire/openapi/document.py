"""The API document as a whole: OpenAPI 3.1.

Layer: wire. Made from the tables of endpoints and of errors, so that it cannot forget one; schemas,
examples and meanings are data files beside this module.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from gridlore.domain.sensors import ROLES
from gridlore.wire.endpoints import ENDPOINTS
from gridlore.wire.openapi.beyond import operations_beyond, schemas_beyond
from gridlore.wire.openapi.health import operations_of_health
from gridlore.wire.openapi.operations import load_examples, operation_of
from gridlore.wire.openapi.requests import request_schema

TAGS = {
    "public": "Needs no token.",
    "version 1.1": "Meter readings, prognoses, prices and weather.",
    "beyond 1.1": "Sensors and values of every kind, and their history.",
    "health": "For monitors and load balancers; needs no token.",
}


def openapi_document(version: str, server_url: str | None = None) -> dict[str, Any]:
    """The OpenAPI 3.1 document of every endpoint.

    Parameters
    ----------
    version : str
        Of Gridlore.
    server_url : str, optional
        Where it is served; left out, it is the server that the document comes from.

    >>> openapi_document("1.0")["openapi"]
    '3.1.0'
    """
    paths: dict[str, Any] = operations_beyond() | operations_of_health()
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation_of(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Gridlore",
            "summary": "The book of record for grid data.",
            "description": files(__package__).joinpath("introduction.md").read_text("utf-8"),
            "version": version,
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server_url or "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {"securitySchemes": _security_schemes(), "schemas": _schemas()},
    }


def _schemas() -> dict[str, Any]:
    schemas: dict[str, Any] = json.loads(files(__package__).joinpath("schemas.json").read_text("utf-8"))
    schemas["Role"]["enum"] = list(ROLES)
    for endpoint in ENDPOINTS:
        if endpoint.kind is not None:
            examples = load_examples()[endpoint.name]["requests"]
            schemas[endpoint.request_type] = {**request_schema(endpoint), "examples": list(examples.values())}
    return schemas | schemas_beyond()


def _security_schemes() -> dict[str, Any]:
    return {
        "token": {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "The token, or an API key (`glk_…`), bare.",
        },
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "The token, or an API key (`glk_…`), after the word Bearer.",
        },
    }
