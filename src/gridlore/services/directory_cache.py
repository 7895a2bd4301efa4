"""The newest snapshot of the directory that this process has.

Layer: services. A thread asks every ``max_age`` seconds whether the directory's version in the store has
grown: that bounds how late a revoked token or a changed sensor takes effect (ADR 007). Without the thread
nothing that is taken back would be seen any more, so it outlives every error, and what keeps it from seeing
is told.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from gridlore.domain.addresses import NamingAuthority
from gridlore.domain.errors import StoreUnavailableError
from gridlore.services.directory import Directory
from gridlore.store.interface import Store

log = structlog.get_logger(__name__)

BLIND = 5.0
"""For how long, beyond ``max_age``, nothing is said of a directory that could not be looked up. [s]"""


class DirectoryCache:
    """Keeps a snapshot of the directory, no older than ``max_age`` while the store can be reached.

    Parameters
    ----------
    max_age : float
        How often the store is asked for the directory's version. [s]
    monotonic : callable
        A clock that is never set. [s]
    """

    def __init__(
        self,
        store: Store,
        authority: NamingAuthority,
        *,
        max_age: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._authority = authority
        self._max_age = max_age
        self._monotonic = monotonic
        self._seen = monotonic()
        self._looking = threading.Lock()
        self._stop = threading.Event()
        self.current = Directory(store.read_directory(), authority)
        self._thread = threading.Thread(target=self._watch, name="gridlore-directory", daemon=True)
        self._thread.start()

    def refresh(self) -> None:
        """Look now whether the directory has changed, and read it if so.

        One at a time: who read first must not come last.
        """
        with self._looking:
            began = self._monotonic()
            if self._store.directory_version() != self.current.version:
                self.current = Directory(self._store.read_directory(), self._authority)
            self._seen = began

    def see_change(self) -> None:
        """Look at what this process has just changed; if the store cannot be reached, it is seen later.

        The change is made, whatever happens here, and who made it must hear that.
        """
        try:
            self.refresh()
        except StoreUnavailableError as error:
            log.warning("a change of the directory is seen later", error=error.message)

    def trouble(self) -> str | None:
        """Why changes of the directory are not seen, if that has been so for long."""
        if self._monotonic() - self._seen <= self._max_age + BLIND:
            return None
        return "changes of users, keys, grants and sensors are not seen"

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self._max_age):
            try:
                self.refresh()
            except StoreUnavailableError as error:
                log.warning("directory cannot be refreshed", error=error.message)
            except Exception:  # a mistake, of ours or in the database; the next look may find it mended
                log.exception("directory cannot be refreshed")
