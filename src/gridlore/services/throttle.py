"""Count failed log-ins, and make who fails too often wait.

Layer: services. Counts are kept in memory, per process; ``now`` is an argument.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from gridlore.domain.errors import TooManyRequestsError

PERIOD = 60.0
"""How long a failure counts. [s]"""

ADDRESS_FACTOR = 20
"""An address (many users may share one) may fail this many times as often as one user from it."""

MAX_KEYS = 100_000
"""How many callers are remembered; the longest silent are forgotten first."""

Key = tuple[str, str]


class LoginThrottle:
    """Bounds failed log-ins per e-mail from one address, and per address.

    Parameters
    ----------
    attempts : int
        Failures within a minute after which further attempts must wait.
    """

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts
        self._failures: OrderedDict[Key, list[float]] = OrderedDict()
        self._lock = Lock()

    def check(self, email: str, address: str, now: float) -> None:
        """Let an attempt pass.

        Raises
        ------
        TooManyRequestsError
            Too many have failed within the last minute.
        """
        with self._lock:
            for key, limit in self._limits(email, address):
                recent = [moment for moment in self._failures.get(key, ()) if 0 <= now - moment < PERIOD]
                if len(recent) >= limit:
                    wait = int(PERIOD - (now - recent[-limit])) + 1
                    raise TooManyRequestsError(
                        f"Too many failed log-ins. Please try again in {wait} seconds.", wait
                    )

    def count_failure(self, email: str, address: str, now: float) -> None:
        """Remember that an attempt failed."""
        with self._lock:
            for key, limit in self._limits(email, address):
                moments = self._failures.setdefault(key, [])
                moments[:] = [*moments[-limit + 1 :], now] if limit > 1 else [now]
                self._failures.move_to_end(key)
            while len(self._failures) > MAX_KEYS:
                self._failures.popitem(last=False)

    def _limits(self, email: str, address: str) -> tuple[tuple[Key, int], tuple[Key, int]]:
        return ((email.lower(), address), self._attempts), (("", address), self._attempts * ADDRESS_FACTOR)
