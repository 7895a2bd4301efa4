"""The table of settings: name, default, unit, meaning, and how its text is read.

Layer: config. Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gridlore.config.texts import (
    HOST,
    HOST_NAME,
    KIB,
    MIB,
    MONTH,
    byte_count,
    matching,
    one_of,
    read_boolean,
    read_database_url,
    read_metrics_token,
    read_mode,
    read_networks,
    read_origins,
    read_seconds,
    read_secret_key,
    read_traces_url,
    whole_number,
)

PREFIX = "GRIDLORE_"

MASK = "***"

_SECRET_FIELD = re.compile(r"([?&][^=&#]*(?:password|token|secret|key)=)[^&#]*", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(?<=://)([^/@:?#]*):.*@")
"""Up to the last @: in a password, signs are not always written as %XX, as they should be."""


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
        return mask_password(text) if self.unit == "URL" else text


def mask_password(url: str) -> str:
    """A URL without its password, and what else of it may be secret.

    >>> mask_password("postgresql://ann:s3cret@db.example.com/grid")
    'postgresql://ann:***@db.example.com/grid'
    """
    return _SECRET_FIELD.sub(rf"\1{MASK}", _URL_PASSWORD.sub(rf"\1:{MASK}@", url))


SETTINGS: tuple[Setting, ...] = (
    Setting("DATABASE_URL", "sqlite:///gridlore.db", "URL", "where everything is kept", read_database_url),
    Setting(
        "HOST",
        "127.0.0.1",
        "address",
        "the network address to serve at; 0.0.0.0 for every one of this machine",
        matching(HOST, "an address is one of this machine, like 127.0.0.1, or 0.0.0.0 for all of them"),
    ),
    Setting(
        "PORT", "5000", "port", "the port to serve at; 0 for any free one", whole_number("a port", 0, 65535)
    ),
    Setting(
        "WORKERS", "1", "processes", "how many processes serve", whole_number("the number of workers", 1, 256)
    ),
    Setting(
        "HOST_ADDRESS",
        "localhost",
        "host name",
        "the naming authority of entity addresses",
        matching(
            HOST_NAME, "a host name is letters, digits and hyphens, with dots between, like grid.example.com"
        ),
    ),
    Setting(
        "HOST_MONTH",
        "2021-01",
        "yyyy-mm",
        "the month since which the naming authority has had its name",
        matching(MONTH, "a month is written yyyy-mm, like 2021-01"),
    ),
    Setting(
        "SECURITY_TOKEN_MAX_AGE",
        "21600",
        "seconds",
        "how long an authentication token is good for",
        whole_number("the age of a token", 1, 315_576_000),
    ),
    Setting(
        "SECRET_KEY",
        None,
        "text",
        "what tokens and sessions are signed with; made and kept beside an embedded database when absent, "
        "required otherwise, the same for every process",
        read_secret_key,
        secret=True,
    ),
    Setting(
        "MODE",
        "live",
        "live | play",
        "in play, a value may replace one stated with the same belief time",
        read_mode,
    ),
    Setting(
        "MAX_HEADER_BYTES",
        str(128 * KIB),
        "bytes",
        "longest request line and headers together",
        byte_count("this limit"),
    ),
    Setting(
        "MAX_BODY_BYTES", str(64 * MIB), "bytes", "longest request body, unpacked", byte_count("this limit")
    ),
    Setting(
        "MAX_VALUES_PER_MESSAGE",
        "2000000",
        "values",
        "most values that one message may store, after upsampling",
        whole_number("this limit", 1, 1_000_000_000),
    ),
    Setting(
        "MAX_SENSORS_PER_MESSAGE",
        "20000",
        "sensors",
        "most sensors that one message may name, counted once per group",
        whole_number("this limit", 1, 1_000_000),
    ),
    Setting(
        "MAX_SLOTS_PER_READ",
        "2000000",
        "slots",
        "most event slots that one request may read",
        whole_number("this limit", 1, 1_000_000_000),
    ),
    Setting(
        "WRITE_QUEUE_BYTES",
        str(256 * MIB),
        "bytes",
        "how much may wait to be written before clients are told to come back later; of one user half of it",
        byte_count("this limit"),
    ),
    Setting(
        "MAX_BODIES_BYTES",
        str(256 * MIB),
        "bytes",
        "how much of request bodies may be in work at once before clients are told to come back later; for "
        "one address half of it",
        byte_count("this limit"),
    ),
    Setting(
        "MAX_CONNECTIONS",
        "4096",
        "connections",
        "how many connections may be open before further clients are told to come back later; from one "
        "address (a proxy too) half of them",
        whole_number("the number of connections", 1, 1_000_000),
    ),
    Setting(
        "REQUEST_TIMEOUT",
        "20",
        "seconds",
        "how long a client may take to send the head of a request, and to begin to send on or to read on",
        read_seconds,
    ),
    Setting(
        "ANSWER_TIMEOUT",
        "30",
        "seconds",
        "how long an answer may be worked on before the client is told to come back later",
        read_seconds,
    ),
    Setting(
        "KEEP_ALIVE_TIMEOUT",
        "65",
        "seconds",
        "how long a connection without a request stays open",
        whole_number("this time", 1, 3600),
    ),
    Setting(
        "DIRECTORY_MAX_AGE",
        "0.1",
        "seconds",
        "how long a process may go on with accounts, users and sensors (and tokens) as they were",
        read_seconds,
    ),
    Setting(
        "LOGIN_ATTEMPTS",
        "10",
        "per minute",
        "failed log-ins with one e-mail from one address before they are put off; with one e-mail, five "
        "times as many from all addresses that are new to it",
        whole_number("the number of attempts", 1, 1_000_000),
    ),
    Setting(
        "REQUESTS_PER_USER",
        "10000",
        "per second",
        "requests of one user before further ones are put off; 0 for no limit",
        whole_number("this limit", 0, 1_000_000),
    ),
    Setting(
        "REQUESTS_PER_ADDRESS",
        "10000",
        "per second",
        "requests from one address before further ones are put off; 0 for no limit",
        whole_number("this limit", 0, 1_000_000),
    ),
    Setting(
        "TRUSTED_PROXIES",
        "",
        "networks",
        "addresses of the proxies whose word on where a request came from is taken",
        read_networks,
    ),
    Setting(
        "CORS_ORIGINS", "", "origins", "web origins whose pages may call the API; * for all", read_origins
    ),
    Setting(
        "SESSION_COOKIE_SECURE",
        "false",
        "true | false",
        "send the log-in cookie over https only",
        read_boolean,
    ),
    Setting(
        "HSTS_MAX_AGE",
        "0",
        "seconds",
        "how long browsers that came by https must not come by http again; 0 for not at all",
        whole_number("this time", 0, 315_576_000),
    ),
    Setting(
        "LOG_LEVEL",
        "info",
        "level",
        "the least serious messages that are logged: debug, info, warning, error or critical",
        one_of("a log level", "debug", "info", "warning", "error", "critical"),
    ),
    Setting(
        "LOG_FORMAT",
        "auto",
        "auto | console | json",
        "log lines for people, for machines, or for people on a terminal and for machines anywhere else",
        one_of("a log format", "auto", "console", "json"),
    ),
    Setting(
        "LOG_REQUESTS",
        "receipts",
        "all | receipts | errors | none",
        "which requests get a line in the log: all; messages that were stored, and what was refused or "
        "failed; what was refused or failed; or none",
        one_of("this", "all", "receipts", "errors", "none"),
    ),
    Setting(
        "METRICS",
        "local",
        "local | open | off",
        "who may read /metrics: programs on this machine, everybody, or nobody",
        one_of("this", "local", "open", "off"),
    ),
    Setting(
        "METRICS_TOKEN",
        "",
        "text",
        "who sends this as a bearer token may read /metrics from anywhere",
        read_metrics_token,
        secret=True,
    ),
    Setting(
        "TRACES_URL",
        "",
        "URL",
        "the OpenTelemetry collector (OTLP over HTTP) that traces are sent to; empty for no traces",
        read_traces_url,
    ),
)
"""Every setting, in the order in which they are listed."""

BY_NAME: Mapping[str, Setting] = MappingProxyType({setting.name: setting for setting in SETTINGS})
