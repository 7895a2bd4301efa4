"""Wait on the event loop for what the writer's thread settles: one wake-up for all of a commit.

Layer: web.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class Receipts:
    """Brings settled futures of other threads back to the event loop, as many at once as there are.

    ``asyncio.wrap_future`` would write to the loop's wake-up descriptor once for each.
    """

    def __init__(self) -> None:
        self._settled: deque[tuple[asyncio.Future[None], asyncio.AbstractEventLoop]] = deque()
        self._waking = False

    async def wait(self, queued: Future[T]) -> T:
        """What ``queued`` holds once it is settled, or the error it failed with."""
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()

        def settle(_: Future[T]) -> None:
            self._settled.append((waiter, loop))
            if not self._waking:
                self._waking = True
                loop.call_soon_threadsafe(self._wake)

        queued.add_done_callback(settle)
        await waiter
        try:
            return queued.result()
        finally:
            del queued  # an error, its traceback and what holds the error would keep one another in memory

    def _wake(self) -> None:
        self._waking = False
        while self._settled:
            waiter, _ = self._settled.popleft()
            if not waiter.done():
                waiter.set_result(None)
