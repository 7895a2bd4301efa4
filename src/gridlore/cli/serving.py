"""``gridlore serve``: the server.

Layer: cli.
"""

from __future__ import annotations

import os
import socket
import sys
from asyncio import Protocol
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import click
import uvicorn

from gridlore.bootstrap import check_tracing, create_app, open_store
from gridlore.cli.connections import REFUSED_AT_ONCE, Patience, PatientProtocol
from gridlore.cli.invocation import ALL_SETTINGS, FAILURE, SERVE_SETTINGS, Invocation, setting_options
from gridlore.cli.logs import configure_logging
from gridlore.cli.memory import freeze_memory, keep_memory
from gridlore.cli.stopping import GRACE, Supervisor, limit_stop
from gridlore.config import Settings, load_settings
from gridlore.domain.errors import SettingError

if sys.platform != "win32":
    import resource

APPLICATION = "gridlore.cli.serving:create_served_app"
BACKLOG = 2048
"""Connections that may wait to be accepted."""
BOARD = "_GRIDLORE_BOARD"
"""The environment variable that tells worker processes where they leave figures for one another."""
FILES_BESIDE = 128
"""Open files that a process needs beside its connections."""


@click.command(short_help="Serve the API.")
@setting_options(ALL_SETTINGS, shown=SERVE_SETTINGS)
@click.pass_obj
def serve(invocation: Invocation, /, **options: str | None) -> None:
    """Serve the API, its documentation and the pages, until stopped with Ctrl+C or SIGTERM.

    An embedded database is made and upgraded when needed. On PostgreSQL, `gridlore db upgrade` comes
    first; then any number of processes, on any number of machines, may serve the same database.

    \b
    Examples:
      gridlore serve
      gridlore serve --host 0.0.0.0 --port 8080
      GRIDLORE_DATABASE_URL=postgresql://grid:…@db.example.com/grid \\
      GRIDLORE_SECRET_KEY=… gridlore serve --workers 4
    """
    settings = invocation.and_options(options).settings(make=True)
    configure_logging(settings)
    check_tracing(settings)
    open_store(settings).close()  # what is wrong with the database is told here, once
    listener = open_listener(settings)
    os.environ.update(settings.as_environment())
    address = show_address(settings.host, listener.getsockname()[1])
    click.echo(f"Gridlore serves {address} (documentation: {address}/docs; Ctrl+C stops it).")
    sys.stdout.flush()
    run_server(settings, listener)


def create_served_app() -> object:
    """The application of a serving process, with the settings in its environment."""
    settings = load_settings()
    configure_logging(settings)
    keep_memory()
    limit_stop()
    board = os.environ.get(BOARD)
    app = create_app(settings, Path(board) if board else None)
    freeze_memory()
    return app


def open_listener(settings: Settings) -> socket.socket:
    """A listening socket; from now on clients can connect, and wait until they are served.

    Raises
    ------
    SettingError
        The address is not this machine's, or the port is taken or not allowed.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise SettingError(
            f"HOST and PORT: they must name an address of this machine and a port that is free; got "
            f"{settings.host} and {settings.port}: {error.strerror}. Another port is given with --port, "
            "or `make run PORT=8080`."
        ) from error
    listener.set_inheritable(True)
    return listener


def show_address(host: str, port: int) -> str:
    """Where a browser on this machine finds the server.

    >>> show_address("0.0.0.0", 5000), show_address("::1", 80)
    ('http://localhost:5000', 'http://[::1]:80')
    """
    if host in {"0.0.0.0", "::"}:  # noqa: S104  (every address of this machine, this one's own among them)
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def allow_files(wanted: int) -> int:
    """How many files this process may open, after asking the system for as many as are wanted."""
    if sys.platform == "win32":
        return wanted
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed < wanted:
        allowed = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
    return allowed


def run_server(settings: Settings, listener: socket.socket) -> None:
    """Serve until told to stop; the settings are in the environment."""
    files = allow_files(settings.max_connections + REFUSED_AT_ONCE + FILES_BESIDE)
    patience = Patience(
        request=settings.request_timeout,
        answer=settings.answer_timeout,
        head=settings.max_header_bytes,
        connections=max(1, min(settings.max_connections, files - REFUSED_AT_ONCE - FILES_BESIDE)),
    )
    config = uvicorn.Config(
        APPLICATION,
        factory=True,
        workers=settings.workers,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http=cast(type[Protocol], partial(PatientProtocol, patience)),
        ws="none",
        lifespan="on",
        log_config=None,
        log_level=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        backlog=BACKLOG,
        timeout_keep_alive=settings.keep_alive_timeout,
        timeout_graceful_shutdown=GRACE,
    )
    if settings.workers > 1:
        with TemporaryDirectory(prefix="gridlore-") as board:
            os.environ[BOARD] = board
            Supervisor(config, sockets=[listener]).run()
        return
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):  # raised again once everything has been closed
        server.run(sockets=[listener])
    if not server.started:
        sys.exit(FAILURE)
