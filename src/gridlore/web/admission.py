"""How many bytes of request bodies are in work at once, and that they do not become too many.

Layer: web. Plain ASGI, around the framework: whatever reads a body, it is counted as it comes in, until
its request has been answered. Called from the event loop alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from gridlore.domain.errors import OverloadError

Serve = Callable[[Any, Any, Any], Awaitable[None]]

_HELD = "gridlore.held"
"""Where the scope of a request has what it holds."""


class Bodies:
    """Bounds the bytes that all requests hold; one alone may always go on.

    Parameters
    ----------
    limit : int
        For all of them. [bytes]
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.held = 0

    async def around(self, serve: Serve, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request, and count what it holds."""
        held = scope[_HELD] = Held(self, receive)
        try:
            await serve(scope, held.receive, send)
        finally:
            self.held -= held.size

    def take(self, size: int, own: int) -> None:
        """Count more bytes, of a request that holds ``own`` already.

        Raises
        ------
        OverloadError
            It would be too much.
        """
        if self.held > own and self.held + size > self._limit:
            raise OverloadError("The server has more messages in work than it takes. Please send this again.")
        self.held += size


class Held:
    """What one request holds. [bytes]"""

    __slots__ = ("_bodies", "_receive", "size")

    def __init__(self, bodies: Bodies, receive: Any) -> None:
        self._bodies = bodies
        self._receive = receive
        self.size = 0

    async def receive(self) -> Any:
        """The next part of the request, counted."""
        message = await self._receive()
        if size := len(message.get("body", b"")):
            self.take(size)
        return message

    def take(self, size: int) -> None:
        """Hold more; raises as ``Bodies.take`` does."""
        self._bodies.take(size, self.size)
        self.size += size


def hold(scope: Any, size: int) -> None:
    """Count bytes that a request has beside its body, unpacked ones; raises as ``Bodies.take`` does."""
    scope[_HELD].take(size)
