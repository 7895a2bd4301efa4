"""The outermost layer: every request gets an id, is bounded, measured, counted and, if asked for, logged.

Layer: web. Plain ASGI, around the framework, so that its own refusals are seen as well. It costs a few
microseconds a request (docs/monitoring.md), and makes one object for each.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import count
from time import perf_counter
from typing import Any, ParamSpec, Protocol, TypeVar

import structlog

from gridlore.domain.commands import Receipt
from gridlore.domain.errors import GridloreError, OverloadError, TooManyRequestsError
from gridlore.services.readiness import Readiness
from gridlore.services.throttle import RequestThrottle, network_of
from gridlore.web.answers import AnyRequest
from gridlore.web.board import Board
from gridlore.web.metrics import Tally
from gridlore.web.routes import HEALTH_PATH

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
Headers = list[tuple[bytes, bytes]]
Send = Callable[[Any], Awaitable[None]]
ASGIApplication = Callable[[Any, Any, Any], Awaitable[None]]

EXCHANGE = "gridlore"
"""Where the scope of a request has its exchange."""

REQUEST_ID = b"x-request-id"
_SAFE_ID = re.compile(rb"[A-Za-z0-9._~:+/=@-]{1,64}")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Others count as one, so that nobody can make ever new ones."""

HUNG_UP = 499
"""Counted for who went away before there was an answer."""

LOGGED = {"all": (0, False), "receipts": (400, True), "errors": (400, False), "none": (1000, False)}
"""Of LOG_REQUESTS: from which status on a request leaves a line, and whether a stored message always does."""

EVERYWHERE: Headers = [(b"x-content-type-options", b"nosniff")]
"""Headers of every answer."""

BESIDE_PAGES: Headers = [
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
]
"""Headers of what is no page; pages have their own (``ui/rendering.py``)."""

STOPPING = "The server is stopping. Please send this again in a moment."


