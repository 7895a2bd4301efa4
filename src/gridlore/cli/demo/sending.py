"""Send messages as clients do: log in, post, and look at every answer.

Layer: cli.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

import httpx
import orjson

from gridlore.cli.demo.scenario import Message, Stream
from gridlore.domain.errors import GridloreError

TRIES = 5
"""How often a message is sent before a busy server is given up."""


class DemoError(GridloreError):
    """The demo world cannot be made."""


async def send_streams(
    client: httpx.AsyncClient,
    streams: Sequence[Stream],
    passwords: Mapping[str, str],
    report: Callable[[Stream, Message], None],
) -> None:
    """Send all streams side by side, each in its order; ``report`` hears of every message stored.

    Streams of the same user with the same endpoint are sent one after the other.

    Raises
    ------
    DemoError
        A log-in or a message was refused.
    """

    async def send_of(email: str, mine: Sequence[Stream]) -> None:
        headers = {"Authorization": await _log_in(client, email, passwords[email])}
        by_endpoint = groupby(mine, key=lambda stream: stream.messages[0].endpoint if stream.messages else "")
        queues = [list(queue) for _, queue in by_endpoint]
        async with asyncio.TaskGroup() as tasks:
            for queue in queues:
                tasks.create_task(send_queue(queue, headers))

    async def send_queue(queue: Sequence[Stream], headers: Mapping[str, str]) -> None:
        for stream in queue:
            for message in stream.messages:
                await _post(client, message, headers)
                report(stream, message)

    try:
        async with asyncio.TaskGroup() as tasks:
            for email in passwords:
                tasks.create_task(send_of(email, [stream for stream in streams if stream.email == email]))
    except* DemoError as group:
        raise _first(group) from None


def _first(group: BaseExceptionGroup[DemoError]) -> DemoError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, DemoError) else DemoError(str(error))


async def _log_in(client: httpx.AsyncClient, email: str, password: str) -> str:
    answer = await client.post("/api/requestAuthToken", json={"email": email, "password": password})
    if answer.status_code != httpx.codes.OK:
        raise DemoError(f"{email} could not log in: {answer.status_code} {answer.text}")
    return str(answer.json()["auth_token"])


async def _post(client: httpx.AsyncClient, message: Message, headers: Mapping[str, str]) -> None:
    path = f"/api/v1_1/{message.endpoint}"
    body = orjson.dumps(message.fields, option=orjson.OPT_SERIALIZE_NUMPY)
    for attempt in range(1, TRIES + 1):
        answer = await client.post(
            path, content=body, headers={**headers, "Content-Type": "application/json"}
        )
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or attempt == TRIES:
            break
        await asyncio.sleep(float(answer.headers.get("Retry-After", "1")))
    if answer.status_code != httpx.codes.OK:
        about = {key: value for key, value in message.fields.items() if key not in {"values", "groups"}}
        raise DemoError(f"A message was refused: {about} was answered {answer.status_code} {answer.text}")
