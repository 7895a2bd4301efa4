"""Read request bodies, unpacked, within the limit.

Layer: web.
"""

from __future__ import annotations

import zlib

from gridlore.domain.errors import BodyTooLargeError, MessageError
from gridlore.web.admission import hold
from gridlore.web.answers import AnyRequest, header

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
    unpacked = unpack(body, limit)
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


def unpack(packed: bytes, limit: int) -> bytes:
    """The unpacked bytes of one or more gzip members; raises as ``read_body`` does."""
    parts: list[bytes] = []
    room = limit
    while packed:
        unpacker = zlib.decompressobj(_GZIP)
        try:
            part = unpacker.decompress(packed, room + 1)
        except zlib.error as error:
            raise MessageError(f"The body says it is gzip, and is not: {error}.") from error
        room -= len(part)
        if room < 0:
            raise BodyTooLargeError(f"The unpacked body is larger than {limit} bytes. Send it in parts.")
        if not unpacker.eof:
            raise MessageError("The body says it is gzip, and ends too early.")
        parts.append(part)
        packed = unpacker.unused_data
    return b"".join(parts)
