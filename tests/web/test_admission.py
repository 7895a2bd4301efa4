"""Bodies in work at once are bounded: what would be too much is put off, and room comes back."""

import asyncio
from typing import Any

import pytest

from gridlore.domain.errors import OverloadError
from gridlore.web.admission import Bodies, hold


class Request:
    """A request whose body comes in parts, and that stays in work until it is let go of."""

    def __init__(self, bodies: Bodies, *parts: int, unpacked: int = 0, address: str = "") -> None:
        self.bodies, self.parts, self.unpacked = bodies, list(parts), unpacked
        self.done = asyncio.Event()
        scope = {"client": (address, 5000)} if address else {}
        self.task = asyncio.create_task(bodies.around(self.serve, scope, self.receive, None))

    async def receive(self) -> dict[str, Any]:
        return {"type": "http.request", "body": b"x" * self.parts.pop(0), "more_body": bool(self.parts)}

    async def serve(self, scope: Any, receive: Any, send: Any) -> None:
        while self.parts:
            await receive()
        hold(scope, self.unpacked)
        await self.done.wait()

    async def finish(self) -> None:
        self.done.set()
        await self.task


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def put_off_the_third() -> None:
    bodies = Bodies(1000)
    first = Request(bodies, 300, 300)
    second = Request(bodies, 400)
    await settle()
    assert bodies.held == 1000
    with pytest.raises(OverloadError):
        await Request(bodies, 1).finish()
    await first.finish()
    third = Request(bodies, 100, unpacked=500)
    await settle()
    assert bodies.held == 1000
    await second.finish()
    await third.finish()
    assert bodies.held == 0


async def take_one_however_large() -> None:
    bodies = Bodies(1000)
    alone = Request(bodies, 3000, 3000, unpacked=9000)
    await settle()
    assert bodies.held == 15_000
    with pytest.raises(OverloadError):
        await Request(bodies, 1).finish()
    await alone.finish()
    assert bodies.held == 0


def test_a_body_that_is_too_much_beside_the_others_is_put_off() -> None:
    asyncio.run(put_off_the_third())


async def ask_from_two_addresses() -> None:
    bodies = Bodies(1000)
    first = Request(bodies, 300, address="2001:db8::1")
    await settle()
    with pytest.raises(OverloadError, match="From your address"):
        await Request(bodies, 300, address="2001:db8::2").finish()
    other = Request(bodies, 500, address="192.0.2.7")
    await settle()
    assert bodies.held == 800
    await first.finish()
    again = Request(bodies, 300, address="2001:db8::2")
    await settle()
    await other.finish()
    await again.finish()
    assert bodies.held == 0


def test_one_address_holds_half_at_most_beside_others() -> None:
    asyncio.run(ask_from_two_addresses())


def test_one_body_alone_is_always_taken() -> None:
    asyncio.run(take_one_however_large())
