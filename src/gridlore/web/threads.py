"""Threads for what would hold up the event loop: so many at once, and an end to waiting for one.

Layer: web.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import ParamSpec, TypeVar
from weakref import WeakValueDictionary

from gridlore.domain.errors import GridloreError, OverloadError, without_frames

P = ParamSpec("P")
T = TypeVar("T")


OWN_BUSY = "You have as many requests in work as one user may. Please send this again when they are answered."


class Threads:
    """Runs functions beside the event loop, in turn.

    Parameters
    ----------
    name : str
        What they are for.
    count : int
        How many run at once.
    patience : float
        How long one waits for its turn. [s]
    busy : str
        What is told when its turn has not come by then.
    each : int, optional
        How many of them one user takes at once; all, if nothing is said.
    niceness : int
        How much they, and threads that they start, leave the processor to others; Linux alone knows it of
        a thread.
    """

    def __init__(
        self,
        name: str,
        count: int,
        *,
        patience: float,
        busy: str,
        each: int | None = None,
        niceness: int = 0,
    ) -> None:
        self._pool = ThreadPoolExecutor(
            count, f"gridlore-{name}", initializer=_step_back, initargs=(niceness,)
        )
        self._turns = asyncio.Semaphore(count)
        self._each = count if each is None else each
        self._own: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()
        self._patience = patience
        self._busy = busy

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a blocking function returns.

        Raises
        ------
        OverloadError
            No thread came free in time; nothing was done.
        """
        await self._take(self._turns, self._deadline(), self._busy)
        return await self._work(partial(function, *args, **kwargs))

    async def run_for(self, who: int, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for a user, so that nobody takes all threads.

        Raises as ``run`` does.
        """
        own = self._own.setdefault(who, asyncio.Semaphore(self._each))
        until = self._deadline()
        await self._take(own, until, OWN_BUSY)
        try:
            await self._take(self._turns, until, self._busy)
            return await self._work(partial(function, *args, **kwargs))
        finally:
            own.release()

    async def _work(self, function: Callable[[], T]) -> T:
        """What a function returns whose turn it is, and which gives it back."""
        try:
            context = contextvars.copy_context()
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, lambda: context.run(_call, function))
        finally:
            self._turns.release()

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._patience

    async def _take(self, turn: asyncio.Semaphore, until: float, busy: str) -> None:
        if not turn.locked():
            await turn.acquire()
            return
        try:
            async with asyncio.timeout_at(until):
                await turn.acquire()
        except TimeoutError:
            raise OverloadError(busy) from None

    def shutdown(self) -> None:
        """Take no more; what runs comes to its end by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _call(function: Callable[[], T]) -> T:
    try:
        return function()
    except GridloreError as error:  # it waits with its answer for the client, all that was read need not
        raise without_frames(error)  # noqa: B904 - it is the very error


def _step_back(niceness: int) -> None:
    if niceness and sys.platform == "linux":  # elsewhere it would be the whole process
        with suppress(OSError):  # a sandbox may forbid it
            os.nice(niceness)
