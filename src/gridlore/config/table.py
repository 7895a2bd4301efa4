"""The table of settings: name, default, unit, meaning, and how its text is read.

Layer: config. Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_network
from types import MappingProxyType
from urllib.parse import urlsplit

PREFIX = "GRIDLORE_"

MIN_SECRET_LENGTH = 16
MASK = "***"

KIB = 1024
MIB = 1024 * KIB

_BYTES = re.compile(r"([0-9][0-9_]*) ?(KiB|MiB|GiB)?")
_BYTE_FACTORS = {"": 1, "KiB": 1024, "MiB": MIB, "GiB": 1024 * MIB}
_HOST = re.compile(r"[^\s/]+")
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
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
_PASSWORD_FIELD = re.compile(r"(?<=[?&]password=)[^&#]*", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(?<=://)([^/@:?#]*):([^/?#]*)@")


class Mode(StrEnum):
    """``live``: history is never rewritten. ``play``: a value may replace one with its belief time."""

    LIVE = "live"
    PLAY = "play"


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be set.

    ``default`` is text as one would give it; None where there is none. ``parse`` gives the value or
    raises ValueError with the words that say what would be right.
    """

    name: str
    default: str | None
    unit: str
    meaning: str
    parse: Callable[[str], object]
    secret: bool = False

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return PREFIX + self.name

    @property
    def option(self) -> str:
        """Its option on the command line."""
        return "--" + self.name.lower().replace("_", "-")

    @property
    def attribute(self) -> str:
        """Its name in ``Settings``."""
        return self.name.lower()

    def shown(self, text: str) -> str:
        """``text`` as it may be printed: without what must stay secret."""
        if self.secret:
            return MASK if text else ""
        return mask_password(text) if self.name == "DATABASE_URL" else text


def mask_password(url: str) -> str:
    """A database URL without its password.

    >>> mask_password("postgresql://ann:s3cret@db.example.com/grid")
    'postgresql://ann:***@db.example.com/grid'
    """
    return _PASSWORD_FIELD.sub(MASK, _URL_PASSWORD.sub(rf"\1:{MASK}@", url))


def _whole(what: str, low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9][0-9_]*", text) or not low <= int(text) <= high:
            raise ValueError(f"{what} is a whole number from {low} to {high}")
        return int(text)

    return parse


def _bytes(what: str) -> Callable[[str], int]:
    def parse(text: str) -> int:
        match = _BYTES.fullmatch(text)
        size = int(match[1]) * _BYTE_FACTORS[match[2] or ""] if match else 0
        if not 1024 <= size <= 1024**4:
            raise ValueError(f"{what} is a number of bytes from 1024 up, like 1048576 or 64 MiB")
        return size

    return parse


def _choice(what: str, *choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"{what} is one of {', '.join(choices)}")
        return text.lower()

    return parse


