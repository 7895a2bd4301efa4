"""How many bytes of request bodies are in work at once, and that they do not become too many.

Layer: web. Plain ASGI, around the framework: whatever reads a body, it is counted as it comes in, until
its request has been answered. Called from the event loop alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from gridlore.domain.errors import OverloadError
from gridlore.services.throttle import network_of

Serve = Callable[[Any, Any, Any], Awaitable[None]]

_HELD = "gridlore.held"
"""Where the scope of a request has what it holds."""


class Bodies:
    """Bounds the bytes that all requests hold, and those of one address to half; one alone may always go on.

    Parameters
    ----------
    limit : int
        For all of them. [bytes]
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.held = 0
        self._of: Counter[str] = Counter()
        """What the requests of one address hold. [bytes]"""

    async def around(self, serve: Serve, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request, and count what it holds."""
        client = scope.get("client")
        held = scope[_HELD] = Held(self, receive, network_of(client[0]) if client else "")
        try:
            await serve(scope, held.receive, send)
        finally:
            if held.size:
                self.give_back(held)

    def take(self, size: int, held: Held) -> None:
        """Count more bytes of a request.

        Raises
        ------
        OverloadError
            It would be too much, of all or of one address.
        """
        of_address = self._of[held.address] if held.address else 0
        if self.held > held.size and self.held + size > self._limit:
            raise OverloadError("The server has more bytes in work than it takes. Please send this again.")
        if of_address > held.size and of_address + size > self._limit // 2:
            raise OverloadError(
                "From your address the server has more bytes in work than it takes. Please send this again."
            )
        self.held += size
        self._of[held.address] += size

    def give_back(self, held: Held) -> None:
        """A request has been answered."""
        self.held -= held.size
        self._of[held.address] -= held.size
        if not self._of[held.address]:
            del self._of[held.address]


class Held:
    """What one request holds. [bytes]"""

    __slots__ = ("_bodies", "_receive", "address", "size")

    def __init__(self, bodies: Bodies, receive: Any, address: str) -> None:
        self._bodies = bodies
        self._receive = receive
        self.address = address
        self.size = 0

    async def receive(self) -> Any:
        """The next part of the request, counted."""
        message = await self._receive()
        if size := len(message.get("body", b"")):
            self.take(size)
        return message

    def take(self, size: int) -> None:
        """Hold more; raises as ``Bodies.take`` does."""
        self._bodies.take(size, self)
        self.size += size


def hold(scope: Any, size: int) -> None:
    """Count bytes that a request has beside its body, unpacked ones; raises as ``Bodies.take`` does."""
    if not size:
        return
    scope[_HELD].take(size)
