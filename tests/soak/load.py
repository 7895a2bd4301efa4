"""The clients: raw HTTP/1.1 over kept-alive connections on uvloop, so that one core is enough for them.

Closed loop: each client sends as soon as it has an answer. Open loop: each request has a moment when it is
due, whatever became of those before it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from typing import cast

from tests.soak.mix import Ask

CLIENTS = 64
"""Connections of the open loop: so many answers may be waited for before a request is sent late."""

LATE = 0.010
"""A request sent so long after it was due is late, and waits since then; less is the grain of timers. [s]"""

HANGING = 60.0
"""How long an answer is waited for. [s]"""


class Link(asyncio.Protocol):
    """One connection: a request, its answer, the next."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._data = bytearray()
        self._body = self._end = 0
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status code and body of the answer.

        Raises
        ------
        ConnectionError
            The server hung up.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the server has hung up")
        self._answer = asyncio.get_running_loop().create_future()
        self._data.clear()
        self._end = 0
        self._transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._end:
            self._body = self._data.find(b"\r\n\r\n") + 4
            if self._body < 4:
                return
            head = bytes(self._data[: self._body]).lower()
            at = head.find(b"content-length:")
            self._end = self._body + (int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0)
        if len(self._data) >= self._end and self._answer is not None and not self._answer.done():
            self._answer.set_result((int(self._data[9:12]), bytes(self._data[self._body :])))

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError(str(error or "the server hung up")))

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()


@dataclass
class Period:
    """What happened in one part of the load: latencies by kind [s], own memory of the server [MiB].

    ``seconds``: how long it lasted; ``cpu``: what the server used of its core meanwhile; ``yardstick``: how
    long a fixed piece of work took the client's core. [s]
    """

    latencies: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    late: int = 0
    stored: int = 0
    memory: list[float] = field(default_factory=list)
    seconds: float = 0.0
    cpu: float = 0.0
    yardstick: list[float] = field(default_factory=list)

    def take(self, ask: Ask, seconds: float, problem: str | None, *, late: bool = False) -> None:
        """Count one answer."""
        self.latencies.setdefault(ask.kind, []).append(seconds)
        self.late += late
        if problem is None:
            self.stored += ask.stored
        else:
            self.errors.append(problem)

    @property
    def count(self) -> int:
        """Requests answered."""
        return sum(len(latencies) for latencies in self.latencies.values())

    @property
    def capacity(self) -> float:
        """Requests per second at which the server's core would be fully busy."""
        return self.count / self.cpu if self.cpu else math.inf


class Sender:
    """Sends requests to 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def _connect(self) -> Link:
        _, link = await asyncio.get_running_loop().create_connection(Link, "127.0.0.1", self._port)
        return link

    async def send(
        self, asks: Iterable[Ask], moments: Iterator[float], clients: int, take: Callable[..., None]
    ) -> None:
        """Send a request at each moment; at once where the moment is past.

        ``take`` is told of each answer: to what, when that was due, how long it took [s], what was wrong with
        it, and whether it was sent late.
        """
        order = iter(asks)

        async def work() -> None:
            link = await self._connect()
            try:
                for moment in moments:
                    ask = next(order, None)
                    if ask is None:
                        return
                    if (early := moment - time.perf_counter()) > 0:
                        await asyncio.sleep(early)
                    sent = time.perf_counter()
                    late = bool(moment) and sent - moment > LATE
                    try:
                        async with asyncio.timeout(HANGING):
                            problem = ask.find_problem(*await link.ask(ask.request))
                    except (ConnectionError, TimeoutError) as error:
                        problem = f"{ask.kind}: {error!r}"
                        link.close()
                        link = await self._connect()
                    done = time.perf_counter()
                    take(ask, moment, done - (moment if late else sent), problem, late=late)
            finally:
                link.close()

        await asyncio.gather(*(work() for _ in range(clients)))

    async def send_all(self, asks: Iterable[Ask], clients: int = 8) -> Period:
        """Send so many and no more, as fast as they are answered."""
        period = Period()
        await self.send(asks, repeat(0.0), clients, lambda ask, _, *rest, **facts: period.take(ask, *rest))
        return period

    async def measure_rate(self, asks: Iterable[Ask], seconds: float, clients: int) -> tuple[float, Period]:
        """Answers per second when each client asks again at once; the first quarter warms up."""
        period, warm = Period(), Period()
        began = time.perf_counter()
        middle, end = began + seconds / 4, began + seconds

        def go_on() -> Iterator[float]:
            while time.perf_counter() < end:
                yield 0.0

        def take(ask: Ask, _: float, taken: float, problem: str | None, **__: bool) -> None:
            (warm if time.perf_counter() < middle else period).take(ask, taken, problem)

        await self.send(asks, go_on(), clients, take)
        rate = period.count / (time.perf_counter() - middle)
        period.errors += warm.errors
        return rate, period

    async def keep_up(self, asks: Iterable[Ask], rate: float, seconds: float, period: Period) -> None:
        """Send evenly, so many per second, and count the answers in ``period``."""
        began = time.perf_counter() + 0.05
        moments = (began + number / rate for number in range(max(1, round(rate * seconds))))
        await self.send(
            asks, moments, CLIENTS, lambda ask, _, *rest, **facts: period.take(ask, *rest, **facts)
        )


def percentile(values: list[float], part: float) -> float:
    """The value that so many of a hundred do not exceed; NaN of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part / 100))] if ordered else math.nan
