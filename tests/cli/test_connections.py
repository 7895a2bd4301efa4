"""Requests are told apart the same way however they are cut, and whatever protocol they wish for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.config import Config
from uvicorn.server import ServerState

from gridlore.cli.connections import AHEAD, LEAST_RATE, Patience, PatientProtocol, answer_too_many

WISHES = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    b"connection: keep-alive, upgrade\r\nUPGRADE: websocket\r\n",
    b"Upgrade: h2c\r\nConnection: upgrade\r\nUpgrade: TLS/1.0\r\n",
    b"Upgrade: h2c\r\n",
    b"Connection: upgrade\r\n",
)
SMUGGLED = b"POST /smuggled HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n"
"""What must stay a body where it is one."""

Request = tuple[str, str, bytes]
"""Method, path and body."""


@dataclass(frozen=True)
class Sent:
    """A request as it goes over the wire, and as it should come in."""

    wire: bytes
    request: Request


@st.composite
def requests(draw: st.DrawFn) -> Sent:
    body = draw(st.sampled_from([b"", b"{}", SMUGGLED, b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"]))
    wish = draw(st.sampled_from([b"", *WISHES]))
    path = draw(st.sampled_from(["/one", "/two?upgrade:=h2c"]))
    framing = draw(st.sampled_from(["length", "chunks"])) if body else "none"
    fields = [wish, b"Host: here\r\n"]
    framed = body
    if framing == "length":
        fields.append(b"Content-Length: %d\r\n" % len(body))
    elif framing == "chunks":
        fields.append(b"Transfer-Encoding: chunked\r\n")
        half = len(body) // 2
        chunks = [part for part in (body[:half], body[half:]) if part]
        framed = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in chunks) + b"0\r\n"
        framed += draw(st.sampled_from([b"", b"A-Trailer: after\r\nHost: there\r\n"])) + b"\r\n"
    head = b"".join(draw(st.permutations(fields)))
    method = b"POST" if body else draw(st.sampled_from([b"GET", b"POST"]))
    wire = b"%b %b HTTP/1.1\r\n%b\r\n%b" % (method, path.encode(), head, framed)
    return Sent(wire, (method.decode(), path.partition("?")[0], body))


def receive(pieces: Sequence[bytes]) -> tuple[list[Request], bytes]:
    """What the application is asked when these pieces come in, and what goes out."""
    asked: list[Request] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        assert [value for name, value in scope["headers"] if name in (b"host", b"a-trailer")] in (
            [],
            [b"here"],
        )
        asked.append((scope["method"], scope["path"], body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def serve() -> bytes:
        config = Config(application, log_config=None, ws="none", lifespan="off")
        config.load()
        protocol = PatientProtocol(
            Patience(request=10, answer=10, head=65536, connections=10),
            config=config,
            server_state=ServerState(),
            app_state={},
        )
        transport = Mock(**{"is_closing.return_value": False, "get_write_buffer_size.return_value": 0})
        transport.get_extra_info.return_value = None
        protocol.connection_made(transport)
        for piece in pieces:
            protocol.data_received(piece)
        for _ in range(max(1_000, 20 * len(pieces))):
            await asyncio.sleep(0)
        protocol.connection_lost(None)
        return b"".join(call.args[0] for call in transport.write.call_args_list)

    return asked, asyncio.run(serve())


def cut(stream: bytes, places: Sequence[int]) -> list[bytes]:
    marks = [0, *sorted({place % len(stream) for place in places}), len(stream)]
    return [stream[start:end] for start, end in pairwise(marks)]


@pytest.mark.parametrize("body", [b"", SMUGGLED])
@pytest.mark.parametrize(
    ("version", "wish"),
    [
        (b"1.1", b"Connection: close, Upgrade\r\nUpgrade: h2c\r\n"),
        (b"1.1", b"Upgrade: h2c\r\nConnection: Upgrade\r\nConnection: close\r\n"),
        (b"1.0", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"),
    ],
)
def test_a_last_request_is_answered_whatever_it_wishes_for(version: bytes, wish: bytes, body: bytes) -> None:
    head = b"POST /last HTTP/%b\r\n%bContent-Length: %d\r\n\r\n" % (version, wish, len(body))
    for stream in (head + body, head + body + SMUGGLED):
        for pieces in ([stream], cut(stream, range(len(stream)))):
            asked, answers = receive(pieces)
            assert asked == [("POST", "/last", body)]
            assert answers.startswith(b"HTTP/1.1 200 OK")


@given(sent=st.lists(requests(), min_size=1, max_size=4), places=st.lists(st.integers(0, 2000), max_size=12))
def test_requests_are_told_apart_the_same_way_however_they_are_cut(
    sent: list[Sent], places: list[int]
) -> None:
    pieces = cut(b"".join(one.wire for one in sent), places)
    asked, _ = receive(pieces)
    assert asked == [one.request for one in sent]


@pytest.mark.parametrize("wish", WISHES)
def test_byte_by_byte_a_body_stays_a_body(wish: bytes) -> None:
    head = b"POST /one HTTP/1.1\r\nHost: here\r\n%bContent-Length: %d\r\n\r\n" % (wish, len(SMUGGLED))
    asked, _ = receive([bytes([byte]) for byte in head + SMUGGLED])
    assert asked == [("POST", "/one", SMUGGLED)]


@pytest.mark.parametrize(
    "rubbish", [b"\0", b"GET /two HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n"], ids=["no HTTP", "too long"]
)
@pytest.mark.parametrize("together", [True, False])
def test_rubbish_behind_a_request_does_not_take_its_answer(rubbish: bytes, together: bool) -> None:
    request = b"POST /one HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\n{}"
    asked, answer = receive([request * 2 + rubbish] if together else [request * 2, rubbish])
    assert asked == [("POST", "/one", b"{}")] * 2
    assert answer.count(b"HTTP/1.1 200 OK") == answer.count(b"HTTP/1.1 ") == 2
    assert answer.lower().count(b"connection: close") == 1


def test_a_begun_request_that_turns_bad_does_not_take_the_answer_of_the_one_before() -> None:
    whole = b"POST /one HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\n{}"
    begun = b"POST /two HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"
    for stream in (whole + begun + b"rubbish\r\n", whole * 2 + begun + b"rubbish\r\n"):
        asked, answer = receive([stream])
        assert asked == [("POST", "/one", b"{}")] * stream.count(b"/one")
        assert answer.count(b"HTTP/1.1 200 OK") == answer.count(b"HTTP/1.1 ") == len(asked)
        assert answer.lower().count(b"connection: close") == 1


@pytest.mark.parametrize("trailers", [b"a: b\r\n" * 12_000, b"a: " + b"b" * 70_000], ids=["many", "long"])
def test_a_long_body_does_not_pay_for_long_trailers(trailers: bytes) -> None:
    head = b"POST /one HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    _, answer = receive([head, *[chunk] * 30, b"0\r\n", *cut(trailers, range(0, len(trailers), 9_000))])
    assert answer.startswith(b"HTTP/1.1 431 ")


GET = b"GET /%d HTTP/1.1\r\nHost: here\r\n\r\n"


def test_requests_sent_ahead_are_answered_in_order_and_too_many_end_the_connection() -> None:
    few, _ = receive([b"".join(GET % number for number in range(AHEAD))])
    assert [path for _, path, _ in few] == [f"/{number}" for number in range(AHEAD)]
    many, answers = receive([b"".join(GET % number for number in range(10_000))])
    assert len(many) == answers.count(b"HTTP/1.1 200 ") == AHEAD + 1
    assert answers.lower().count(b"connection: close") == 1, "what was taken in is answered first"


def hold(pieces: Sequence[bytes]) -> tuple[PatientProtocol, Mock]:
    """A connection on which these pieces have come, and nobody answers; and its transport."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(1_000)

    config = Config(application, log_config=None, ws="none", lifespan="off")
    config.load()
    patience = Patience(request=10, answer=30, head=65536, connections=10)
    protocol = PatientProtocol(patience, config=config, server_state=ServerState(), app_state={})
    transport = Mock(**{"is_closing.return_value": False, "get_write_buffer_size.return_value": 0})
    transport.get_extra_info.return_value = None
    protocol.connection_made(transport)
    for piece in pieces:
        protocol.data_received(piece)
    return protocol, transport


