"""Threads beside the event loop: so many at once, and whose turn does not come in time is told."""

import asyncio
from threading import Event

import pytest

from gridlore.domain.errors import OverloadError
from gridlore.web.threads import Threads


async def wait_in_vain() -> None:
    threads = Threads("tests", 2, patience=0.05, busy="Come back.")
    held, done = Event(), list[int]()
    working = [asyncio.create_task(threads.run(held.wait, 30)) for _ in range(2)]
    await asyncio.sleep(0)
    for _ in range(3):
        with pytest.raises(OverloadError, match=r"Come back\."):
            await threads.run(done.append, 1)
    held.set()
    assert await asyncio.gather(*working) == [True, True]
    assert await threads.run(len, done) == 0
    threads.shutdown()


async def take_turns() -> None:
    threads = Threads("tests", 2, patience=10, busy="Come back.")
    assert await asyncio.gather(*(threads.run(divmod, n, 7) for n in range(50))) == [
        divmod(n, 7) for n in range(50)
    ]
    threads.shutdown()


def test_whose_turn_does_not_come_is_told_and_has_done_nothing() -> None:
    asyncio.run(wait_in_vain())


def test_many_take_turns() -> None:
    asyncio.run(take_turns())
