"""A proxy before PostgreSQL that cuts a connection at a COMMIT: before the server hears of it, or after.

It sees the messages of the protocol as they go out. A COMMIT is known by its text or, once it is a prepared
statement, by that one's name; only those of posts count, which have copied something before.
"""

from __future__ import annotations

import re
import select
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field

COPIED, COMMIT = b"PGCOPY\n", b"COMMIT\0"
_PREPARED = re.compile(rb"(_pg3_[0-9a-f]+\0)COMMIT\0")
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
        copied, marks, side, heard = False, [COMMIT], "", b""
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
                    copied |= COPIED in data
                    marks += [b"\0" + name for name in _PREPARED.findall(data)]
                    if copied and any(mark in data for mark in marks):
                        copied, side = False, self._armed.pop() if self._armed else ""
                        self.cut += bool(side)
                    if side == BEFORE:
                        return
                    server.sendall(data)
