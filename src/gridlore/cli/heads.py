"""Bounds what comes before a request's body: the request line and the headers.

Layer: cli. The parser would keep a header of any length in memory.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADER_BYTES = 128 * 1024
"""The limit unless a setting says otherwise. [bytes]"""


class HeadTooLongError(Exception):
    """Raised through the parser, which then stops."""


class BoundedHeadProtocol(HttpToolsProtocol):
    """Stops reading a request whose head is too long.

    ``head_is_too_long`` then says so to ``send_400_response``, which is called for every such request.
    """

    max_header_bytes = MAX_HEADER_BYTES
    head_is_too_long = False
    _arrived = 0
    _in_head = False

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived."""
        self._arrived += len(data)
        super().data_received(data)
        if self._in_head and self._arrived > self.max_header_bytes and not self.head_is_too_long:
            self.head_is_too_long = True
            self.send_400_response("")

    def on_message_begin(self) -> None:
        """A request begins; other requests may have arrived with it."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is complete."""
        arrived, self._arrived, self._in_head = self._arrived, 0, False
        if arrived > self.max_header_bytes:
            length = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if length > self.max_header_bytes:
                self.head_is_too_long = True
                raise HeadTooLongError
        super().on_headers_complete()
