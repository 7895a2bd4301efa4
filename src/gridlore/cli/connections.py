"""What one connection may cost: how long a client may take, how much it may send ahead, how many there are.

Layer: cli. The HTTP server's own protocol, with bounds, and with JSON, or a page, where it would answer in
plain text. Nothing is done per request but counting bytes: once a second each connection is looked at, and
one that waits too long for the same thing is answered, if it can be, and closed (docs/adr/019).
"""

from __future__ import annotations

import asyncio
from array import array
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from typing import Any

from httptools import HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gridlore.bootstrap import refuse
from gridlore.domain.errors import OverloadError, StoreUnavailableError
from gridlore.services.throttle import network_of
from gridlore.wire.responses import encode

LOOK_EVERY = 1.0
"""How often a connection is looked at. [s]"""

LEAST_RATE = 1024
"""What a client must send of a body, or take of an answer, once its time is over. [bytes/s]"""

FRAMING = 8
"""What a byte of a body may cost on the wire, in chunks of one byte each. [bytes]"""

AHEAD = 100
"""Requests that may be sent ahead of the answer to one of them; behind more the connection is closed."""

REFUSED_AT_ONCE = 256
"""Connections beyond the limit that are told so; still more are closed without a word."""

MAPPED = "::ffff:"
"""What an IPv4 address begins with on a socket that takes IPv6 too; settings and limits know it without."""

Headers = list[tuple[bytes, bytes]]

CLOSE = (b"connection", b"close")


class Stage(Enum):
    """What a connection waits for."""

    IDLE = "a request"
    HEAD = "the rest of a request's head"
    BODY = "the rest of a request's body"
    WORK = "an answer"
    TAKING = "the client, to take its answer"


@dataclass(frozen=True, slots=True)
class Patience:
    """The bounds of one connection.

    ``request`` is how long a client may take to send a head, and to go on with a body or take an answer
    [s]; ``answer`` how long an answer may be worked on [s]; ``head`` how long the request line and headers
    may be [bytes]; ``connections`` how many there may be, from one address half as many. ``of_address``
    counts them.
    """

    request: float
    answer: float
    head: int
    connections: int
    of_address: Counter[str] = field(default_factory=Counter)


class HeadRefusedError(Exception):
    """Raised through the parser, which then stops."""


class PlainParser(HttpRequestParser):
    """Reads requests and stays with HTTP/1.1 whatever they wish for, which HTTP allows.

    A parser that sees a wish for another protocol takes what follows the head for that protocol's, and reads
    no body. Then a new one is given the same head again, without the wish, and goes on behind it: so it does
    not matter in how many pieces a head comes, nor behind what. Java's own client wishes for HTTP/2 with
    every message that it posts.
    """

    def __init__(self, protocol: PatientProtocol) -> None:
        super().__init__(protocol)
        self.protocol = protocol
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does

    def feed_data(self, data: bytes | bytearray | memoryview[int] | array[int]) -> None:
        """Read on; raises as the parser does."""
        rest, read = memoryview(data), super().feed_data
        while rest:
            try:
                read(rest)
                break
            except HttpParserUpgrade as wish:
                rest = rest[wish.args[0] :]
            head = self.protocol.plain_head()
            # Anew: a parser that was told to close after this message would read no other.
            following = self.protocol.parser = PlainParser(self.protocol)
            read = super(PlainParser, following).feed_data
            read(head)


