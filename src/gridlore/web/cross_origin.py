"""Let web pages of other origins call the API, when CORS_ORIGINS names them.

Layer: web. The framework knows the rules (its CORSConfig), and they are applied here: its own middleware
replaces ``Vary: Accept-Encoding`` by ``Vary: Origin`` and refuses in plain text.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

from litestar.config.cors import CORSConfig

from gridlore.web.answers import JSON
from gridlore.web.observation import ASGIApplication, Headers
from gridlore.wire.responses import encode

READABLE = ["X-Request-ID", "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]
"""Headers of answers that pages of other origins may read."""

VARY = (b"vary", b"Origin")
"""Caches must keep answers to different origins apart."""


def share_with(origins: Sequence[str], serve: ASGIApplication) -> ASGIApplication:
    """The application, with answers that pages of these origins may read."""
    config = CORSConfig(
        allow_origins=list(origins),
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type", "Content-Encoding", "X-Request-ID"],
        expose_headers=READABLE,
        max_age=600,
    )

    async def share(scope: Any, receive: Any, send: Any) -> None:
        origin = _origin(scope) if scope["type"] == "http" else None
        if origin is None:
            await serve(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await _answer_preflight(config, origin, scope, send)
        else:
            shared = _shared_headers(config, origin)

            def send_shared(message: Any) -> Awaitable[None]:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message.get("headers", ()), *shared]
                return send(message)  # type: ignore[no-any-return]

            await serve(scope, receive, send_shared)

    return share


def _origin(scope: Any) -> str | None:
    for name, value in scope["headers"]:
        if name == b"origin":
            return str(value.decode("latin-1"))
    return None


def _shared_headers(config: CORSConfig, origin: str) -> Headers:
    if config.is_allow_all_origins:
        allowed = "*"
    elif config.is_origin_allowed(origin):
        allowed = origin
    else:
        return [VARY]
    return [
        (b"access-control-allow-origin", allowed.encode("latin-1")),
        (b"access-control-expose-headers", ", ".join(READABLE).encode()),
        VARY,
    ]


async def _answer_preflight(config: CORSConfig, origin: str, scope: Any, send: Any) -> None:
    """Whether a page of this origin may send what it announces."""
    asked = {name: value.decode("latin-1") for name, value in scope["headers"]}
    method = asked.get(b"access-control-request-method", "GET")
    names = [name.strip() for name in asked.get(b"access-control-request-headers", "").split(",")]
    known = {name.lower() for name in config.allow_headers}
    problem = None
    if not config.is_origin_allowed(origin):
        problem = "Pages of this origin may not call this server: it is none of its CORS_ORIGINS."
    elif method not in config.allow_methods:
        problem = f"Pages may send {' and '.join(config.allow_methods)} requests."
    elif any(name and name.lower() not in known for name in names):
        problem = f"Pages may send the headers {', '.join(config.allow_headers)}."
    headers: Headers = [VARY]
    body = b""
    if problem is None:
        headers += [
            (b"access-control-allow-methods", ", ".join(config.allow_methods).encode()),
            (b"access-control-allow-headers", ", ".join(config.allow_headers).encode()),
            (b"access-control-max-age", str(config.max_age).encode()),
            *_shared_headers(config, origin)[:1],
        ]
    else:
        body = encode({"status": "INVALID_SENDER", "message": problem, "result": "Rejected"})
        headers += [(b"content-type", JSON.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403 if problem else 204, "headers": headers})
    await send({"type": "http.response.body", "body": body})
