"""The only place where the parts are put together.

Layer: bootstrap; imports everything.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from gridlore.config import Mode, Settings, load_settings
from gridlore.domain.addresses import NamingAuthority
from gridlore.services.accounts import Accounts
from gridlore.services.administration import Administration
from gridlore.services.directory import DirectoryCache
from gridlore.services.freshness import FreshnessReader
from gridlore.services.ingest import Ingest
from gridlore.services.query import Query
from gridlore.services.throttle import LoginThrottle
from gridlore.store.compaction import compact_sensor
from gridlore.store.interface import Store
from gridlore.store.postgres import PostgresStore
from gridlore.store.sqlite import SQLiteStore
from gridlore.store.writer import Writer
from gridlore.wire.iso8601 import parse_resolution

if TYPE_CHECKING:
    from litestar import Litestar

    from gridlore.web.platform import Platform

__all__ = [
    "compact_sensor",
    "connect_store",
    "create_app",
    "is_embedded",
    "open_accounts",
    "open_store",
]


def read_clock() -> int:
    """The time. [µs since epoch]"""
    return time.time_ns() // 1000


def is_embedded(settings: Settings) -> bool:
    """Whether the database is a file of our own, made and upgraded without asking."""
    return settings.database_url.startswith("sqlite")


def connect_store(settings: Settings) -> Store:
    """The store, whatever the state of its schema."""
    if is_embedded(settings):
        return SQLiteStore(settings.database_url)
    return PostgresStore(settings.database_url)


def open_store(settings: Settings) -> Store:
    """The store with the newest schema: an embedded one is brought there, another must be.

    Raises
    ------
    SchemaError
        It is not, and the message says which command mends it.
    """
    store = connect_store(settings)
    try:
        if is_embedded(settings):
            store.upgrade_schema()
        store.check_schema()
    except BaseException:
        store.close()
        raise
    return store


def open_accounts(settings: Settings) -> Accounts:
    """What checks passwords and tokens."""
    return Accounts(settings.secret_key, settings.security_token_max_age)


def create_app(settings: Settings | None = None, *, clock: Callable[[], int] = read_clock) -> Litestar:
    """The ASGI application, ready to serve; without settings, with those of the environment.

    ``clock`` gives the time. [µs since epoch]
    """
    from gridlore.web.app import build_app  # noqa: PLC0415 - half a second that no other command should pay

    settings = settings or load_settings()
    platform = _build_platform(settings, open_store(settings), clock)
    try:
        return build_app(platform)
    except BaseException:
        platform.close()
        raise


def _build_platform(settings: Settings, store: Store, clock: Callable[[], int]) -> Platform:
    """The services on a store."""
    from gridlore.web.admission import Bodies  # noqa: PLC0415 - see create_app
    from gridlore.web.platform import Platform  # noqa: PLC0415

    authority = NamingAuthority(settings.host_address, settings.host_month)
    directory = DirectoryCache(store, authority, max_age=settings.directory_max_age)
    accounts = open_accounts(settings)
    writer = Writer(store, max_queue_bytes=settings.write_queue_bytes, replace=settings.mode is Mode.PLAY)

    def close() -> None:
        directory.close()
        writer.close()
        store.close()

    return Platform(
        directory=directory,
        accounts=accounts,
        ingest=Ingest(writer, max_values=settings.max_values_per_message),
        query=Query(store, max_slots=settings.max_slots_per_read),
        freshness=FreshnessReader(store),
        administration=Administration(store, directory, accounts, parse_resolution),
        throttle=LoginThrottle(settings.login_attempts),
        max_body_bytes=settings.max_body_bytes,
        bodies=Bodies(settings.max_bodies_bytes),
        max_values=settings.max_values_per_message,
        session_max_age=settings.security_token_max_age,
        session_cookie_secure=settings.session_cookie_secure,
        cors_origins=settings.cors_origins,
        close=close,
        clock=clock,
    )
