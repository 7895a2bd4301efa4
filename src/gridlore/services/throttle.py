"""Make who fails to log in too often wait, and who sends too many requests.

Layer: services. Counts are kept in memory, per process; ``now`` is an argument.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv6Address, ip_network
from math import ceil
from threading import Lock

from gridlore.domain.errors import TooManyRequestsError

PERIOD = 60.0
"""How long a failure counts. [s]"""

ADDRESS_FACTOR = 20
"""An address (many users may share one) may fail this many times as often as one user from it."""

ACCOUNT_FACTOR = 5
"""An account may be tried this many times as often from all strange addresses together as from one."""

MAX_KNOWN = 16
"""So many networks are remembered from which an account was logged in to, the newest."""

MAX_KEYS = 100_000
"""How many callers are remembered; the longest silent are forgotten first."""

BURST = 10.0
"""How many seconds' worth of requests may come at once. [s]"""

ANYWHERE = "*"

Key = tuple[str, str]


class LoginThrottle:
    """Bounds failed log-ins per e-mail from one address, per e-mail from all, and per address.

    Where an account has been logged in to from, it can be tried from whatever strangers do elsewhere: nobody
    locks its user out by guessing.

    Parameters
    ----------
    attempts : int
        Failures within a minute after which further attempts must wait.
    """

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts
        self._failures: OrderedDict[Key, list[float]] = OrderedDict()
        self._known: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()
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

    def count_success(self, email: str, address: str) -> None:
        """Remember that somebody who knows the password comes from there."""
        with self._lock:
            networks = self._known.setdefault(email.lower(), OrderedDict())
            networks[network_of(address)] = None
            networks.move_to_end(network_of(address))
            self._known.move_to_end(email.lower())
            if len(networks) > MAX_KNOWN:
                networks.popitem(last=False)
            if len(self._known) > MAX_KEYS:
                self._known.popitem(last=False)

    def _limits(self, email: str, address: str) -> Iterator[tuple[Key, int]]:
        email, network = email.lower(), network_of(address)
        yield (email, network), self._attempts
        yield ("", network), self._attempts * ADDRESS_FACTOR
        if network not in self._known.get(email, ()):
            yield (email, ANYWHERE), self._attempts * ACCOUNT_FACTOR


class RequestThrottle:
    """Bounds the requests of each caller: a bucket of ``BURST`` seconds' worth, refilled all the time.

    One number per caller is all that is kept: when the requests so far would be over had they come evenly
    (the generic cell rate algorithm, ITU-T I.371). Called from the event loop alone.

    Parameters
    ----------
    whose : str
        What the message calls the callers.
    rate : int
        How many requests each may send; 0 for no limit. [1/s]

    >>> throttle = RequestThrottle("user", 2)
    >>> for _ in range(20):
    ...     throttle.admit("ann", now=100.0)
    >>> throttle.admit("ann", now=100.0)
    Traceback (most recent call last):
    ...
    gridlore.domain.errors.TooManyRequestsError: Too many requests: this server takes 2 per second from one
    user, and ten seconds' worth at once. Please go on in 1 second.
    >>> throttle.admit("bob", now=100.0), throttle.admit("ann", now=100.5)
    (None, None)
    """

    def __init__(self, whose: str, rate: int) -> None:
        self._whose = whose
        self._rate = rate
        self._interval = 1 / rate if rate else 0.0
        self._over: OrderedDict[object, float] = OrderedDict()

    def admit(self, key: object, now: float) -> None:
        """Let a request pass.

        Raises
        ------
        TooManyRequestsError
            There were too many.
        """
        if not self._rate:
            return
        over = max(self._over.get(key, now), now) + self._interval
        wait = over - now - BURST
        if wait > 1e-6:  # not for what rounding adds up to
            raise self._refusal(max(1, ceil(wait)))
        self._over[key] = over
        self._over.move_to_end(key)
        if len(self._over) > MAX_KEYS:
            self._over.popitem(last=False)

    def _refusal(self, wait: int) -> TooManyRequestsError:
        return TooManyRequestsError(
            f"Too many requests: this server takes {self._rate} per second from one {self._whose}, and ten "
            f"seconds' worth at once. Please go on in {wait} second{'s' if wait > 1 else ''}.",
            wait,
            limit=self._rate,
        )


@lru_cache(maxsize=8192)
def network_of(address: str) -> str:
    """What counts as one address: of IPv6 the /64, which is what one customer is given.

    >>> network_of("192.0.2.7"), network_of("2001:db8::1:2:3:4"), network_of("2001:db8::f"), network_of("")
    ('192.0.2.7', '2001:db8::/64', '2001:db8::/64', '')
    >>> network_of("::ffff:192.0.2.7")
    '192.0.2.7'
    """
    if ":" not in address:
        return address
    try:
        found = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(found.ipv4_mapped or ip_network((found, 64), strict=False))
