"""What the web layer works with, put together by ``bootstrap``.

Layer: web.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from gridlore.domain.sensors import User
from gridlore.services.accounts import Accounts, PasswordHash
from gridlore.services.administration import Administration
from gridlore.services.audit import AuditTrail
from gridlore.services.directory_cache import DirectoryCache
from gridlore.services.freshness import FreshnessReader
from gridlore.services.ingest import Ingest
from gridlore.services.keys import KeyRing
from gridlore.services.query import Query
from gridlore.services.throttle import LoginThrottle
from gridlore.web.admission import Bodies
from gridlore.web.observation import Monitoring
from gridlore.web.receipts import Receipts
from gridlore.web.threads import Threads

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 8
"""Threads that read and do other blocking work beside the event loop."""

THREADS_OF_USER = THREADS // 2
"""Those of them with which one user reads at once: a read of a great deal takes some seconds of a thread."""

PATIENCE = 10.0
"""How long a request waits for one of them: twice as long as a thread waits for a database in vain. [s]"""

PASSWORDS_AT_ONCE = 2
"""Passwords hashed at once, in threads of their own: each takes 64 MiB and a core for some tenths of a
second, by design, so many log-ins hold up one another and nobody else."""

PASSWORD_NICENESS = 10
"""A core that is busy gives the four threads of a hash a third of its time, not four fifths."""

TABLES_AT_ONCE = 2
WORKBOOKS_AT_ONCE = 2
"""Uploaded files read at once. They have threads of their own, so that nothing else waits for them; and texts
do not wait for workbooks, which can be made to take a minute."""

EXPORTS_AT_ONCE = 2
"""Tables (CSV) written at once, likewise: a million rows take some ten seconds."""

FILE_PATIENCE = 20.0
"""How long a file waits for others to be read, or written. [s]"""

MAX_OPEN_BYTES = 64 * 1024
"""Longest body, as sent and unpacked, where nobody has shown yet who they are, and of a form. [bytes]"""


def _threads() -> Threads:
    busy = "The server is too busy. Please come back."
    return Threads("web", THREADS, patience=PATIENCE, busy=busy, each=THREADS_OF_USER)


def _file_threads(name: str, count: int, done: str = "read") -> Threads:
    busy = f"Other files are being {done} right now. Please try again in a minute."
    return Threads(name, count, patience=FILE_PATIENCE, busy=busy, each=1)


def _password_threads() -> Threads:
    busy = "Too many people are logging in right now. Please try again in a moment."
    return Threads("passwords", PASSWORDS_AT_ONCE, patience=PATIENCE, busy=busy, niceness=PASSWORD_NICENESS)


@dataclass(frozen=True, slots=True)
class Platform:
    """The services, and what of the settings the web layer needs.

    ``clock`` gives the time. [µs since epoch]
    """

    directory: DirectoryCache
    accounts: Accounts
    ingest: Ingest
    query: Query
    freshness: FreshnessReader
    administration: Administration
    keys: KeyRing
    throttle: LoginThrottle
    trail: AuditTrail
    monitoring: Monitoring
    max_body_bytes: int
    bodies: Bodies
    max_values: int
    session_max_age: int
    session_cookie_secure: bool
    cors_origins: tuple[str, ...]
    close: Callable[[], None]
    clock: Callable[[], int]
    receipts: Receipts = field(default_factory=Receipts)
    threads: Threads = field(default_factory=_threads)
    passwords: Threads = field(default_factory=_password_threads)
    tables: Threads = field(default_factory=lambda: _file_threads("tables", TABLES_AT_ONCE))
    workbooks: Threads = field(default_factory=lambda: _file_threads("workbooks", WORKBOOKS_AT_ONCE))
    exports: Threads = field(default_factory=lambda: _file_threads("exports", EXPORTS_AT_ONCE, "written"))

    @property
    def all_threads(self) -> tuple[Threads, ...]:
        """Every kind of them."""
        return self.threads, self.passwords, self.tables, self.workbooks, self.exports

    @property
    def max_open_bytes(self) -> int:
        """Longest body of a request that anybody may send. [bytes]"""
        return min(MAX_OPEN_BYTES, self.max_body_bytes)

    async def hash_password(self, password: str) -> PasswordHash:
        """What to keep of a password that a person chose; raises as the administration does."""
        return await self.passwords.run(self.administration.hash_password, password)

    async def in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a blocking function returns, run beside the event loop; raises as ``Threads.run`` does."""
        return await self.threads.run(function, *args, **kwargs)

    async def in_thread_of(
        self, user: User, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The same for a user, who has some threads at once, and leaves the others to others."""
        return await self.threads.run_for(user.id, function, *args, **kwargs)
