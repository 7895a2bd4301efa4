"""A proxy before PostgreSQL that cuts a connection at a COMMIT: before the server hears of it, or after.

It sees the messages of the protocol as they go out. A statement is known by its text or, once it is
prepared, by its name; only a COMMIT of posts counts, which have written blocks before.
"""

from __future__ import annotations

import re
import select
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field

WRITTEN, COMMIT = b"INSERT INTO belief_block", b"COMMIT\0"
_PREPARED = re.compile(rb"(_pg3_[0-9a-f]+\0)\s*(%b|%b)" % (WRITTEN, COMMIT))
BEFORE, AFTER = "before", "after"


@dataclass
class Proxy:
    """Passes on what clients and a server say; ``cut`` counts the connections that it cut.

    ``upstream`` is the server's socket in the file system.
    """

    upstream: str
    cut: int = 0
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    _armed: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.listener.getsockname()[1])

    def arm(self, side: str) -> None:
        """Cut the next COMMIT of a post: before it is passed on, or when the server has said it is done."""
        self._armed.append(side)

    def run(self) -> None:
        """Take connections until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
            server.connect(self.upstream)
            self._carry(client, server)

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        written, side, heard = False, "", b""
        marks: dict[bytes, list[bytes]] = {WRITTEN: [WRITTEN], COMMIT: [COMMIT]}
        while COMMIT not in heard:
            for end in select.select([client, server], [], [])[0]:
                data = end.recv(65536)
                if not data:
                    return
                if end is server and not side:
                    client.sendall(data)
                elif end is server:  # its client does not hear it
                    heard += data
                else:
                    for name, statement in _PREPARED.findall(data):
                        marks[statement].append(b"\0" + name)
                    written |= any(mark in data for mark in marks[WRITTEN])
                    if written and any(mark in data for mark in marks[COMMIT]):
                        written, side = False, self._armed.pop() if self._armed else ""
                        self.cut += bool(side)
                    if side == BEFORE:
                        return
                    server.sendall(data)
