"""Read request bodies, unpacked, within the limit.

Layer: web.
"""

from __future__ import annotations

import zlib

from gridlore.domain.errors import BodyTooLargeError, MessageError
from gridlore.web.admission import hold
from gridlore.web.answers import AnyRequest, header
from gridlore.web.platform import Platform

SHORT_BODY = 64 * 1024
"""Longer bodies, as sent or unpacked, are unpacked and read in a thread. [bytes]"""

FIRST_PART = 4 * 1024
"""How much of a gzip member is looked at first. [bytes]"""

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
    if unpacked is None:
        unpacked = await platform.in_thread(unpack, body, limit)
    hold(request.scope, len(unpacked))
    return unpacked


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


def unpack_short(packed: bytes, limit: int) -> bytes | None:
    """The unpacked bytes of one gzip member that holds few; None of anything else, however it was made."""
    most = min(limit, SHORT_BODY)
    unpacker = zlib.decompressobj(_GZIP)
    try:
        unpacked = unpacker.decompress(packed, most)
    except zlib.error:
        return None
    return unpacked if unpacker.eof and not unpacker.unused_data else None


def unpack(packed: bytes, limit: int) -> bytes:
    """The unpacked bytes of one or more gzip members; raises as ``read_body`` does.

    What follows a member is looked at again. So a member is read in parts, small ones first: a body of very
    many members would be copied once for each otherwise.
    """
    parts: list[bytes] = []
    view, start, room = memoryview(packed), 0, limit
    while start < len(packed):
        unpacker, size = zlib.decompressobj(_GZIP), FIRST_PART
        while not unpacker.eof:
            if start >= len(packed):
                raise MessageError("The body says it is gzip, and ends too early.")
            taken = view[start : start + size]
            try:
                part = unpacker.decompress(taken, room + 1)
            except zlib.error as error:
                raise MessageError(f"The body says it is gzip, and is not: {error}.") from error
            room -= len(part)
            if room < 0:
                raise BodyTooLargeError(f"The unpacked body is larger than {limit} bytes. Send it in parts.")
            parts.append(part)
            start += len(taken) - len(unpacker.unused_data)
            size *= 2
    return b"".join(parts)
