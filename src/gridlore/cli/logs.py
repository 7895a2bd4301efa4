"""Log lines on standard error, for people or for machines, as LOG_LEVEL and LOG_FORMAT say.

Layer: cli. Ours come from structlog, those of the server's libraries from the standard library; both look
alike. Tracebacks are without the values of variables, which may be secrets.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import sys
import threading
from collections.abc import Callable
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, Processor

from gridlore.config import Settings

Render = Callable[[EventDict], str]


class LineLogger:
    """Writes lines on standard error; those of one turn of the event loop are made and written together.

    Each write lets other threads run, and queues to get the interpreter back: eight receipts of one commit
    would take turns with the writer eight times. Eight made in a row also take half the time of eight made
    between other things.

    A line that cannot be written, as on a full disk, is lost and counted; it must not keep those who log from
    what they do, and the next line that can be written is told after how many were not.
    """

    def __init__(self, render: Render) -> None:
        self._stream = sys.stderr
        self._render = render
        self._events: list[EventDict] = []
        self._lost = 0
        self._lock = threading.Lock()
        atexit.register(self._write)

    def msg(self, event: EventDict) -> None:
        """Write a line: with the next turn of the event loop, or at once in a thread that has none."""
        with self._lock:
            is_first = not self._events
            self._events.append(event)
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
            events, self._events = self._events, []
        if not events:
            return
        if self._lost:
            events = [{"level": "warning", "event": "log lines were lost", "lines": self._lost}, *events]
        try:
            self._stream.write("\n".join([*map(self._render_any, events), ""]))
            self._stream.flush()
        except (OSError, ValueError):  # a full disk, a pipe that nobody reads, a stream that is closed
            self._lost += len(events) - bool(self._lost)
        else:
            self._lost = 0

    def _render_any(self, event: EventDict) -> str:
        try:
            return self._render(event)
        except Exception as error:  # noqa: BLE001 - a mistake of ours, which must not cost the lines beside it
            return f"{event.get('level')}: a line that cannot be written ({error!r}): {sorted(event)}"


def configure_logging(settings: Settings) -> None:
    """Log from now on as the settings say, in this process."""
    render = _choose_renderer(settings.log_format)
    lines = LineLogger(render)
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, _hand_over],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: lines,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                lambda _logger, _name, event: render(event),
            ],
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        )
    )
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # what we hear of as an error, it warns of besides
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)


def _hand_over(_logger: object, _name: str, event: EventDict) -> tuple[tuple[EventDict], dict[str, Any]]:
    return (event,), {}


def _choose_renderer(log_format: str) -> Render:
    if log_format == "json" or (log_format == "auto" and not sys.stderr.isatty()):
        return _to_json
    plain = structlog.dev.plain_traceback
    console = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)
    return lambda event: console(None, event["level"], event)


def _to_json(event: EventDict) -> str:
    try:
        return orjson.dumps(event, default=str).decode()
    except TypeError:  # a text that is no UTF-8, such as the name of a file
        return json.dumps(event, default=str)