def test_nothing_more_is_read_while_requests_sent_ahead_wait() -> None:
    async def serve() -> list[str]:
        protocol, transport = hold([b"".join(GET % number for number in range(3))])
        done = []
        for _ in range(3):
            protocol.cycle.response_complete = True
            protocol.on_response_complete()
            changes = [call[0] for call in transport.method_calls if call[0].endswith("_reading")]
            done.append(changes[-1])
        protocol.connection_lost(None)
        return done

    assert asyncio.run(serve()) == ["pause_reading", "resume_reading", "resume_reading"]


def test_requests_sent_ahead_are_each_waited_for_from_when_they_are_begun() -> None:
    async def serve() -> list[bool]:
        protocol, transport = hold([b"".join(GET % number for number in range(3))])
        protocol.loop = clock = Mock(wraps=protocol.loop)
        now, ended = protocol.since, []
        for number, passed in enumerate((25, 50, 90)):
            clock.time.return_value = now + passed
            protocol.look()
            ended.append(transport.close.called)
            if number < 2:
                protocol.running.response_complete = True
                protocol.on_response_complete()
                protocol.look()
        return ended

    assert asyncio.run(serve()) == [False, False, True]


def test_what_still_comes_of_a_request_that_was_dropped_is_no_part_of_the_one_before() -> None:
    whole = b"POST /%d HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\n{}"
    begun = b"POST /2 HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\n[1"

    async def serve() -> list[bytes]:
        protocol, _ = hold([whole % 0 + whole % 1 + begun])
        protocol.turn_down(408, "The body did not arrive.")
        protocol.flow.resume_reading()  # as when the application asks for a body
        protocol.data_received(b"]]")
        waiting = [bytes(cycle.body) for cycle, _ in protocol.pipeline]
        protocol.connection_lost(None)
        return waiting

    assert asyncio.run(serve()) == [b"{}"]


