"""From the text of a setting to its value, or to the words that say what would be right.

Layer: config. Standard library only. Every reader raises ValueError with these words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from ipaddress import ip_network
from urllib.parse import urlsplit

MIN_SECRET_LENGTH = 16

KIB = 1024
MIB = 1024 * KIB

_BYTES = re.compile(r"([0-9][0-9_]*) ?(KiB|MiB|GiB)?")
_BYTE_FACTORS = {"": 1, "KiB": 1024, "MiB": MIB, "GiB": 1024 * MIB}
HOST = re.compile(r"[^\s/]+")
HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")
MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_ORIGIN = re.compile(r"\*|https?://[A-Za-z0-9._~\[\]:-]+")
_TRUTH = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


class Mode(StrEnum):
    """``live``: history is never rewritten. ``play``: a value may replace one with its belief time."""

    LIVE = "live"
    PLAY = "play"


def whole_number(what: str, low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9][0-9_]*", text) or not low <= int(text) <= high:
            raise ValueError(f"{what} is a whole number from {low} to {high}")
        return int(text)

    return parse


def byte_count(what: str) -> Callable[[str], int]:
    def parse(text: str) -> int:
        match = _BYTES.fullmatch(text)
        size = int(match[1]) * _BYTE_FACTORS[match[2] or ""] if match else 0
        if not 1024 <= size <= 1024**4:
            raise ValueError(f"{what} is a number of bytes from 1024 up, like 1048576 or 64 MiB")
        return size

    return parse


def one_of(what: str, *choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"{what} is one of {', '.join(choices)}")
        return text.lower()

    return parse


def matching(pattern: re.Pattern[str], right: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(right)
        return text

    return parse


def read_mode(text: str) -> Mode:
    return Mode(one_of("the mode", *Mode)(text))


def read_seconds(text: str) -> float:
    right = "this is a number of seconds from 0.01 to 3600"
    try:
        seconds = float(text)
    except ValueError:
        raise ValueError(right) from None
    if not 0.01 <= seconds <= 3600:
        raise ValueError(right)
    return seconds


def read_boolean(text: str) -> bool:
    if text.lower() not in _TRUTH:
        raise ValueError("this is true or false")
    return _TRUTH[text.lower()]


def read_secret_key(text: str) -> str:
    if len(text.strip()) < MIN_SECRET_LENGTH:
        raise ValueError(f"a secret key has at least {MIN_SECRET_LENGTH} characters, best random ones")
    return text


def read_origins(text: str) -> tuple[str, ...]:
    origins = tuple(part.strip() for part in text.split(",") if part.strip())
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError(
            "origins have commas between them, and each is like https://app.example.com, without a path; "
            "* stands for all"
        )
    return origins


def read_networks(text: str) -> tuple[str, ...]:
    try:
        return tuple(str(ip_network(part.strip())) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError(
            "these are addresses or networks, like 10.0.0.7 or 10.0.0.0/24, with commas between them"
        ) from None


def read_metrics_token(text: str) -> str:
    if text and len(text.strip()) < MIN_SECRET_LENGTH:
        raise ValueError(f"a metrics token has at least {MIN_SECRET_LENGTH} characters, best random ones")
    return text


def read_traces_url(text: str) -> str:
    if text and not re.fullmatch(r"https?://[^\s?#]+", text):
        raise ValueError("a collector of traces is like http://127.0.0.1:4318")
    return text


def read_database_url(text: str) -> str:
    right = "a database is sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
    if re.fullmatch(r"sqlite:///(?!:memory:)[^?#]+(?<!/)", text):
        return text
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  (raises when it is no number)
    except ValueError:
        raise ValueError(right) from None
    if not text.startswith("postgresql://"):
        raise ValueError(right)
    return text
