"""Requests as bytes, sent over real connections, so that nothing on the way puts them right."""

from __future__ import annotations

import gzip
import http.client
import socket
import time
from contextlib import suppress
from dataclasses import dataclass

import httpx

PATIENCE = 5.0
"""How long any answer may take. [s]"""


@dataclass(frozen=True)
class Sent:
    """A request as it goes over the wire."""

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes | None = None
    cut: int | None = None

    @property
    def odd(self) -> bool:
        """Whether it is more than a plain GET or POST with a type and a token."""
        return self.cut is not None or self.method not in {b"GET", b"POST"} or len(self.headers) > 2

    def encode(self) -> bytes:
        """All of it; of a ``cut`` one only so many bytes."""
        lines = [self.method + b" " + self.target + b" HTTP/1.1", b"Host: gridlore.example"]
        lines += [name + b": " + value for name, value in self.headers]
        if self.body is not None and not any(name.lower() == b"content-length" for name, _ in self.headers):
            lines.append(b"Content-Length: %d" % len(self.body))
        return (b"\r\n".join(lines) + b"\r\n\r\n" + (self.body or b""))[: self.cut]

    def __repr__(self) -> str:
        wire = self.encode()
        shown = wire if len(wire) < 4000 else wire[:3000] + b" ... " + wire[-500:]
        return f"{len(wire)} bytes: {shown!r}"


class Wire:
    """Sends one request after the other over a connection, and opens a new one when that was closed."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._socket: socket.socket | None = None

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, sent: Sent) -> tuple[httpx.Response | None, float]:
        """The answer, None if the server hung up instead or said nothing; and how long it took. [s]"""
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=2 * PATIENCE)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began = time.monotonic()
        answer = None
        with suppress(BrokenPipeError, ConnectionResetError):  # answered before all of it was read
            self._socket.sendall(sent.encode())
            if sent.cut is not None:
                self._socket.shutdown(socket.SHUT_WR)
        with suppress(http.client.HTTPException, ConnectionResetError, TimeoutError):
            answer = self._read(sent)
        took = time.monotonic() - began
        # What is odd may have been read as more than one request, or as less.
        if answer is None or sent.odd or answer.headers.get("Connection") == "close":
            self.close()
        return answer, took

    def _read(self, sent: Sent) -> httpx.Response:
        assert self._socket is not None
        answer = http.client.HTTPResponse(self._socket, method=sent.method.decode("latin-1"))
        answer.begin()
        content = answer.read()
        if answer.headers.get("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        headers = [pair for pair in answer.headers.items() if pair[0].lower() != "content-encoding"]
        return httpx.Response(answer.status, headers=headers, content=content)
