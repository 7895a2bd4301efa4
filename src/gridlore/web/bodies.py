"""Read request bodies, unpacked, within the limit.

Layer: web.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator

from gridlore.domain.errors import BodyTooLargeError, MessageError
from gridlore.web.admission import hold
from gridlore.web.answers import AnyRequest, header

STEP = 4 * 1024
"""Of a packed body, so much is unpacked at a time. [bytes]"""

PIECE = 1024 * 1024
"""Of an unpacked body, so much may come at a time: a few milliseconds of work. [bytes]"""

MAX_MEMBERS = 10_000
"""Members that a gzip body may have; packers that work in blocks make one for 64 KiB or so."""

_GZIP = 16 + zlib.MAX_WBITS


async def read_body(request: AnyRequest, limit: int) -> bytes:
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
    pieces: list[bytes] = []
    at_once = 0
    for piece in unpack(body, limit) if body else ():
        hold(request.scope, len(piece))
        pieces.append(piece)
        at_once += len(piece)
        if at_once >= PIECE:
            await asyncio.sleep(0)  # others go on in the meantime
            at_once = 0
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


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
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)
        received += len(parts[-1])
        size = max(size, received)
    raise BodyTooLargeError("The body is larger than this server takes. Send it in parts.")


def unpack(packed: bytes, limit: int) -> Iterator[bytes]:
    """The unpacked bytes of one or more gzip members, in pieces; raises as ``read_body`` does.

    What is left of the input is copied whenever a member ends, so it is handed over in small steps.
    """
    rest = memoryview(packed)
    unpacker, room, members = zlib.decompressobj(_GZIP), limit, 1
    while rest or not unpacker.eof:
        step = rest[:STEP]
        try:
            piece = unpacker.decompress(step, PIECE)
        except zlib.error as error:
            raise MessageError(f"The body says it is gzip, and is not: {error}.") from error
        left = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        rest = rest[len(step) - len(left) :]
        room -= len(piece)
        if room < 0:
            raise BodyTooLargeError(f"The unpacked body is larger than {limit} bytes. Send it in parts.")
        yield piece
        if unpacker.eof and rest:
            unpacker, members = zlib.decompressobj(_GZIP), members + 1
            if members > MAX_MEMBERS:
                raise MessageError(f"A gzip body may have at most {MAX_MEMBERS} members.")
        elif not (unpacker.eof or piece or rest):
            raise MessageError("The body says it is gzip, and ends too early.")