def _matching(pattern: re.Pattern[str], right: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(right)
        return text

    return parse


def _mode(text: str) -> Mode:
    return Mode(_choice("the mode", *Mode)(text))


def _seconds(text: str) -> float:
    right = "this is a number of seconds from 0.01 to 3600"
    try:
        seconds = float(text)
    except ValueError:
        raise ValueError(right) from None
    if not 0.01 <= seconds <= 3600:
        raise ValueError(right)
    return seconds


def _boolean(text: str) -> bool:
    if text.lower() not in _TRUTH:
        raise ValueError("this is true or false")
    return _TRUTH[text.lower()]


def _secret_key(text: str) -> str:
    if len(text.strip()) < MIN_SECRET_LENGTH:
        raise ValueError(f"a secret key has at least {MIN_SECRET_LENGTH} characters, best random ones")
    return text


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(part.strip() for part in text.split(",") if part.strip())
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError(
            "origins have commas between them, and each is like https://app.example.com, without a path; "
            "* stands for all"
        )
    return origins


def _networks(text: str) -> tuple[str, ...]:
    try:
        return tuple(str(ip_network(part.strip())) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError(
            "these are addresses or networks, like 10.0.0.7 or 10.0.0.0/24, with commas between them"
        ) from None


def _metrics_token(text: str) -> str:
    return _secret_key(text) if text else text


def _traces_url(text: str) -> str:
    if text and not re.fullmatch(r"https?://[^\s?#]+", text):
        raise ValueError("a collector of traces is like http://127.0.0.1:4318")
    return text


def _database_url(text: str) -> str:
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


SETTINGS: tuple[Setting, ...] = (
    Setting("DATABASE_URL", "sqlite:///gridlore.db", "URL", "where everything is kept", _database_url),
    Setting(
        "HOST",
        "127.0.0.1",
        "address",
        "the network address to serve at; 0.0.0.0 for every one of this machine",
        _matching(_HOST, "an address is one of this machine, like 127.0.0.1, or 0.0.0.0 for all of them"),
    ),
    Setting("PORT", "5000", "port", "the port to serve at; 0 for any free one", _whole("a port", 0, 65535)),
    Setting("WORKERS", "1", "processes", "how many processes serve", _whole("the number of workers", 1, 256)),
    Setting(
        "HOST_ADDRESS",
        "localhost",
        "host name",
        "the naming authority of entity addresses",
        _matching(
            _HOST_NAME, "a host name is letters, digits and hyphens, with dots between, like grid.example.com"
        ),
    ),
    Setting(
        "HOST_MONTH",
        "2021-01",
        "yyyy-mm",
        "the month since which the naming authority has had its name",
        _matching(_MONTH, "a month is written yyyy-mm, like 2021-01"),
    ),
    Setting(
        "SECURITY_TOKEN_MAX_AGE",
        "21600",
        "seconds",
        "how long an authentication token is good for",
        _whole("the age of a token", 1, 315_576_000),
    ),
    Setting(
        "SECRET_KEY",
        None,
        "text",
        "what tokens and sessions are signed with; made and kept beside an embedded database when absent, "
        "required otherwise, the same for every process",
        _secret_key,
        secret=True,
    ),
    Setting(
        "MODE",
        "live",
        "live | play",
        "in play, a value may replace one stated with the same belief time",
        _mode,
    ),
    Setting(
        "MAX_HEADER_BYTES",
        str(128 * KIB),
        "bytes",
        "longest request line and headers together",
        _bytes("this limit"),
    ),
    Setting("MAX_BODY_BYTES", str(64 * MIB), "bytes", "longest request body, unpacked", _bytes("this limit")),
    Setting(
        "MAX_VALUES_PER_MESSAGE",
        "2000000",
        "values",
        "most values that one message may store, after upsampling",
        _whole("this limit", 1, 1_000_000_000),
    ),
    Setting(
        "MAX_SENSORS_PER_MESSAGE",
        "20000",
        "sensors",
        "most sensors that one message may name, counted once per group",
        _whole("this limit", 1, 1_000_000),
    ),
    Setting(
        "MAX_SLOTS_PER_READ",
        "2000000",
        "slots",
        "most event slots that one request may read",
        _whole("this limit", 1, 1_000_000_000),
    ),
    Setting(
        "WRITE_QUEUE_BYTES",
        str(256 * MIB),
        "bytes",
        "how much may wait to be written before clients are told to come back later",
        _bytes("this limit"),
    ),
    Setting(
        "MAX_BODIES_BYTES",
        str(256 * MIB),
        "bytes",
        "how much of request bodies may be in work at once before clients are told to come back later",
        _bytes("this limit"),
    ),
    Setting(
        "MAX_CONNECTIONS",
        "4096",
        "connections",
        "how many connections may be open before further clients are told to come back later",
        _whole("the number of connections", 1, 1_000_000),
    ),
    Setting(
        "REQUEST_TIMEOUT",
        "20",
        "seconds",
        "how long a client may take to send the head of a request, and to begin to send on or to read on",
        _seconds,
    ),
    Setting(
        "ANSWER_TIMEOUT",
        "30",
        "seconds",
        "how long an answer may be worked on before the client is told to come back later",
        _seconds,
    ),
    Setting(
        "KEEP_ALIVE_TIMEOUT",
        "65",
        "seconds",
        "how long a connection without a request stays open",
        _whole("this time", 1, 3600),
    ),
    Setting(
        "DIRECTORY_MAX_AGE",
        "0.1",
        "seconds",
        "how long a process may go on with accounts, users and sensors (and tokens) as they were",
        _seconds,
    ),
    Setting(
        "LOGIN_ATTEMPTS",
        "10",
        "per minute",
        "failed log-ins with one e-mail from one address before they are put off",
        _whole("the number of attempts", 1, 1_000_000),
    ),
    Setting(
        "REQUESTS_PER_USER",
        "10000",
        "per second",
        "requests of one user before further ones are put off; 0 for no limit",
        _whole("this limit", 0, 1_000_000),
    ),
    Setting(
        "REQUESTS_PER_ADDRESS",
        "10000",
        "per second",
        "requests from one address before further ones are put off; 0 for no limit",
        _whole("this limit", 0, 1_000_000),
    ),
    Setting(
        "TRUSTED_PROXIES",
        "",
        "networks",
        "addresses of the proxies whose word on where a request came from is taken",
        _networks,
    ),
    Setting("CORS_ORIGINS", "", "origins", "web origins whose pages may call the API; * for all", _origins),
    Setting(
        "SESSION_COOKIE_SECURE", "false", "true | false", "send the log-in cookie over https only", _boolean
    ),
    Setting(
        "HSTS_MAX_AGE",
        "0",
        "seconds",
        "how long browsers that came by https must not come by http again; 0 for not at all",
        _whole("this time", 0, 315_576_000),
    ),
    Setting(
        "LOG_LEVEL",
        "info",
        "level",
        "the least serious messages that are logged: debug, info, warning, error or critical",
        _choice("a log level", "debug", "info", "warning", "error", "critical"),
    ),
    Setting(
        "LOG_FORMAT",
        "console",
        "console | json",
        "log lines for people or for machines",
        _choice("a log format", "console", "json"),
    ),
    Setting(
        "LOG_REQUESTS",
        "errors",
        "all | errors | none",
        "which requests get a line in the log: all, those that were refused or failed, or none",
        _choice("this", "all", "errors", "none"),
    ),
    Setting(
        "METRICS",
        "local",
        "local | open | off",
        "who may read /metrics: programs on this machine, everybody, or nobody",
        _choice("this", "local", "open", "off"),
    ),
    Setting(
        "METRICS_TOKEN",
        "",
        "text",
        "who sends this as a bearer token may read /metrics from anywhere",
        _metrics_token,
        secret=True,
    ),
    Setting(
        "TRACES_URL",
        "",
        "URL",
        "the OpenTelemetry collector (OTLP over HTTP) that traces are sent to; empty for no traces",
        _traces_url,
    ),
)
"""Every setting, in the order in which they are listed."""

BY_NAME: Mapping[str, Setting] = MappingProxyType({setting.name: setting for setting in SETTINGS})
