"""What the web layer works with, put together by ``bootstrap``.

Layer: web.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from gridlore.services.accounts import Accounts
from gridlore.services.administration import Administration
from gridlore.services.directory import DirectoryCache
from gridlore.services.freshness import FreshnessReader
from gridlore.services.ingest import Ingest
from gridlore.services.query import Query
from gridlore.services.throttle import LoginThrottle
from gridlore.web.admission import Bodies
from gridlore.web.receipts import Receipts

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 8
"""Threads that read and do other blocking work beside the event loop."""


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
    throttle: LoginThrottle
    max_body_bytes: int
    bodies: Bodies
    max_values: int
    session_max_age: int
    session_cookie_secure: bool
    cors_origins: tuple[str, ...]
    close: Callable[[], None]
    clock: Callable[[], int]
    receipts: Receipts = field(default_factory=Receipts)
    threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(THREADS, thread_name_prefix="gridlore-web")
    )

    async def in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a blocking function returns, run beside the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, lambda: function(*args, **kwargs))
