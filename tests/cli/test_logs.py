"""Log lines: whole, in order, and none is lost."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import structlog

from gridlore.cli.logs import LineLogger, configure_logging
from gridlore.config import load_settings


class Stream(io.StringIO):
    """Knows how often it was written to."""

    writes = 0

    def flush(self) -> None:
        self.writes += 1


Catch = Callable[[], Stream]


@pytest.fixture
def catch(monkeypatch: pytest.MonkeyPatch) -> Catch:
    """From the call on, what goes to standard error; pytest has its own there between fixture and test."""

    def replace_stream() -> Stream:
        made = Stream()
        monkeypatch.setattr(sys, "stderr", made)
        return made

    return replace_stream


@pytest.fixture(autouse=True)
def kept_configuration() -> Iterator[None]:
    kept = structlog.get_config()
    yield
    structlog.configure(**kept)


def make_logger() -> LineLogger:
    return LineLogger(lambda event: str(event["event"]))


def say(logger: LineLogger, line: str) -> None:
    logger.msg({"event": line})


def log_in_loop(logger: LineLogger, *lines: str) -> None:
    async def turn() -> None:
        for line in lines:
            say(logger, line)
        await asyncio.sleep(0)

    asyncio.run(turn())


def test_lines_of_one_turn_of_the_event_loop_are_written_together(catch: Catch) -> None:
    stream, logger = catch(), make_logger()
    log_in_loop(logger, "one", "two", "three")
    assert (stream.getvalue(), stream.writes) == ("one\ntwo\nthree\n", 1)
    log_in_loop(logger, "four")
    assert stream.getvalue().endswith("three\nfour\n")


def test_a_line_of_a_thread_is_written_at_once_with_those_that_wait(catch: Catch) -> None:
    stream, logger = catch(), make_logger()

    async def turn() -> None:
        say(logger, "one")
        thread = threading.Thread(target=say, args=(logger, "two"))
        thread.start()
        thread.join()
        assert stream.getvalue() == "one\ntwo\n"

    asyncio.run(turn())
    say(logger, "three")
    assert stream.getvalue() == "one\ntwo\nthree\n"


def test_a_line_that_was_not_written_when_the_loop_ended_comes_with_the_next(catch: Catch) -> None:
    stream, logger = catch(), make_logger()

    async def turn() -> None:
        asyncio.get_running_loop().call_soon(say, logger, "last words")

    asyncio.run(turn())
    say(logger, "next")
    assert stream.getvalue() == "last words\nnext\n"


@pytest.mark.parametrize("log_format", ["json", "auto"])
def test_away_from_a_terminal_a_line_is_json(catch: Catch, log_format: str) -> None:
    stream = catch()
    configure_logging(replace(load_settings(), log_format=log_format))
    structlog.get_logger("any").info("request", status=200)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["status"]) == ("request", "info", 200)


def test_a_text_that_is_no_utf8_spoils_no_line(catch: Catch) -> None:
    stream = catch()
    configure_logging(replace(load_settings(), log_format="json"))
    structlog.get_logger("any").info("read", file=b"\xff.csv".decode(errors="surrogateescape"))
    assert json.loads(stream.getvalue())["file"] == "\udcff.csv"


def test_a_line_that_cannot_be_written_costs_no_other(catch: Catch) -> None:
    stream = catch()
    configure_logging(replace(load_settings(), log_format="json"))
    circle: list[object] = []
    circle.append(circle)

    async def turn() -> None:
        logger = structlog.get_logger("any")
        logger.info("before")
        logger.info("wrong", it=circle)
        logger.info("after")
        await asyncio.sleep(0)

    asyncio.run(turn())
    before, wrong, after = stream.getvalue().splitlines()
    assert (json.loads(before)["event"], json.loads(after)["event"]) == ("before", "after")
    assert "cannot be written" in wrong


def test_on_a_terminal_a_line_is_for_people(catch: Catch, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = catch()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    configure_logging(load_settings())
    structlog.get_logger("any").info("request", status=200)
    assert "request" in stream.getvalue()
    assert "{" not in stream.getvalue()


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("name", ["gridlore.any", "library"])
def test_a_traceback_is_of_the_moment_when_it_was_logged(catch: Catch, log_format: str, name: str) -> None:
    stream = catch()
    configure_logging(replace(load_settings(), log_format=log_format))
    ours = name.startswith("gridlore")

    async def turn() -> None:
        try:
            int("no number")
        except ValueError:
            (structlog.get_logger(name) if ours else logging.getLogger(name)).exception("it failed")
        await asyncio.sleep(0)

    asyncio.run(turn())
    text = stream.getvalue()
    assert all(part in text for part in ("it failed", "Traceback", "ValueError: invalid literal"))


class FullDisk(io.StringIO):
    """Takes nothing while it is full."""

    is_full = True

    def write(self, text: str) -> int:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


def test_lines_that_cannot_be_written_stop_nobody_and_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FullDisk()
    monkeypatch.setattr(sys, "stderr", disk)
    logger = LineLogger(str)
    for number in range(3):
        say(logger, f"lost {number}")
    log_in_loop(logger, "lost 3")
    disk.is_full = False
    say(logger, "kept")
    say(logger, "kept too")
    told = disk.getvalue().splitlines()
    assert len(told) == 3
    assert "log lines were lost" in told[0] and "'lines': 4" in told[0]
    assert "kept" in told[1] and "kept too" in told[2]
    disk.close()
    say(logger, "nobody reads this")