class PatientProtocol(HttpToolsProtocol):
    """Serves one connection, as long as its client goes on."""

    def __init__(self, patience: Patience, **parts: Any) -> None:
        super().__init__(**parts)
        self.parser = PlainParser(self)
        self.patience = patience
        self.body_bytes = 0
        self.arrived = 0
        self.head_is_too_long = False
        self.wishes_to_upgrade = False
        """Whether the head that was just read will be read again, as a plain one."""
        self.surplus = 0
        """Bytes of the present message that are no body. [bytes]"""
        self.deaf = False
        """Whether nothing more is read, as the connection ends with the answers that are worked on."""
        self.address = ""
        """What counts as the client's address."""
        self.running: Any = None
        """The request that the application works on; ``cycle`` is the one that came last."""
        self.waiting: tuple[Stage, object] = (Stage.HEAD, None)
        self.since = self.loop.time()
        """When patience began; what comes moves it on, as fast as it must come, and never beyond now. [s]"""
        self.mark = 0
        """How much had come by the last look. [bytes]"""
        self.look_again: asyncio.TimerHandle | None = None

    # asyncio's own declaration is wider; uvicorn's, which this extends, is the same
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a client in, or one too many, to be told so."""
        super().connection_made(transport)
        if self.client is not None:
            host, port = self.client
            self.client = host.removeprefix(MAPPED), port
            self.address = network_of(self.client[0])
        self.patience.of_address[self.address] += 1
        excess = len(self.connections) - self.patience.connections
        beyond_share = self.patience.of_address[self.address] - max(1, self.patience.connections // 2)
        if max(excess, beyond_share) > REFUSED_AT_ONCE:
            transport.abort()
        elif max(excess, beyond_share) > 0:
            self.app = answer_too_many
        self.look_again = self.loop.call_later(LOOK_EVERY, self.look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        if self.look_again is not None:
            self.look_again.cancel()
        self.patience.of_address[self.address] -= 1
        if not self.patience.of_address[self.address]:
            del self.patience.of_address[self.address]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what was sent, and bound what of it is no body."""
        if self.deaf:
            return
        self.arrived = len(data)
        self.surplus += self.arrived
        super().data_received(data)
        if self.surplus > self.patience.head and not self.transport.is_closing():
            self.head_is_too_long = True
            self.send_400_response("")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.surplus = 0

    def on_headers_complete(self) -> None:
        """The head is complete; its length matters only if it can be too long."""
        if self.arrived > self.patience.head:
            length = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if length > self.patience.head:
                self.head_is_too_long = True
                raise HeadRefusedError
        if len(self.pipeline) >= AHEAD:  # each takes a hundred times as much memory here as on the wire
            raise HeadRefusedError
        self.wishes_to_upgrade = self.parser.should_upgrade()
        if not self.wishes_to_upgrade:
            super().on_headers_complete()
            self.headers = []  # what follows the body does not change what stood before it
        elif self.parser.get_method() == b"CONNECT":  # what follows is no HTTP, wished for or not
            raise HeadRefusedError

    def on_message_complete(self) -> None:
        """A request has come whole."""
        if not self.wishes_to_upgrade:
            super().on_message_complete()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self.running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """A request has been answered; nothing more is read before those sent ahead have been, too."""
        super().on_response_complete()
        if self.pipeline:
            self.flow.pause_reading()

    def plain_head(self) -> bytes:
        """The head that was just read, without its wish for another protocol."""
        line = b"%b %b HTTP/%b\r\n" % (
            self.parser.get_method(),
            self.url,
            self.parser.get_http_version().encode(),
        )
        fields = (b"%b: %b\r\n" % field for field in self.headers if field[0] != b"upgrade")
        return line + b"".join(fields) + b"\r\n"

    def on_body(self, body: bytes) -> None:
        """Some of a body has come."""
        size = len(body)
        self.body_bytes += size
        self.surplus = max(0, self.surplus - FRAMING * size)  # or a long body would pay for long trailers
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Say what was wrong with what is no HTTP, or too long, and so never reaches the application."""
        if self.head_is_too_long:
            problem = f"The request line and headers are longer than {self.patience.head} bytes."
            self.turn_down(431, problem)
        else:
            self.turn_down(400, msg)

    def look(self) -> None:
        """See what the client is waited for, or waits for, and end what takes too long."""
        self.look_again = self.loop.call_later(LOOK_EVERY, self.look)
        waiting, amount = self.present()
        now = self.loop.time()
        if waiting != self.waiting or amount < self.mark:
            self.waiting, self.since, self.mark = waiting, now, amount
            return
        # What came in a burst pays for no more than now: or a second of it would buy hours of silence.
        self.since = min(now, self.since + (amount - self.mark) / LEAST_RATE)
        self.mark = amount
        stage = waiting[0]
        patience = self.patience.answer if stage is Stage.WORK else self.patience.request
        if stage is not Stage.IDLE and now - self.since > patience:
            self.give_up(stage)

    def present(self) -> tuple[tuple[Stage, object], int]:
        """What is waited for now, in which request; and how much of it has come so far. [bytes]"""
        cycle = self.cycle
        unsent = self.transport.get_write_buffer_size()
        if unsent:
            return (Stage.TAKING, cycle), -unsent
        if cycle is not None and not cycle.response_complete:
            if cycle.more_body and not self.flow.read_paused:
                return (Stage.BODY, cycle), self.body_bytes
            return (Stage.WORK, self.running), 0
        if self.timeout_keep_alive_task is not None:
            return (Stage.IDLE, cycle), 0
        return (Stage.HEAD, cycle), 0

    def give_up(self, stage: Stage) -> None:
        """Answer what can be answered, and close the connection."""
        seconds = self.patience.request
        if stage is Stage.WORK:
            problem = (
                f"There was no answer within {self.patience.answer:g} seconds. What was sent may be stored, "
                "or not; sending it again is safe, and tells."
            )
            answer = refuse(self.running.scope, StoreUnavailableError(problem))
            self.hang_up(answer.code, answer.headers, answer.body)
        elif stage is Stage.BODY:
            self.turn_down(408, f"The body did not arrive; {LEAST_RATE} bytes/s are the least.")
        elif stage is Stage.HEAD and self.begun():
            self.turn_down(408, f"The head did not arrive within {seconds:g} seconds.")
        else:
            self.transport.abort()

    def begun(self) -> bool:
        """Whether a request has begun to arrive whose head is not complete."""
        return self.scope is not None and (self.cycle is None or self.scope is not self.cycle.scope)

    def turn_down(self, code: int, problem: str) -> None:
        """Hang up on what is no request for the application.

        If what came before it is still worked on, that is answered, as it may be stored, and nothing else.
        """
        if self.close_once_answered():
            return
        message = f"{problem} Long lists belong in a JSON body, which GET requests may have as well."
        body = encode({"status": "INVALID_MESSAGE", "message": message, "result": "Rejected"})
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        self.hang_up(code, headers, body)

    def close_once_answered(self) -> bool:
        """Whether requests that came whole are still worked on; their answers then end the connection."""
        if self.pipeline and self.cycle.more_body:  # the newest waits in line, and will never be whole
            self.pipeline.popleft()
            self.cycle = self.pipeline[0][0] if self.pipeline else self.running
        last = self.cycle
        if last is None or last.more_body or last.response_complete:
            return False
        last.keep_alive = False
        self.deaf = True  # or what still comes of the one that was dropped would be taken for the last one's
        self.flow.pause_reading()
        return True

    def hang_up(self, code: int, headers: Headers, body: bytes) -> None:
        """Send an answer that the application has no part in, and close the connection."""
        running = self.running
        if running is not None and not running.response_complete:
            started = running.response_started
            running.disconnected = True  # what the application still has to say is heard by nobody
            running.message_event.set()
            if started:
                self.transport.abort()
                return
        fields = b"".join(b"%b: %b\r\n" % field for field in [*headers, CLOSE])
        status = f"HTTP/1.1 {code} {HTTPStatus(code).phrase}\r\n".encode()
        self.transport.write(status + fields + b"\r\n" + body)
        self.transport.close()


async def answer_too_many(scope: Any, receive: Any, send: Any) -> None:
    """What a client hears whose connection is one too many."""
    problem = "The server has as many connections as it takes, of all or from your address. Please come back."
    answer = refuse(scope, OverloadError(problem))
    headers = [*answer.headers, CLOSE]
    await send({"type": "http.response.start", "status": answer.code, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
