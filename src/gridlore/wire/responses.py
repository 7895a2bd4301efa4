"""Answers: from receipts, readings and errors to version 1.1 JSON.

Layer: wire. The one table from error class to status word and HTTP code stands here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from gridlore.domain import errors
from gridlore.domain.commands import Receipt
from gridlore.domain.timing import FloatArray
from gridlore.wire.endpoints import GET_SERVICE, SERVICES, VERSION, Endpoint

PROCESSED = "PROCESSED"
ALREADY_PROCESSED = "ALREADY_RECEIVED_AND_SUCCESSFULLY_PROCESSED"

MESSAGES = {
    PROCESSED: "Request has been processed.",
    ALREADY_PROCESSED: "Some of the data has already been received and successfully processed.",
}

STATUS: Mapping[type[errors.GridloreError], tuple[str, int]] = {
    errors.AuthenticationError: ("UNAUTHORIZED", 401),
    errors.AuthorizationError: ("INVALID_SENDER", 403),
    errors.RoleError: ("INVALID_ROLE", 400),
    errors.MessageError: ("INVALID_MESSAGE", 400),
    errors.BodyTooLargeError: ("INVALID_MESSAGE", 413),
    errors.MessageTypeMissingError: ("NO_MESSAGE_TYPE", 400),
    errors.MessageTypeError: ("INVALID_MESSAGE_TYPE", 400),
    errors.MethodError: ("INVALID_METHOD", 405),
    errors.UnitError: ("INVALID_UNIT", 400),
    errors.ConnectionGroupError: ("UNRECOGNIZED_CONNECTION_GROUP", 400),
    errors.MarketError: ("UNRECOGNIZED_MARKET", 400),
    errors.WeatherSensorError: ("UNRECOGNIZED_SENSOR", 400),
    errors.AddressError: ("INVALID_DOMAIN", 400),
    errors.ValuesError: ("PTUS_INCOMPLETE", 400),
    errors.ValuesLimitError: ("PTUS_INCOMPLETE", 413),
    errors.HorizonError: ("INVALID_HORIZON", 400),
    errors.PeriodError: ("INVALID_PERIOD", 400),
    errors.TimezoneError: ("INVALID_TIMEZONE", 400),
    errors.ResolutionError: ("INVALID_RESOLUTION", 400),
    errors.GridError: ("INVALID_PTU_DURATION", 400),
    errors.SourceError: ("INVALID_SOURCE", 400),
    errors.PowerTooSmallError: ("POWER_VALUE_TOO_SMALL", 400),
    errors.PowerTooBigError: ("POWER_VALUE_TOO_BIG", 400),
    errors.ReplacementError: ("INVALID_REPLACEMENT", 403),
    errors.TooManyRequestsError: ("TOO_MANY_REQUESTS", 429),
    errors.OverloadError: ("SERVICE_UNAVAILABLE", 503),
    errors.StoreUnavailableError: ("SERVICE_UNAVAILABLE", 503),
    errors.StoreRefusalError: ("SERVICE_UNAVAILABLE", 503),
    errors.StoreDamagedError: ("SERVICE_UNAVAILABLE", 503),
}
"""Status word and HTTP code of each error a client can cause or meet."""

RETRY_AFTER = 2
"""What ``Retry-After`` says under overload. [s]"""

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer with a JSON body."""

    code: int
    body: Body
    headers: Mapping[str, str] = field(default_factory=dict)


def encode(body: Body) -> bytes:
    """JSON bytes; NumPy arrays are written as lists, NaN as null."""
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def printable(text: str) -> str:
    """The text with what cannot be encoded (lone surrogates) replaced."""
    return text.encode("utf-8", "replace").decode()


def reject(error: errors.GridloreError, response_type: str | None = None) -> Answer:
    """The rejection that an error stands for; ``response_type`` is the endpoint's, if it has one."""
    word, code = STATUS.get(type(error), ("INTERNAL_ERROR", 500))
    body: Body = {} if response_type is None else {"type": response_type}
    body |= {"status": word, "message": printable(error.message), "result": "Rejected"}
    headers: dict[str, str] = {}
    if code == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="gridlore"'
    elif code == 429 and isinstance(error, errors.TooManyRequestsError):
        headers["Retry-After"] = str(error.retry_after)
        if error.limit is not None:
            headers["RateLimit-Limit"] = str(error.limit)
            headers["RateLimit-Remaining"] = "0"
            headers["RateLimit-Reset"] = str(error.retry_after)
    elif code == 503:
        headers["Retry-After"] = str(RETRY_AFTER)
    return Answer(code, body, headers)


def processed(response_type: str, **content: object) -> Answer:
    """An answer to a request that went well."""
    return Answer(
        200, {"type": response_type, **content, "status": PROCESSED, "message": MESSAGES[PROCESSED]}
    )


def acknowledge(endpoint: Endpoint, receipt: Receipt) -> Answer:
    """The answer to a post."""
    status = ALREADY_PROCESSED if receipt.unchanged else PROCESSED
    return Answer(
        200,
        {
            "type": endpoint.response_type,
            "status": status,
            "message": MESSAGES[status],
            "stored": receipt.stored,
            "unchanged": receipt.unchanged,
        },
    )


def describe_readiness(checks: Mapping[str, str]) -> Answer:
    """The answer to whether a process can serve, from what was looked at: "ok", or what is wrong."""
    problems = [f"{name} {found}" for name, found in checks.items() if found not in ("ok", "unknown")]
    if not problems:
        return Answer(200, {"status": "READY", "message": "This process can serve.", "checks": dict(checks)})
    answer = reject(errors.StoreUnavailableError(f"Cannot serve now: the {'; the '.join(problems)}."))
    return Answer(answer.code, {**answer.body, "checks": dict(checks)}, answer.headers)


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """What is answered about one sensor: ``values`` (n,), NaN becomes null; facts that go with them."""

    name: str
    values: FloatArray
    facts: Mapping[str, object] = field(default_factory=dict)


def group_series(noun: str, series: Sequence[Series]) -> Body:
    """Series with identical values (and facts) under one heading, in order of request.

    One sensor: ``noun`` and ``values``; several that are all alike: its plural and ``values``; else
    ``groups`` of these.
    """
    if len(series) == 1:
        return _write_group(noun, series)
    groups: dict[object, list[Series]] = {}
    for one in series:
        key = (one.values.tobytes(), *one.facts.values())
        groups.setdefault(key, []).append(one)
    written = [_write_group(noun, members) for members in groups.values()]
    return written[0] if len(written) == 1 else {"groups": written}


def _write_group(noun: str, members: Sequence[Series]) -> Body:
    names = [printable(member.name) for member in members]
    heading: Body = {noun: names[0]} if len(names) == 1 else {f"{noun}s": names}
    return {**heading, "values": np.ascontiguousarray(members[0].values), **members[0].facts}


def list_services(roles: Iterable[str]) -> Answer:
    """The service listing, of all services or of those open to any of ``roles``.

    Raises
    ------
    RoleError
        No service is open to a role.
    """
    asked = list(roles)
    for role in asked:
        if not any(role in service.access for service in SERVICES):
            raise errors.RoleError(printable(role))
    listed = [
        {"name": service.name, "access": list(service.access), "description": service.purpose}
        for service in SERVICES
        if not asked or any(role in service.access for role in asked)
    ]
    return processed(GET_SERVICE.response_type, version=VERSION, services=listed)
