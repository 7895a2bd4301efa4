"""Read request bodies, unpacked, within the limit.

Layer: web.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import partial

from gridlore.domain.errors import BodyTooLargeError, MessageError
from gridlore.web.admission import hold
from gridlore.web.answers import AnyRequest, header
from gridlore.web.platform import Platform

SHORT_BODY = 64 * 1024
"""Longer bodies, as sent or unpacked, are unpacked and read in a thread. [bytes]"""

STEP = 4 * 1024
"""How much of a packed body is unpacked at a time. [bytes]"""

PIECE = 1024 * 1024
"""How much of an unpacked body comes at a time, and is counted before there is more. [bytes]"""

_GZIP = 16 + zlib.MAX_WBITS


async def read_body(platform: Platform, request: AnyRequest, limit: int) -> bytes:
    """The body, unpacked.

    Raises
    ------
    BodyTooLargeError
        It is longer than ``limit`` bytes, packed or unpacked.
    MessageError
        It is packed in another way than gzip, or badly.
    OverloadError
        With all others in work it is too much.
    """
    body = await _receive(request, limit)
    encoding = (header(request, b"content-encoding") or "identity").strip().lower()
    if encoding == "identity":
        return body
    if encoding not in {"gzip", "x-gzip"}:
        raise MessageError(f"Content-Encoding may be gzip, or absent; got {encoding!r}.")
    unpacked = unpack_short(body, limit) if len(body) <= SHORT_BODY else None
    if unpacked is not None:
        hold(request.scope, len(unpacked))
        return unpacked
    pieces = unpack(body, limit)
    unpack_on = partial(next, pieces, None)
    found: list[bytes] = []
    while (piece := await platform.in_thread(unpack_on)) is not None:
        hold(request.scope, len(piece))
        found.append(piece)
    return b"".join(found)


async def _receive(request: AnyRequest, limit: int) -> bytes:
    """The body as it was sent; of one that states too great a length, nothing is taken."""
    stated = header(request, b"content-length")
    size = int(stated) if stated and stated.isdecimal() else 0
    parts: list[bytes] = []
    received = 0
    while size <= limit:
        message = await request.receive()
        if message["type"] != "http.request":
            raise MessageError("The connection was closed before the whole body had come.")
        parts.append(message["body"])
        received += len(parts[-1])
        size = max(size, received)
        if size <= limit and not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)
    raise BodyTooLargeError(f"The body is larger than {limit} bytes. Send it in parts.")


def unpack_short(packed: bytes, limit: int) -> bytes | None:
    """The unpacked bytes of one gzip member that holds few; None of anything else, however it was made."""
    most = min(limit, SHORT_BODY)
    unpacker = zlib.decompressobj(_GZIP)
    try:
        unpacked = unpacker.decompress(packed, most)
    except zlib.error:
        return None
    return unpacked if unpacker.eof and not unpacker.unused_data else None


def unpack(packed: bytes, limit: int) -> Iterator[bytes]:
    """The unpacked bytes of gzip members, about a ``PIECE`` at a time; raises as ``read_body`` does.

    What follows a member is copied when it ends, so input is handed over in small steps: the rest of a body
    of very many members would be copied once for each otherwise.
    """
    rest, room = memoryview(packed), limit
    parts, size = [], 0
    unpacker = zlib.decompressobj(_GZIP)
    while rest:
        step = rest[:STEP]
        try:
            part = unpacker.decompress(step, PIECE)
        except zlib.error as error:
            raise MessageError(f"The body says it is gzip, and is not: {error}.") from error
        rest = rest[len(step) - len(unpacker.unused_data or unpacker.unconsumed_tail) :]
        room -= len(part)
        if room < 0:
            raise BodyTooLargeError(f"The unpacked body is larger than {limit} bytes. Send it in parts.")
        parts.append(part)
        size += len(part)
        if size >= PIECE:
            yield b"".join(parts)
            parts, size = [], 0
        if unpacker.eof and rest:
            unpacker = zlib.decompressobj(_GZIP)
    if packed and not unpacker.eof:
        raise MessageError("The body says it is gzip, and ends too early.")
    yield b"".join(parts)