@pytest.mark.parametrize(("rate", "lasts"), [(0, 10), (LEAST_RATE // 2, 20), (LEAST_RATE, 100)])
def test_a_burst_buys_no_silence(rate: int, lasts: int) -> None:
    """A client who has sent much is waited for no longer than one who has sent little."""

    async def serve() -> int:
        protocol, transport = hold([b"POST / HTTP/1.1\r\nContent-Length: 10000000\r\n\r\n"])
        protocol.loop = clock = Mock()
        clock.time.return_value = now = protocol.since
        for second in range(100):
            sent = 5_000_000 if second == 2 else rate
            protocol.on_body(b"x" * sent)
            protocol.flow.resume_reading()  # as when the application has taken it
            clock.time.return_value = now + second
            protocol.look()
            if transport.close.called:
                return second - 2
        protocol.connection_lost(None)
        return 100

    assert abs(asyncio.run(serve()) - lasts) <= 2


def test_one_address_takes_half_of_the_connections_at_most() -> None:
    patience = Patience(request=10, answer=10, head=65536, connections=10)
    state = ServerState()

    def connect(address: str, leaves: bool = False) -> bool:
        """Whether it is taken in."""
        config = Config(answer_too_many, log_config=None, ws="none", lifespan="off")
        config.load()
        protocol = PatientProtocol(patience, config=config, server_state=state, app_state={})
        protocol.app = Mock()
        transport = Mock()
        transport.get_extra_info.side_effect = {"peername": (address, 5000)}.get
        protocol.connection_made(transport)
        if leaves:
            protocol.connection_lost(None)
        return protocol.app is not answer_too_many

    async def serve() -> list[bool]:
        passing = [connect("192.0.2.7", leaves=True) for _ in range(3)]
        greedy = [connect("::ffff:192.0.2.7") for _ in range(7)]
        return [*passing, *greedy, connect("192.0.2.8"), connect("192.0.2.7")]

    assert asyncio.run(serve()) == [True] * 3 + [True] * 5 + [False, False, True, False]


def test_what_follows_a_wish_for_a_tunnel_is_read_by_nobody() -> None:
    asked, answer = receive([b"CONNECT here:80 HTTP/1.1\r\nHost: here:80\r\n\r\n" + SMUGGLED])
    assert asked == []
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
