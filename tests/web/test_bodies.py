"""Packed bodies: only short work is done on the event loop, and no body makes much work of few bytes."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gridlore.domain.errors import BodyTooLargeError, MessageError
from gridlore.web import bodies
from gridlore.web.bodies import PIECE, SHORT_BODY, read_body, unpack, unpack_short
from tests.conftest import Databases, WorldClient

WORLD = Path(__file__).parents[1] / "acceptance" / "small_world.toml"
NOISE = bytes(i * i % 251 ^ i % 241 for i in range(300_000))
"""Hard to pack."""


@pytest.fixture
def databases(sqlite_databases: Databases) -> Databases:
    """Bodies are read the same whatever the store."""
    return sqlite_databases


def unpack_all(packed: bytes, limit: int) -> bytes:
    return b"".join(unpack(packed, limit))


@pytest.mark.parametrize(
    ("body", "in_threads"),
    [
        (gzip.compress(b"{}"), 0),
        (gzip.compress(b" " * SHORT_BODY), 0),
        (gzip.compress(b" " * (SHORT_BODY + 1)), 1),
        (gzip.compress(b" " * 50_000_000), 1),
        (gzip.compress(b"{}") + gzip.compress(b""), 1),
        (gzip.compress(NOISE, 1), 1),
        (b"not gzip", 1),
    ],
    ids=["short", "short yet", "unfolds", "a bomb", "two members", "long", "broken"],
)
def test_only_what_is_short_is_unpacked_on_the_event_loop(
    world_client: Callable[..., WorldClient],
    monkeypatch: pytest.MonkeyPatch,
    body: bytes,
    in_threads: int,
) -> None:
    threads: list[str] = []

    def unpack_watched(packed: bytes, limit: int) -> Iterator[bytes]:
        threads.append(threading.current_thread().name)
        yield from unpack(packed, limit)

    monkeypatch.setattr(bodies, "unpack", unpack_watched)
    client = world_client(WORLD)
    path, headers = "/api/v1_1/postMeterData", {"Content-Encoding": "gzip"}
    answer = client.request("ann", "POST", path, content=body, headers=headers)
    assert answer.status_code in (400, 413)
    assert len(threads) == in_threads
    assert all(name.startswith("gridlore-web") for name in threads)


@pytest.mark.parametrize("cut", [1, 4096, 100_000, 299_999])
def test_members_of_any_length_are_put_together(cut: int) -> None:
    packed = gzip.compress(NOISE[:cut]) + gzip.compress(NOISE[cut:], 0)
    assert unpack_all(packed, len(NOISE)) == NOISE
    with pytest.raises(BodyTooLargeError):
        unpack_all(packed, len(NOISE) - 1)
    with pytest.raises(MessageError, match="too early"):
        unpack_all(packed[:-1], len(NOISE))
    with pytest.raises(MessageError, match="is not"):
        unpack_all(packed + b"more", len(NOISE))


def test_what_unfolds_is_counted_piece_by_piece(
    world_client: Callable[..., WorldClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    monkeypatch.setattr(bodies, "hold", lambda _, size: held.append(size))
    client = world_client(WORLD)
    packed, headers = gzip.compress(b" " * 10_000_000), {"Content-Encoding": "gzip"}
    client.request("ann", "POST", "/api/v1_1/postMeterData", content=packed, headers=headers)
    assert sum(held) == 10_000_000
    assert max(held) < 2 * PIECE


def test_very_many_members_are_unpacked_in_little_time() -> None:
    member = gzip.compress(b"")
    began = time.process_time()
    assert unpack_all(member * 200_000, 1) == b""
    assert time.process_time() - began < 5


def test_a_short_body_is_held_to_the_limit_too() -> None:
    packed = gzip.compress(b"x" * 100)
    assert unpack_short(packed, 100) == b"x" * 100
    assert unpack_short(packed, 99) is None


@pytest.mark.parametrize("chunks", [(101,), (50, 51), (100, 1, 0), (0, 101)], ids=str)
def test_every_chunk_counts_the_last_one_too(chunks: tuple[int, ...]) -> None:
    def receive(sizes: tuple[int, ...], limit: int) -> bytes:
        messages = iter(
            {"type": "http.request", "body": b"x" * size, "more_body": number < len(sizes)}
            for number, size in enumerate(sizes, start=1)
        )

        async def receive_next() -> dict[str, object]:
            return next(messages)

        request: Any = SimpleNamespace(scope={"headers": []}, receive=receive_next)
        platform: Any = None  # what is not packed needs none
        return asyncio.run(read_body(platform, request, limit))

    assert len(receive(chunks, 101)) == 101
    with pytest.raises(BodyTooLargeError, match="100 bytes"):
        receive(chunks, 100)
