"""How a server stops: soon, and without losing what it has taken.

Layer: cli. On SIGTERM (or Ctrl+C) nobody new is let in; requests under way have ``GRACE`` to be answered,
then they hear 503; what is queued is committed; and when all that takes too long, the process ends anyway:
nobody was told of what is lost then.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

import structlog
from uvicorn.supervisors import Multiprocess

log = structlog.get_logger(__name__)

GRACE = 5
"""How long requests may still take once the server has been told to stop. [s]"""

LIMIT = 8.0
"""When a process ends, whatever it is doing. [s]"""


def limit_stop(seconds: float = LIMIT) -> None:
    """From now on, end this process so long after it was told to stop, if it is still there."""
    for number in (signal.SIGTERM, signal.SIGINT):
        _limit(number, seconds)


def _limit(number: signal.Signals, seconds: float) -> None:
    stop = signal.getsignal(number)

    def stop_in_time(received: int, frame: FrameType | None) -> None:
        timer = threading.Timer(seconds, _give_up, (seconds,))
        timer.daemon = True
        timer.start()
        if callable(stop):
            stop(received, frame)

    signal.signal(number, stop_in_time)


def _give_up(seconds: float) -> None:
    log.error("stopped with work unfinished", after_seconds=seconds)
    os._exit(1)


class Supervisor(Multiprocess):
    """Keeps the worker processes; when they stop, clients are refused and not left waiting for nobody."""

    def terminate_all(self) -> None:
        """Stop listening, and tell every worker to stop."""
        for listener in self.sockets:
            listener.close()
        super().terminate_all()
