"""The only place where the parts are put together.

Layer: bootstrap; imports everything.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridlore.config import Mode, Settings, load_settings
from gridlore.domain.addresses import NamingAuthority
from gridlore.domain.errors import GridloreError, SettingError
from gridlore.services.accounts import Accounts
from gridlore.services.administration import Administration
from gridlore.services.audit import AuditTrail
from gridlore.services.directory_cache import DirectoryCache
from gridlore.services.freshness import FreshnessReader
from gridlore.services.ingest import Ingest
from gridlore.services.keys import KeyRing
from gridlore.services.query import Query
from gridlore.services.readiness import Readiness
from gridlore.services.throttle import LoginThrottle, RequestThrottle
from gridlore.store.backup import back_up, check_copy, prepare_copy, put_in_place
from gridlore.store.compaction import compact_sensor, count_events
from gridlore.store.deletion import Selection, count_beliefs, delete_beliefs
from gridlore.store.interface import Store
from gridlore.store.postgres import PostgresStore
from gridlore.store.sqlite import SQLiteStore
from gridlore.store.writer import Writer
from gridlore.wire.iso8601 import parse_resolution

if TYPE_CHECKING:
    from litestar import Litestar

    from gridlore.web.answers import ReadyAnswer
    from gridlore.web.metrics import Tally
    from gridlore.web.observation import Monitoring
    from gridlore.web.platform import Platform
    from gridlore.web.tracing import Tracing

__all__ = [
    "Selection",
    "back_up",
    "check_copy",
    "check_tracing",
    "compact_sensor",
    "connect_store",
    "count_beliefs",
    "count_events",
    "create_app",
    "delete_beliefs",
    "is_embedded",
    "naming_authority",
    "open_accounts",
    "open_store",
    "prepare_copy",
    "put_in_place",
    "refuse",
]


def read_clock() -> int:
    """The time. [µs since epoch]"""
    return time.time_ns() // 1000


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


def create_app(
    settings: Settings | None = None,
    board: Path | None = None,
    *,
    clock: Callable[[], int] = read_clock,
) -> Litestar:
    """The ASGI application, ready to serve; without settings, with those of the environment.

    ``board``: a folder for the figures of this and other processes of the same server. ``clock`` gives the
    time. [µs since epoch]
    """
    from gridlore.web.app import build_app  # noqa: PLC0415 - half a second that no other command should pay

    settings = settings or load_settings()
    with ExitStack() as opened:
        platform = _build_platform(settings, open_store(settings), board, clock, opened)
        opened.pop_all()  # the platform closes them from now on
    try:
        return build_app(platform)
    except BaseException:
        platform.close()
        raise


def refuse(scope: Any, error: GridloreError) -> ReadyAnswer:
    """What went wrong, to who has no answer of the application: a page for a browser, else JSON."""
    from gridlore.web.ui import refuse_at_the_door  # noqa: PLC0415 - as above

    return refuse_at_the_door(scope, error)


def check_tracing(settings: Settings) -> None:
    """Check that traces can be made, if they are asked for.

    Raises
    ------
    SettingError
        What makes them is not installed.
    """
    if settings.traces_url and find_spec("opentelemetry") is None:
        raise SettingError(
            "TRACES_URL: traces need OpenTelemetry, which is not installed. "
            "Run `pip install '.[tracing]'` in Gridlore's source folder, or leave the setting empty."
        )


def _build_platform(
    settings: Settings, store: Store, folder: Path | None, clock: Callable[[], int], opened: ExitStack
) -> Platform:
    """The services on a store; ``folder``: the board's; ``opened`` is told what to close on an error."""
    from gridlore.web.admission import Bodies  # noqa: PLC0415 - see create_app
    from gridlore.web.metrics import Tally  # noqa: PLC0415 - likewise
    from gridlore.web.platform import Platform  # noqa: PLC0415 - likewise

    opened.callback(store.close)
    tracing = _open_tracing(settings)
    if tracing is not None:
        opened.callback(tracing.close)
    directory = DirectoryCache(store, naming_authority(settings), max_age=settings.directory_max_age)
    opened.callback(directory.close)
    accounts = open_accounts(settings)
    tally = Tally()
    writer = Writer(
        store,
        max_queue_bytes=settings.write_queue_bytes,
        replace=settings.mode is Mode.PLAY,
        observe=tally.count_commit,
    )
    opened.callback(writer.close)
    sensors = settings.max_sensors_per_message
    ingest = Ingest(writer, max_values=settings.max_values_per_message, max_sensors=sensors)
    trail = AuditTrail(store)
    opened.callback(trail.close)
    readiness = Readiness(store, writer, directory, trail)
    monitoring = _build_monitoring(settings, readiness, writer, tally, folder, tracing)
    opened.callback(monitoring.board.close)

    def close() -> None:
        writer.close()  # asks the directory, until the last message is stored, who may still post
        directory.close()
        trail.close()
        monitoring.close()
        store.close()

    return Platform(
        directory=directory,
        accounts=accounts,
        ingest=tracing.follow(ingest) if tracing else ingest,
        query=Query(store, max_slots=settings.max_slots_per_read, max_sensors=sensors),
        freshness=FreshnessReader(store),
        administration=Administration(store, directory, accounts, parse_resolution),
        keys=KeyRing(store, directory.see_change),
        throttle=LoginThrottle(settings.login_attempts),
        trail=trail,
        monitoring=monitoring,
        max_body_bytes=settings.max_body_bytes,
        bodies=Bodies(settings.max_bodies_bytes),
        max_values=settings.max_values_per_message,
        session_max_age=settings.security_token_max_age,
        session_cookie_secure=settings.session_cookie_secure,
        cors_origins=settings.cors_origins,
        close=close,
        clock=clock,
    )


def _open_tracing(settings: Settings) -> Tracing | None:
    """What makes traces, if they are asked for; raises as ``check_tracing`` does."""
    if not settings.traces_url:
        return None
    check_tracing(settings)
    from gridlore.web.tracing import Tracing, send_to  # noqa: PLC0415 - not always installed

    return Tracing(send_to(settings.traces_url))


def _build_monitoring(
    settings: Settings,
    readiness: Readiness,
    writer: Writer,
    tally: Tally,
    folder: Path | None,
    tracing: Tracing | None,
) -> Monitoring:
    """What watches over the services."""
    from gridlore.web.board import Board  # noqa: PLC0415 - see create_app
    from gridlore.web.observation import Monitoring  # noqa: PLC0415 - likewise

    board = Board(lambda: tally.figures(writer.queued_batches, writer.queued_bytes), folder)
    return Monitoring(
        tally=tally,
        board=board,
        readiness=readiness,
        users=RequestThrottle("user", settings.requests_per_user),
        addresses=RequestThrottle("address", settings.requests_per_address),
        metrics=settings.metrics,
        metrics_token=settings.metrics_token,
        log_requests=settings.log_requests,
        hsts_max_age=settings.hsts_max_age,
        tracing=tracing,
    )
