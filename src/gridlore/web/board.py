"""Where the worker processes of one server leave their figures for one another.

Layer: web. A folder with a file for each worker, written when one of them is asked and now and then
meanwhile: a scrape reaches any one worker, and should tell of all.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from gridlore.web.metrics import Figures

log = structlog.get_logger(__name__)

PERIOD = 1.0
"""How old the figures of the other workers may be. [s]"""


class Board:
    """Writes this process's figures, and reads everybody's.

    Parameters
    ----------
    figures : function
        This process's, as they are now.
    folder : Path or None
        Shared with the other workers; None when there are none.
    """

    def __init__(self, figures: Callable[[], Figures], folder: Path | None) -> None:
        self._figures = figures
        self._folder = folder
        self._stop = threading.Event()
        self._thread = None
        if folder is not None:
            self._thread = threading.Thread(
                target=self._keep_up, args=(folder,), name="gridlore-board", daemon=True
            )
            self._thread.start()

    def read(self) -> tuple[list[Figures], list[Figures]]:
        """The figures of the workers that have ended, and of those that live."""
        own = self._figures()
        ended: list[Figures] = []
        living = [own]
        for file in sorted(self._folder.glob("*.json")) if self._folder else ():
            found = msgspec.json.decode(file.read_bytes(), type=Figures)
            if found.worker != own.worker:
                (living if _is_alive(found.worker) else ended).append(found)
        return ended, living

    def close(self) -> None:
        """Leave the last figures, and stop."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _keep_up(self, folder: Path) -> None:
        while True:
            stopping = self._stop.wait(PERIOD)
            self._write(folder)
            if stopping:
                return

    def _write(self, folder: Path) -> None:
        figures = self._figures()
        file = folder / f"{figures.worker}.json"
        draft = file.with_suffix(".draft")
        try:
            draft.write_bytes(msgspec.json.encode(figures))
            draft.replace(file)
        except OSError as error:
            log.warning("figures cannot be left for the other workers", error=str(error))


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
