"""For those who watch over the server: is it up, can it work, how is it doing.

Layer: web.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from typing import TypeVar

import structlog
from litestar import get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from gridlore.domain.errors import (
    AuthenticationError,
    AuthorizationError,
    OverloadError,
    StoreUnavailableError,
)
from gridlore.web.answers import AnyRequest, header, pack, send, send_bytes, wants_gzip
from gridlore.web.exposition import MEDIA_TYPE, write_exposition
from gridlore.web.observation import Monitoring
from gridlore.web.platform import Platform
from gridlore.web.routes import LIVE_PATH, METRICS_PATH, READY_PATH
from gridlore.wire.responses import Answer, describe_readiness

log = structlog.get_logger(__name__)

T = TypeVar("T")

PATIENCE = 2.0
"""How long the store may take to answer before it counts as out of reach. [s]"""

BUSY: Mapping[str, str] = {"store": "cannot be asked: every thread waits for it, or works"}
HANGING: Mapping[str, str] = {"store": f"has not answered for {PATIENCE:g} seconds"}

FORWARDED = (b"x-forwarded-for", b"forwarded", b"via", b"x-real-ip")
"""Headers by which a request shows that it came through a proxy."""


@get(LIVE_PATH)
async def get_live() -> ASGIApp:
    """This process is up, and answers."""
    return send(Answer(200, {"status": "UP", "message": "This process answers."}))


def build_handlers(platform: Platform) -> list[HTTPRouteHandler]:
    """The handlers."""
    monitoring = platform.monitoring
    look_at_store = _ask_once(
        platform,
        lambda: monitoring.readiness.check(time.monotonic()),
        busy=BUSY,
        hanging=HANGING,
    )

    async def look() -> Mapping[str, str]:
        """What is ok and what is not."""
        now = time.monotonic()
        return (
            monitoring.readiness.check(now) if monitoring.readiness.is_known(now) else await look_at_store()
        )

    def count() -> int | None:
        try:
            return platform.freshness.count_late(platform.directory.current, platform.clock())
        except StoreUnavailableError:
            return None
        except Exception:  # the other figures are worth the more when something is wrong
            log.exception("late sensors cannot be counted")
            return None

    count_late = _ask_once(platform, count, busy=None, hanging=None)

    @get(READY_PATH)
    async def get_ready() -> ASGIApp:
        """Whether this process can serve; 503 with what is wrong when it cannot."""
        return send(describe_readiness(await look()))

    @get(METRICS_PATH)
    async def get_metrics(request: AnyRequest) -> ASGIApp:
        """How all processes of this server are doing, for Prometheus."""
        _check_access(monitoring, request)

        late = await count_late()

        def write() -> tuple[bytes, dict[str, str]]:
            return pack(write_exposition(*monitoring.board.read(), late), {}, compress=wants_gzip(request))

        # Not in one of the platform's threads, which may all wait for the store: then figures matter most.
        return send_bytes(*await asyncio.to_thread(write), media_type=MEDIA_TYPE)

    return [get_live, get_ready, get_metrics]


def _ask_once(
    platform: Platform, function: Callable[[], T], *, busy: T, hanging: T
) -> Callable[[], Awaitable[T]]:
    """Asks the store beside the event loop: once, however many want to know, and for no longer than PATIENCE.

    ``busy`` is the answer when no thread comes free, ``hanging`` when the store does not answer in time.
    """
    asking: asyncio.Future[T] | None = None

    async def run() -> T:
        try:
            return await platform.in_thread(function)
        except OverloadError:
            return busy

    async def ask() -> T:
        nonlocal asking
        if asking is None or asking.done():
            asking = asyncio.ensure_future(run())
        try:
            return await asyncio.wait_for(asyncio.shield(asking), PATIENCE)
        except TimeoutError:
            return hanging

    return ask


def _check_access(monitoring: Monitoring, request: AnyRequest) -> None:
    """Raises unless the request may read the metrics."""
    if monitoring.metrics == "off":
        raise NotFoundException
    given = (header(request, b"authorization") or "").removeprefix("Bearer ").strip()
    if monitoring.metrics_token and given:
        if not hmac.compare_digest(given.encode(), monitoring.metrics_token.encode()):
            raise AuthenticationError
        return
    if monitoring.metrics == "local" and not _is_local(request):
        raise AuthorizationError


def _is_local(request: AnyRequest) -> bool:
    """Whether a program on this machine asks for itself, and not a proxy for somebody else."""
    if request.client is None or any(name in FORWARDED for name, _ in request.scope["headers"]):
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False
