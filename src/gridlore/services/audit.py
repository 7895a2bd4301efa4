"""Keep a record of who came and went, without making anybody wait for it (ADR 016).

Layer: services. What changes something is recorded in the transaction of the change; logging in changes
nothing, so it is noted in memory here and written by a thread of its own within a second. Who does the same
again within a minute is counted, and told once: nobody fills the disk by trying passwords.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from gridlore.domain.audit import FAIL_TO_LOG_IN, AuditEntry
from gridlore.domain.errors import StoreUnavailableError
from gridlore.domain.sensors import User
from gridlore.store.interface import Store

log = structlog.get_logger(__name__)

PERIOD = 60.0
"""What the same user does again from the same address within so long is counted and told once. [s]"""

MAX_KEYS = 200
"""Of how many users and addresses the record tells in one period; of those beyond, it only counts."""

RETRY = 5.0
"""How long to wait when the store cannot be reached. [s]"""

ELSEWHERE = "many addresses"


@dataclass(frozen=True, slots=True)
class _Key:
    """What is the same when somebody does it again."""

    action: str
    user: tuple[int, str] | None
    address: str


@dataclass(slots=True)
class _Noted:
    """How often since it was last written, and when last [µs since epoch]."""

    times: int = 0
    last: int = 0
    written: float | None = None


class AuditTrail:
    """Notes who logged in, failed to, was given a token or logged out, and writes it down soon after.

    Parameters
    ----------
    delay : float
        How long a note may wait to be written with others. [s]
    """

    def __init__(
        self, store: Store, *, delay: float = 0.5, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._delay = delay
        self._monotonic = monotonic
        self._noted: dict[_Key, _Noted] = {}
        self._added: list[AuditEntry] = []
        self._lock = threading.Lock()
        self._wakeup = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gridlore-audit", daemon=True)
        self._thread.start()

    def note(self, action: str, user: User | None, address: str, now: int) -> None:
        """Somebody did this from a network address; ``user`` None: nobody we know. [µs since epoch]"""
        key = _Key(action, None if user is None else (user.id, user.email), address)
        with self._lock:
            if key not in self._noted and len(self._noted) >= MAX_KEYS:
                self._forget_old()
            if key not in self._noted and len(self._noted) >= MAX_KEYS:
                key = _Key(action, None if action == FAIL_TO_LOG_IN else key.user, ELSEWHERE)
            noted = self._noted.setdefault(key, _Noted())
            noted.times, noted.last = noted.times + 1, max(noted.last, now)
        self._wakeup.set()

    def add(self, entry: AuditEntry) -> None:
        """Somebody did something that cannot be undone by not being recorded, such as storing a file."""
        with self._lock:
            self._added.append(entry)
        self._wakeup.set()

    def close(self) -> None:
        """Write what has been noted, and stop."""
        self._closing.set()
        self._wakeup.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wakeup.wait()
            self._closing.wait(self._delay)
            self._wakeup.clear()
            if not self._write(self._due(everything=False)):
                self._closing.wait(RETRY)
                self._wakeup.set()
            elif self._is_waiting():
                self._wakeup.set()
        self._write(self._due(everything=True))

    def _is_waiting(self) -> bool:
        """Whether something was done again, and will be told at the end of its period."""
        with self._lock:
            return any(noted.times for noted in self._noted.values())

    def _due(self, *, everything: bool) -> dict[_Key, _Noted]:
        """What is to be written now."""
        moment = self._monotonic()
        with self._lock:
            return {
                key: _Noted(noted.times, noted.last)
                for key, noted in self._noted.items()
                if noted.times and (everything or noted.written is None or moment - noted.written >= PERIOD)
            }

    def _write(self, due: dict[_Key, _Noted]) -> bool:
        """Whether it is written; if not, it waits for another time."""
        with self._lock:
            added = list(self._added)
        entries = [*added, *(_entry(key, noted) for key, noted in due.items())]
        if not entries:
            return True
        try:
            self._store.record(entries)
        except StoreUnavailableError as error:
            log.warning("the record cannot be written now", waiting=len(entries), error=error.message)
            return False
        moment = self._monotonic()
        with self._lock:
            del self._added[: len(added)]
            for key, written in due.items():
                noted = self._noted[key]
                noted.times -= written.times
                noted.written = moment
        return True

    def _forget_old(self) -> None:
        """Forget what has not been done again for a period."""
        moment = self._monotonic()
        for key, noted in list(self._noted.items()):
            if not noted.times and noted.written is not None and moment - noted.written >= PERIOD:
                del self._noted[key]


def _entry(key: _Key, noted: _Noted) -> AuditEntry:
    user_id, email = key.user or (None, "")
    facts = {"address": key.address or "unknown"}
    if noted.times > 1:
        facts["times"] = str(noted.times)
    return AuditEntry(
        recorded_at=noted.last,
        user_id=None if key.action == FAIL_TO_LOG_IN else user_id,
        action=key.action,
        subject="user",
        subject_id=user_id,
        title=f"user {email}" if email else "an unknown user",
        before=None,
        after=facts,
        actor="somebody" if key.action == FAIL_TO_LOG_IN or not email else email,
    )
