"""A load of HTTP/1.1 requests over kept-alive connections: as little client as can be.

Requests are bytes built beforehand; each client sends one, waits for its whole answer, and takes the next
that nobody has taken. Bounded in count (the requests) and in time. uvloop and raw sockets, so that one
core of client is enough for one core of server.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import uvloop

HANGING = 60.0
"""How long after the time limit an answer may still come. [s]"""


class LoadError(Exception):
    """A server answered with another status than 200, or not at all."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a load came to.

    ``seconds``: from the first request to the last answer. ``latencies``: of each request, in order of
    answer [s]. ``answers``: the bodies, in the same order; ``numbers``: which request each answers.
    """

    seconds: float
    latencies: Sequence[float]
    answers: Sequence[bytes]
    numbers: Sequence[int]

    @property
    def count(self) -> int:
        """Requests answered."""
        return len(self.answers)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.count / self.seconds

    def percentile(self, percent: float) -> float:
        """Latency that ``percent`` of the requests did not exceed. [ms]"""
        return float(np.percentile(self.latencies, percent)) * 1000


class _Load:
    """The requests of one load, and what came back."""

    def __init__(self, requests: Sequence[bytes], clients: int) -> None:
        self.requests = requests
        self.next = 0
        self.deadline = 0.0
        self.latencies: list[float] = []
        self.answers: list[bytes] = []
        self.numbers: list[int] = []
        self.busy = clients
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self, now: float) -> int | None:
        """The number of the next request, or None when there are no more or the time is over."""
        if self.next >= len(self.requests) or now > self.deadline or self.done.done():
            self.busy -= 1
            if not self.busy and not self.done.done():
                self.done.set_result(None)
            return None
        self.next += 1
        return self.next - 1

    def fail(self, why: str) -> None:
        """Give up."""
        if not self.done.done():
            self.done.set_exception(LoadError(why))


class _Client(asyncio.Protocol):
    def __init__(self, load: _Load) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._parts: list[bytes] = []
        self._missing = -1
        self._number: int | None = None
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send_next(self) -> None:
        """Send a request that nobody has sent yet."""
        now = time.perf_counter()
        self._number = self._load.take(now)
        if self._number is not None and self._transport is not None:
            self._sent = now
            self._transport.write(self._load.requests[self._number])

    def data_received(self, data: bytes) -> None:
        if self._missing < 0:
            data = self._read_head(b"".join([*self._parts, data]))
            if self._missing < 0:
                return
        self._parts.append(data)
        self._missing -= len(data)
        if self._missing <= 0:
            self._finish()

    def _read_head(self, data: bytes) -> bytes:
        """What follows the head, once it is there; ``_missing`` is then the length of the body."""
        end = data.find(b"\r\n\r\n")
        self._parts = []
        if end < 0:
            self._parts.append(data)
            return b""
        head = data[:end].lower()
        at = head.find(b"content-length:")
        if at < 0:
            self._load.fail(f"An answer states no length: {head.decode()}")
            return b""
        self._missing = int(head[at + 15 :].split(b"\r\n", 1)[0])
        if not head.startswith(b"http/1.1 200"):
            self._load.fail(f"{data[:2000].decode(errors='replace')}")
        return data[end + 4 :]

    def _finish(self) -> None:
        load, number = self._load, self._number
        if number is None:
            load.fail("A server answered what nobody asked.")
            return
        load.latencies.append(time.perf_counter() - self._sent)
        load.answers.append(b"".join(self._parts))
        load.numbers.append(number)
        self._parts, self._missing = [], -1
        self.send_next()

    def connection_lost(self, error: Exception | None) -> None:
        self._load.fail(f"A server closed the connection: {error}")


async def _send(port: int, requests: Sequence[bytes], clients: int, limit: float) -> Outcome:
    loop = asyncio.get_running_loop()
    load = _Load(requests, clients)
    connected = [
        await loop.create_connection(lambda: _Client(load), "127.0.0.1", port) for _ in range(clients)
    ]
    start = time.perf_counter()
    load.deadline = start + limit
    for _, client in connected:
        client.send_next()
    try:
        await asyncio.wait_for(load.done, limit + HANGING)
    except TimeoutError:
        raise LoadError(f"No answer within {HANGING:g} s.") from None
    finally:
        seconds = time.perf_counter() - start
        for transport, _ in connected:
            transport.abort()
    return Outcome(seconds, load.latencies, load.answers, load.numbers)


def send_load(port: int, requests: Sequence[bytes], *, clients: int, limit: float = 30.0) -> Outcome:
    """What comes of sending ``requests`` to 127.0.0.1 by so many clients at once.

    Parameters
    ----------
    requests : sequence of bytes
        Whole HTTP requests, sent in this order.
    limit : float
        After this time no further request is sent. [s]

    Raises
    ------
    LoadError
        An answer was no 200, or none came.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_send(port, requests, clients, limit))
