"""``gridlore get``: one request through the whole application, without a port.

Layer: cli. ``open_client`` is how other commands send requests in this process too.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import click
import httpx

from gridlore.bootstrap import create_app, open_accounts
from gridlore.cli.invocation import FAILURE, Invocation, done, find_user
from gridlore.cli.logs import configure_logging
from gridlore.config import Settings
from gridlore.domain.audit import ISSUE_TOKEN

BASE_URL = "http://localhost"


@asynccontextmanager
async def open_client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose requests go through a whole application of its own, in this process."""
    configure_logging(settings)
    application = create_app(replace(settings, log_requests="none"))
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with application.lifespan(), httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
        yield client


@click.command(short_help="Send one request through the application.")
@click.argument("path")
@click.option("--as", "email", metavar="EMAIL", help="Send the request as this user.")
@click.pass_obj
def get(invocation: Invocation, path: str, email: str | None) -> None:
    """Send one GET request for PATH through the whole application and print the answer's body.

    No server need run, and none is asked. An answer with status 400 or above goes with exit code 1 and its
    status on standard error.

    \b
    Examples:
      gridlore get /api/
      gridlore get /api/gridlore/v1/sensors --as ann@example.com
      gridlore get '/api/gridlore/v1/beliefs?sensor=CS%201&start=2024-05-01T00:00:00Z&duration=P1D' --as …
    """
    headers = {}
    if email is not None:
        with invocation.open_store() as store:
            known = find_user(store.read_directory(), email)
            store.record([done(ISSUE_TOKEN, "user", known.id, f"user {known.email}")])
        headers["Authorization"] = open_accounts(invocation.settings()).issue_token(known, time.time())
    response = asyncio.run(_send(invocation.settings(), "/" + path.lstrip("/"), headers))
    click.echo(response.content)
    if response.is_error:
        click.echo(f"{response.status_code} {response.reason_phrase}", err=True)
        sys.exit(FAILURE)


async def _send(settings: Settings, path: str, headers: dict[str, str]) -> httpx.Response:
    async with open_client(settings) as client:
        return await client.get(path, headers=headers)
