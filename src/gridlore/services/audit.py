"""Keep a record of who came and went, which nobody's coming depends on (ADR 016).

Layer: services. What changes something is recorded in the transaction of the change; logging in changes
nothing, so it is noted in memory here and written at once by a thread of its own. Who does the same again
within a minute is counted, and told once: nobody fills the disk by trying passwords.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
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

MAX_ADDED = 1000
"""How many entries that are told one by one may wait; those beyond are told in the log only."""

RETRY = 5.0
"""How long to wait when the record cannot be written. [s]"""

LONG = 60.0
"""How long the record may go unwritten before this process says that something is wrong. [s]"""

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
        self, store: Store, *, delay: float = 0.05, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._delay = delay
        self._monotonic = monotonic
        self._noted: dict[_Key, _Noted] = {}
        self._added: list[AuditEntry] = []
        self._next = _pending()
        self._failing_since: float | None = None
        self.left_out = 0
        """How many entries stand in the log only, because too many waited."""
        self._lock = threading.Lock()
        self._wakeup = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gridlore-audit", daemon=True)
        self._thread.start()

    def note(self, action: str, user: User | None, address: str, now: int) -> Future[bool]:
        """Somebody did this from a network address; ``user`` None: nobody we know. [µs since epoch]

        Returns what is done when there is nothing more to wait for: true once it is written, or only counted
        because the same was written a moment ago; false when it cannot be written now.
        """
        key = _Key(action, None if user is None else (user.id, user.email), address)
        with self._lock:
            if key not in self._noted and len(self._noted) >= MAX_KEYS:
                self._forget_old()
            if key not in self._noted and len(self._noted) >= MAX_KEYS:
                key = _Key(action, None if action == FAIL_TO_LOG_IN else key.user, ELSEWHERE)
            noted = self._noted.setdefault(key, _Noted())
            noted.times, noted.last = noted.times + 1, max(noted.last, now)
            is_due = noted.written is None or self._monotonic() - noted.written >= PERIOD
            written = self._outlook() if is_due else _done(result=True)
        self._wakeup.set()
        return written

    def add(self, entry: AuditEntry) -> Future[bool]:
        """Somebody did something that cannot be undone by not being recorded, such as storing a file.

        Returns what ``note`` does.
        """
        with self._lock:
            is_full = len(self._added) >= MAX_ADDED
            if is_full:
                self.left_out += 1
            else:
                self._added.append(entry)
            written = _done(result=False) if is_full else self._outlook()
        if is_full:
            log.error("an entry is not in the record: too many wait", left_out=self.left_out, **_told(entry))
        self._wakeup.set()
        return written

    def _outlook(self) -> Future[bool]:
        """Done with the next attempt to write; when the last one failed, at once: nobody waits in vain."""
        return self._next if self._failing_since is None else _done(result=False)

    def trouble(self) -> str | None:
        """Why nothing is written, if that has been so for long."""
        if not self._thread.is_alive():
            return "is not written any more: its thread has ended"
        since = self._failing_since
        if since is not None and self._monotonic() - since >= LONG:
            return f"has not been written for {LONG:g} seconds: entries wait in memory"
        return None

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
            if not self._write(everything=False):
                self._closing.wait(RETRY)
                self._wakeup.set()
            elif self._is_waiting():
                self._wakeup.set()
        if not self._write(everything=True):
            self._tell_lost()

    def _tell_lost(self) -> None:
        """Tell in the log what the record will never hold, as this process stops."""
        due = self._due(everything=True)
        for entry in [*self._added, *(_entry(key, noted) for key, noted in due.items())]:
            log.error("an entry is not in the record: it could not be written", **_told(entry))

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

    def _write(self, *, everything: bool) -> bool:
        """Whether what is due is written; if not, it waits for another time, whatever went wrong."""
        with self._lock:
            waited_for, self._next = self._next, _pending()
        is_written = self._try_to_write(everything=everything)
        if is_written:
            self._failing_since = None
        elif self._failing_since is None:
            self._failing_since = self._monotonic()
        waited_for.set_result(is_written)
        return is_written

    def _try_to_write(self, *, everything: bool) -> bool:
        due = self._due(everything=everything)
        with self._lock:
            added = list(self._added)
        entries = [*added, *(_entry(key, noted) for key, noted in due.items())]
        try:
            if entries:
                self._store.record(entries)
        except StoreUnavailableError as error:
            log.warning("the record cannot be written now", waiting=len(entries), error=error.message)
        except Exception:  # a mistake of ours; without this thread nothing is recorded any more
            log.exception("the record cannot be written", waiting=len(entries))
        else:
            self._settle(added, due)
            return True
        return False

    def _settle(self, added: list[AuditEntry], due: dict[_Key, _Noted]) -> None:
        """Forget what has been written."""
        moment = self._monotonic()
        with self._lock:
            del self._added[: len(added)]
            for key, written in due.items():
                noted = self._noted[key]
                noted.times -= written.times
                noted.written = moment

    def _forget_old(self) -> None:
        """Forget what has not been done again for a period."""
        moment = self._monotonic()
        for key, noted in list(self._noted.items()):
            if not noted.times and noted.written is not None and moment - noted.written >= PERIOD:
                del self._noted[key]


def _pending() -> Future[bool]:
    """What is not done yet, and cannot be given up by one of those who wait for it."""
    future: Future[bool] = Future()
    future.set_running_or_notify_cancel()
    return future


def _done(*, result: bool) -> Future[bool]:
    future: Future[bool] = Future()
    future.set_result(result)
    return future


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


def _told(entry: AuditEntry) -> dict[str, object]:
    """An entry as a line of the log has it."""
    facts = {} if entry.after is None else dict(entry.after)
    return {"action": entry.action, "user_id": entry.user_id, "title": entry.title, "facts": facts}
