"""Log lines on standard error, for people or for machines, as LOG_LEVEL and LOG_FORMAT say.

Layer: cli. Ours come from structlog, those of the server's libraries from the standard library; both look
alike. Tracebacks are without the values of variables, which may be secrets.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import sys
import threading

import orjson
import structlog
from structlog.typing import Processor

from gridlore.config import Settings


class LineLogger:
    """Writes lines on standard error; those of one turn of the event loop together.

    Each write lets other threads run, and queues to get the interpreter back: eight receipts of one commit
    would take turns with the writer eight times.
    """

    def __init__(self) -> None:
        self._stream = sys.stderr
        self._lines: list[str] = []
        self._lock = threading.Lock()
        atexit.register(self._write)

    def msg(self, line: str) -> None:
        """Write a line: with the next turn of the event loop, or at once in a thread that has none."""
        with self._lock:
            is_first = not self._lines
            self._lines.append(line)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._write()
        else:
            if is_first:
                loop.call_soon(self._write)

    debug = info = warning = error = critical = exception = msg

    def _write(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
        if lines:
            self._stream.write("\n".join([*lines, ""]))
            self._stream.flush()


def configure_logging(settings: Settings) -> None:
    """Log from now on as the settings say, in this process."""
    lines = LineLogger()
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    endings = _endings(settings.log_format)
    structlog.configure(
        processors=[*shared, *endings],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: lines,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *endings],
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)


def _endings(log_format: str) -> list[Processor]:
    if log_format == "json" or (log_format == "auto" and not sys.stderr.isatty()):
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_to_json)]
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]


def _to_json(event: object, **_: object) -> str:
    return orjson.dumps(event, default=str).decode()