class Exchange:
    """One request and its answer, as far as we watch them."""

    __slots__ = ("began", "headers", "id", "key_id", "receipt", "send_on", "sent", "status", "user_id")

    def __init__(self, began: float, request_id: bytes, headers: Headers, send_on: Send) -> None:
        self.began = began
        self.id = request_id
        self.headers = headers
        self.send_on = send_on
        self.status = 0
        self.sent = 0
        self.user_id: int | None = None
        self.key_id: int | None = None
        self.receipt: Receipt | None = None

    def send(self, message: Any) -> Awaitable[None]:
        """Pass a message on to the server; the first one gets our headers."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), (REQUEST_ID, self.id), *self.headers]
            for name, _ in headers:
                if name == b"content-security-policy":
                    break
            else:
                headers += BESIDE_PAGES
            message["headers"] = headers
        else:
            self.sent += len(message.get("body", b""))
        return self.send_on(message)


def exchange_of(request: AnyRequest) -> Exchange:
    """What is known of a request beside itself."""
    found: Exchange = request.scope[EXCHANGE]  # type: ignore[literal-required]
    return found


class Tracing(Protocol):
    """Makes traces (``tracing.py``)."""

    def request(self, scope: Any) -> AbstractContextManager[None]:
        """The span of a whole request."""

    def traced(self, name: str, function: Callable[P, T]) -> Callable[P, T]:
        """The function, with a span around each call."""

    def close(self) -> None:
        """Send what is left."""


@dataclass(frozen=True, slots=True)
class Monitoring:
    """What watches over the application, and how.

    ``users`` and ``addresses`` bound requests; ``metrics``, ``metrics_token``, ``log_requests`` (a name of
    ``LOGGED``) and ``hsts_max_age`` [s] as the settings say; ``tracing`` is None without traces.
    """

    tally: Tally
    board: Board
    readiness: Readiness
    users: RequestThrottle
    addresses: RequestThrottle
    metrics: str
    metrics_token: str = field(repr=False)
    log_requests: str
    hsts_max_age: int
    tracing: Tracing | None

    def close(self) -> None:
        """Leave the last figures and traces."""
        self.board.close()
        if self.tracing is not None:
            self.tracing.close()

    def traced(self, name: str, function: Callable[P, T]) -> Callable[P, T]:
        """The function, with a span around each call if there are traces."""
        return function if self.tracing is None else self.tracing.traced(name, function)

    def around(
        self, serve: ASGIApplication, refuse: Callable[[Any, GridloreError], ASGIApplication]
    ) -> ASGIApplication:
        """The application, watched; ``refuse`` makes the answers that the framework has no part in."""
        logged_from, with_receipts = LOGGED[self.log_requests]
        lines = log.bind()  # once: a logger that is not bound is made anew for each line
        headers_of = _headers_by_scheme(self.hsts_max_age)
        name_request = _make_ids()
        tally, admit, tracing = self.tally, self.addresses.admit, self.tracing

        async def observe(scope: Any, receive: Any, send_on: Any) -> None:
            if scope["type"] != "http":
                await serve(scope, receive, send_on)
                return
            began = perf_counter()
            exchange = Exchange(
                began, name_request(scope["headers"]), headers_of.get(scope["scheme"], EVERYWHERE), send_on
            )
            scope[EXCHANGE] = exchange
            try:
                if not scope["path"].startswith(HEALTH_PATH):
                    admit(network_of(scope["client"][0]) if scope["client"] else "", began)
                if tracing is None:
                    await serve(scope, receive, exchange.send)
                else:
                    with tracing.request(scope):
                        await serve(scope, receive, exchange.send)
            except TooManyRequestsError as error:
                await refuse(scope, error)(scope, receive, exchange.send)
            except asyncio.CancelledError:  # the server stops, and has waited long enough
                if not exchange.status:
                    stopping = refuse(scope, OverloadError(STOPPING))
                    await stopping(scope, receive, exchange.send)
            finally:
                status = exchange.status or HUNG_UP
                method = scope["method"] if scope["method"] in METHODS else "other"
                seconds = perf_counter() - began
                tally.count(scope.get("path_template") or "unknown", method, status, seconds)
                if exchange.receipt is not None:
                    tally.count_values(exchange.receipt)
                if status >= logged_from or (with_receipts and exchange.receipt is not None):
                    _log(lines, scope, exchange, status, seconds)

        return observe


def _headers_by_scheme(hsts_max_age: int) -> Mapping[str, Headers]:
    secure = [*EVERYWHERE]
    if hsts_max_age:
        secure.append((b"strict-transport-security", b"max-age=%d" % hsts_max_age))
    return {"http": EVERYWHERE, "https": secure}


def _make_ids() -> Callable[[Headers], bytes]:
    """Gives each request its id: what the client calls it, when that is well-formed, else a new one."""
    prefix = os.urandom(6).hex().encode()
    numbers = count(1)

    def name_request(headers: Headers) -> bytes:
        for name, value in headers:
            if name == REQUEST_ID:
                if _SAFE_ID.fullmatch(value):
                    return value
                break
        return b"%b-%x" % (prefix, next(numbers))

    return name_request


def _log(lines: Any, scope: Any, exchange: Exchange, status: int, seconds: float) -> None:
    """One line about a request. Neither its path nor its query, which may hold secrets."""
    facts: dict[str, object] = {
        "request_id": exchange.id.decode(),
        "method": scope["method"],
        "route": scope.get("path_template") or "unknown",
        "status": status,
        "milliseconds": round(seconds * 1000, 2),
        "received": _content_length(scope["headers"]),
        "sent": exchange.sent,
    }
    if exchange.user_id is not None:
        facts["user"] = exchange.user_id
    if exchange.key_id is not None:
        facts["key"] = exchange.key_id
    if exchange.receipt is not None:
        facts |= {"stored": exchange.receipt.stored, "unchanged": exchange.receipt.unchanged}
        facts["sensors"] = exchange.receipt.sensors
    (lines.warning if status >= 500 else lines.info)("request", **facts)


def _content_length(headers: Headers) -> int | None:
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return None
