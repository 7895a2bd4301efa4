"""Whether this process can take requests: its store can be reached, is what it should be, and is written to.

Layer: services. ``now`` is an argument. [s]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import structlog

from gridlore.domain.errors import SchemaError, StoreUnavailableError
from gridlore.store.interface import Store

log = structlog.get_logger(__name__)

MAX_AGE = 1.0
"""How long what was found out about the store is good for. [s]"""

FULL = 0.95
"""The queue counts as full when this part of it is taken."""

OK = "ok"


class Queue(Protocol):
    """What waits for the writer."""

    @property
    def queued_bytes(self) -> int:
        """How much waits. [bytes]"""

    @property
    def max_queue_bytes(self) -> int:
        """How much may wait. [bytes]"""

    def trouble(self) -> str | None:
        """Why nothing is written any more, if that is so."""


class Watched(Protocol):
    """Something with a thread of its own: the directory that is looked up, the record that is written."""

    def trouble(self) -> str | None:
        """Why it does not get on, if that has been so for long."""


class Readiness:
    """Looks at the store at most once a second, however often it is asked."""

    def __init__(self, store: Store, queue: Queue, directory: Watched, record: Watched) -> None:
        self._store = store
        self._queue = queue
        self._directory = directory
        self._record = record
        self._found: tuple[float, Mapping[str, str]] | None = None

    def is_known(self, now: float) -> bool:
        """Whether ``check`` answers without looking at the store."""
        return self._found is not None and 0 <= now - self._found[0] < MAX_AGE

    def check(self, now: float) -> Mapping[str, str]:
        """What was looked at, and "ok" or what is wrong with it; no more than a monitor needs to know."""
        if self._found is None or not self.is_known(now):
            self._found = now, self._look_at_store()
        return {
            **self._found[1],
            "queue": self._look_at_queue(),
            "directory": self._directory.trouble() or OK,
            "record": self._record.trouble() or OK,
        }

    def _look_at_store(self) -> Mapping[str, str]:
        try:
            self._store.check_schema()
            is_writable = self._store.is_writable()
        except StoreUnavailableError:
            return {"store": "cannot be reached, or is too busy", "schema": "unknown"}
        except SchemaError:
            return {"store": OK, "schema": "is not the one that this version works with"}
        except Exception:  # whatever it is, who asks wants to know that this process is not ready
            log.exception("the store cannot be looked at")
            return {"store": "cannot be looked at; the log says why", "schema": "unknown"}
        return {"store": OK if is_writable else "takes no writes: it is read-only", "schema": OK}

    def _look_at_queue(self) -> str:
        if trouble := self._queue.trouble():
            return trouble
        full = self._queue.queued_bytes >= FULL * self._queue.max_queue_bytes
        return "is full: more comes in than the store takes" if full else OK
