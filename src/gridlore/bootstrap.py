"""The only place where the parts are put together.

Layer: bootstrap; imports everything.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from gridlore.config import Mode, Settings, load_settings
from gridlore.domain.addresses import NamingAuthority
from gridlore.services.accounts import Accounts
from gridlore.services.administration import Administration
from gridlore.services.audit import AuditTrail
from gridlore.services.directory import DirectoryCache
from gridlore.services.freshness import FreshnessReader
from gridlore.services.ingest import Ingest
from gridlore.services.keys import KeyRing
from gridlore.services.query import Query
from gridlore.services.throttle import LoginThrottle
from gridlore.store.backup import back_up, check_copy, prepare_copy, put_in_place
from gridlore.store.compaction import compact_sensor
from gridlore.store.deletion import Selection, count_beliefs, delete_beliefs
from gridlore.store.interface import Store
from gridlore.store.postgres import PostgresStore
from gridlore.store.sqlite import SQLiteStore
from gridlore.store.writer import Writer
from gridlore.wire.iso8601 import parse_resolution

if TYPE_CHECKING:
    from litestar import Litestar

    from gridlore.web.platform import Platform

__all__ = [
    "Selection",
    "back_up",
    "check_copy",
    "compact_sensor",
    "connect_store",
    "count_beliefs",
    "create_app",
    "delete_beliefs",
    "is_embedded",
    "naming_authority",
    "open_accounts",
    "open_store",
    "prepare_copy",
    "put_in_place",
]


def is_embedded(settings: Settings) -> bool:
    """Whether the database is a file of our own, made and upgraded without asking."""
    return settings.database_url.startswith("sqlite")


def connect_store(settings: Settings) -> Store:
    """The store, whatever the state of its schema."""
    if settings.database_file is not None:
        with suppress(OSError):  # there it is already, or SQLite tells what is wrong
            os.close(os.open(settings.database_file, os.O_CREAT | os.O_EXCL, 0o600))
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


def naming_authority(settings: Settings) -> NamingAuthority:
    """What names sensors to the outside."""
    return NamingAuthority(settings.host_address, settings.host_month)


def open_accounts(settings: Settings) -> Accounts:
    """What checks passwords and tokens."""
    return Accounts(settings.secret_key, settings.security_token_max_age)


def create_app(settings: Settings | None = None) -> Litestar:
    """The ASGI application, ready to serve; without settings, with those of the environment."""
    from gridlore.web.app import build_app  # noqa: PLC0415 - half a second that no other command should pay

    settings = settings or load_settings()
    platform = _build_platform(settings, open_store(settings))
    try:
        return build_app(platform)
    except BaseException:
        platform.close()
        raise


def _build_platform(settings: Settings, store: Store) -> Platform:
    """The services on a store."""
    from gridlore.web.platform import Platform  # noqa: PLC0415 - see create_app

    directory = DirectoryCache(store, naming_authority(settings), max_age=settings.directory_max_age)
    accounts = open_accounts(settings)
    writer = Writer(store, max_queue_bytes=settings.write_queue_bytes, replace=settings.mode is Mode.PLAY)

    trail = AuditTrail(store)

    def close() -> None:
        directory.close()
        trail.close()
        writer.close()
        store.close()

    return Platform(
        directory=directory,
        accounts=accounts,
        ingest=Ingest(writer, max_values=settings.max_values_per_message),
        query=Query(store, max_slots=settings.max_slots_per_read),
        freshness=FreshnessReader(store),
        administration=Administration(store, directory, accounts, parse_resolution),
        keys=KeyRing(store, directory.refresh),
        throttle=LoginThrottle(settings.login_attempts),
        trail=trail,
        max_body_bytes=settings.max_body_bytes,
        max_values=settings.max_values_per_message,
        session_max_age=settings.security_token_max_age,
        session_cookie_secure=settings.session_cookie_secure,
        cors_origins=settings.cors_origins,
        close=close,
    )
