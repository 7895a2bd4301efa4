"""Send answers: JSON bytes, compressed when asked for; errors of every kind as JSON.

Layer: web.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Any

import structlog
from litestar import Request
from litestar.exceptions import HTTPException
from litestar.response import Response
from litestar.routes import HTTPRoute
from litestar.types import Receive, Scope, Send

from gridlore.domain.errors import BodyTooLargeError, GridloreError, MethodError
from gridlore.web.routes import PUBLIC, TOKEN_PATH
from gridlore.wire.endpoints import ENDPOINTS
from gridlore.wire.responses import Answer, encode, reject

log = structlog.get_logger(__name__)

AnyRequest = Request[Any, Any, Any]

JSON = "application/json"
CSV = "text/csv"

PIECE = 1024 * 1024
"""Longer bodies are sent in pieces of that, the next when the client has taken the last. [bytes]"""

MIN_COMPRESSED = 1024
"""Shorter bodies are not worth compressing. [bytes]"""

MAX_ACCEPTED = 256
"""Characters of Accept-Encoding that are looked at: it is read on the event loop."""

COMPRESSION_LEVEL = 1
"""Most of the gain for a fifth of the time."""

RESPONSE_TYPES = {endpoint.path: endpoint.response_type for endpoint in ENDPOINTS}


def header(request: AnyRequest, name: bytes) -> str | None:
    """A header's value, by its name in lower case; the first one of several.

    Looks through the raw headers: most requests are asked for one or two of them.
    """
    for key, value in request.scope["headers"]:
        if key == name:
            return value.decode("latin-1")
    return None


def wants_gzip(request: AnyRequest) -> bool:
    """Whether the client takes gzip."""
    accepted = (header(request, b"accept-encoding") or "")[:MAX_ACCEPTED]
    return any(
        part.split(";")[0].strip().lower() in {"gzip", "x-gzip", "*"}
        and "q=0" not in part.replace(" ", "").split(";")[1:]
        for part in accepted.split(",")
    )


def pack(body: bytes, headers: Mapping[str, str], *, compress: bool) -> tuple[bytes, dict[str, str]]:
    """A body and its headers, compressed when asked for and worth it; slow for long bodies."""
    if not compress or len(body) < MIN_COMPRESSED:
        return body, dict(headers)
    packed = gzip.compress(body, COMPRESSION_LEVEL, mtime=0)
    return packed, {**headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}


class ReadyAnswer:
    """An answer whose bytes are ready, as the ASGI application that sends it.

    The framework's own responses take longer to make than a posted value takes to read and to judge.
    """

    __slots__ = ("body", "code", "headers")

    def __init__(self, code: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.code = code
        self.headers = headers
        self.body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        rest = memoryview(self.body)
        await send({"type": "http.response.start", "status": self.code, "headers": self.headers})
        while len(rest) > PIECE:
            await send({"type": "http.response.body", "body": bytes(rest[:PIECE]), "more_body": True})
            rest = rest[PIECE:]
        body = self.body if len(rest) == len(self.body) else bytes(rest)
        await send({"type": "http.response.body", "body": body, "more_body": False})


def send(answer: Answer) -> ReadyAnswer:
    """A short answer."""
    return send_bytes(encode(answer.body), answer.headers, code=answer.code)


def send_bytes(
    body: bytes, headers: Mapping[str, str], *, code: int = 200, media_type: str = JSON
) -> ReadyAnswer:
    """An answer whose body is ready."""
    content_type = f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type
    raw = [(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(body))]
    raw += [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    return ReadyAnswer(code, raw, body)


def _path(request: AnyRequest) -> str:
    return str(request.scope["path"]).rstrip("/")


def _as_served(path: str, answer: Answer) -> Answer:
    """A rejection in the form of this path."""
    if path != TOKEN_PATH:
        return answer
    body = {"errors": [answer.body["message"]], "status": answer.code}
    return Answer(answer.code, body, answer.headers)


def refuse(path: str, error: GridloreError) -> Answer:
    """What went wrong, in the form that the contract has for this path."""
    path = path.rstrip("/")
    return _as_served(path, reject(error, RESPONSE_TYPES.get(path)))


def _rejection(request: AnyRequest, answer: Answer) -> Response[bytes]:
    answer = _as_served(_path(request), answer)
    return Response(
        encode(answer.body), status_code=answer.code, headers=dict(answer.headers), media_type=JSON
    )


def answer_error(request: AnyRequest, error: GridloreError) -> Response[bytes]:
    """What went wrong, in the contract's form."""
    return _rejection(request, reject(error, RESPONSE_TYPES.get(_path(request))))


def answer_http_error(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    """What the framework refused: unknown paths, wrong methods, bodies that are too large."""
    path = _path(request)
    if error.status_code == 405:
        route = _find_route(request)
        request.scope["path_template"] = route.path_format if route else ""  # the framework leaves it out
        allowed = ", ".join(sorted(route.methods - {"HEAD", "OPTIONS"})) if route else "GET"
        problem = f"{path or '/'} is served for {allowed}; got {request.method}."
        answer = reject(MethodError(problem), RESPONSE_TYPES.get(path))
        return _rejection(request, Answer(answer.code, answer.body, {"Allow": allowed}))
    if error.status_code == 413:
        return answer_error(
            request, BodyTooLargeError("The body is larger than this server takes. Send it in parts.")
        )
    if error.status_code == 404:
        message = f"There is nothing at {path or '/'}. The API is described at /docs; {PUBLIC}"
        body = {"status": "NOT_FOUND", "message": message, "result": "Rejected"}
        return _rejection(request, Answer(404, body))
    body = {"status": "INVALID_MESSAGE", "message": error.detail, "result": "Rejected"}
    return _rejection(request, Answer(error.status_code, body, error.headers or {}))


def _find_route(request: AnyRequest) -> HTTPRoute | None:
    """The route of a path that is served, whatever the method; None below a folder of files.

    Of several that fit, the one with the fewest parameters, as the framework has it.
    """
    parts = _path(request).split("/")[1:]
    fitting = [
        route
        for route in request.app.routes
        if isinstance(route, HTTPRoute)
        and len(route.path_components) == len(parts)
        and all(
            not isinstance(step, str) or step == part
            for step, part in zip(route.path_components, parts, strict=True)
        )
    ]
    return min(fitting, key=lambda route: len(route.path_parameters), default=None)


def answer_bug(request: AnyRequest, error: Exception) -> Response[bytes]:
    """A mistake of ours: told without details, logged with all of them but the path, which may be secret."""
    exchange: Any = request.scope["gridlore"]  # type: ignore[typeddict-item]
    route = request.scope.get("path_template") or "unknown"
    log.error("request failed", request_id=exchange.id.decode(), route=route, exc_info=error)
    body = {
        "status": "INTERNAL_ERROR",
        "message": _tell_bug(request),
        "result": "Rejected",
    }
    response_type = RESPONSE_TYPES.get(_path(request))
    return _rejection(
        request, Answer(500, body if response_type is None else {"type": response_type, **body})
    )


def _tell_bug(request: AnyRequest) -> str:
    """What is known after a mistake of ours, which may have come after a commit."""
    told = "Something went wrong on our side, and has been logged."
    if request.method != "POST":
        return told
    if _path(request) in RESPONSE_TYPES:
        return (
            f"{told} What was sent may be stored, or not; sending the same again is safe, since what is "
            "known already is not stored twice."
        )
    return f"{told} What was asked for may have been done, or not; please look before asking again."
