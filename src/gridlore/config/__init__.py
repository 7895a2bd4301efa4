"""The settings of a Gridlore process, and how a wrong one is told.

Layer: config; imports the domain's errors only, and ``cli`` and ``bootstrap`` import it. A setting NAME
is the environment variable ``GRIDLORE_NAME`` and the option ``--name``; the option wins. Nothing wrong is
passed over: a bad value, or an environment variable that no setting goes by, stops the start.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gridlore.config.secret_key import keep_secret_key
from gridlore.config.table import BY_NAME, PREFIX, SETTINGS, Setting
from gridlore.config.texts import Mode
from gridlore.domain.errors import SettingError

__all__ = [
    "SETTINGS",
    "GivenValue",
    "Mode",
    "Origin",
    "Setting",
    "Settings",
    "database_file",
    "given_values",
    "key_file",
    "load_settings",
]

TEST_PREFIX = "GRIDLORE_TEST_"
"""Variables with this prefix belong to the test suite and are no settings."""

NOTHING_GIVEN: Mapping[str, str | None] = MappingProxyType({})


class Origin(StrEnum):
    """Where a setting's value came from."""

    DEFAULT = "default"
    ENVIRONMENT = "environment"
    OPTION = "option"


@dataclass(frozen=True)
class Settings:
    """The value of every setting; made by ``load_settings``. Units and meanings stand in ``SETTINGS``."""

    database_url: str = field(repr=False)
    host: str
    port: int
    workers: int
    host_address: str
    host_month: str
    security_token_max_age: int
    secret_key: str = field(repr=False)
    mode: Mode
    max_header_bytes: int
    max_body_bytes: int
    max_values_per_message: int
    max_sensors_per_message: int
    max_slots_per_read: int
    write_queue_bytes: int
    max_bodies_bytes: int
    max_connections: int
    request_timeout: float
    answer_timeout: float
    keep_alive_timeout: int
    directory_max_age: float
    login_attempts: int
    requests_per_user: int
    requests_per_address: int
    trusted_proxies: tuple[str, ...]
    cors_origins: tuple[str, ...]
    session_cookie_secure: bool
    hsts_max_age: int
    log_level: str
    log_format: str
    log_requests: str
    metrics: str
    metrics_token: str = field(repr=False)
    traces_url: str = field(repr=False)

    @property
    def is_embedded(self) -> bool:
        """Whether the database is SQLite."""
        return is_embedded(self.database_url)

    @property
    def database_file(self) -> Path | None:
        """The file of an embedded database; None for PostgreSQL."""
        return database_file(self.database_url)

    def as_environment(self) -> dict[str, str]:
        """The variables with which another process gets the same settings, secrets included."""
        return {BY_NAME[f.name.upper()].variable: _as_text(getattr(self, f.name)) for f in fields(self)}


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


@dataclass(frozen=True, slots=True)
class GivenValue:
    """A setting with the text it was given (None: none), and where that came from."""

    setting: Setting
    text: str | None
    origin: Origin

    @property
    def shown(self) -> str | None:
        """The text as it may be printed."""
        return None if self.text is None else self.setting.shown(self.text)

    def parse(self) -> Any:
        """The value.

        Raises
        ------
        SettingError
            The text cannot be used.
        """
        if self.text is None:
            return None
        try:
            return self.setting.parse(self.text)
        except ValueError as error:
            place = self.setting.option if self.origin is Origin.OPTION else self.setting.variable
            got = f"{len(self.text)} characters" if self.setting.secret else repr(self.shown)
            raise SettingError(f"{place}: {error}; got {got}.") from None


def given_values(
    overrides: Mapping[str, str | None] = NOTHING_GIVEN, environ: Mapping[str, str] = os.environ
) -> list[GivenValue]:
    """Every setting with what it was given. Reads and makes no file.

    Parameters
    ----------
    overrides : mapping
        Texts of command line options, by setting name; None where an option was not given.

    Raises
    ------
    SettingError
        A name is no setting's, or a text cannot be used; all such complaints in one.
    """
    complaints = [*_unknown_names(overrides, environ)]
    given = [_find_value(setting, overrides, environ) for setting in SETTINGS]
    for value in given:
        try:
            value.parse()
        except SettingError as error:
            complaints.append(error.message)
    if complaints:
        raise SettingError("\n".join(complaints))
    return given


def _find_value(
    setting: Setting, overrides: Mapping[str, str | None], environ: Mapping[str, str]
) -> GivenValue:
    override = overrides.get(setting.name)
    if override is not None:
        return GivenValue(setting, override, Origin.OPTION)
    if setting.variable in environ:
        return GivenValue(setting, environ[setting.variable], Origin.ENVIRONMENT)
    return GivenValue(setting, setting.default, Origin.DEFAULT)


def _unknown_names(overrides: Mapping[str, str | None], environ: Mapping[str, str]) -> Iterator[str]:
    for name in overrides:
        if name not in BY_NAME:
            yield f"{name}: there is no such setting. {_suggestion(name, '')}"
    for variable in sorted(environ):
        name = variable.removeprefix(PREFIX)
        if variable.startswith(PREFIX) and not variable.startswith(TEST_PREFIX) and name not in BY_NAME:
            yield f"{variable}: there is no such setting. {_suggestion(name, PREFIX)}"


def _suggestion(name: str, prefix: str) -> str:
    near = difflib.get_close_matches(name.upper(), BY_NAME, n=1, cutoff=0.5)
    if near:
        return f"Did you mean {prefix}{near[0]}?"
    return "There are " + ", ".join(prefix + setting.name for setting in SETTINGS) + "."


def load_settings(
    overrides: Mapping[str, str | None] = NOTHING_GIVEN, environ: Mapping[str, str] = os.environ
) -> Settings:
    """The settings of this process.

    The secret key of an embedded database is read from the file beside it, and made when there is none.

    Raises
    ------
    SettingError
        A name is no setting's, or a text cannot be used.

    >>> load_settings({"SECRET_KEY": "not so secret, this", "PORT": "8080"}, environ={}).port
    8080
    """
    values = {value.setting.attribute: value.parse() for value in given_values(overrides, environ)}
    _check_directory(values["database_url"])
    if values["secret_key"] is None:
        values["secret_key"] = _own_secret_key(values["database_url"])
    return Settings(**values)


def is_embedded(database_url: str) -> bool:
    """Whether this is a SQLite database."""
    return database_url.startswith("sqlite:")


def database_file(database_url: str) -> Path | None:
    """The file of an embedded database; None for PostgreSQL.

    >>> database_file("sqlite:////var/lib/grid.db").as_posix(), database_file("postgresql://db/grid")
    ('/var/lib/grid.db', None)
    """
    return Path(database_url.removeprefix("sqlite:///")) if is_embedded(database_url) else None


def key_file(database_url: str) -> Path | None:
    """Where the secret key of an embedded database is kept; None for PostgreSQL."""
    file = database_file(database_url)
    return None if file is None else file.with_name(file.name + ".key")


def _check_directory(database_url: str) -> None:
    file = database_file(database_url)
    if file is not None and not file.parent.is_dir():
        raise SettingError(
            f"DATABASE_URL: the directory of an embedded database must exist; got {database_url!r}, and "
            f"there is no directory {str(file.parent)!r}. Make it, or name a file elsewhere."
        )


def _own_secret_key(database_url: str) -> str:
    file = key_file(database_url)
    if file is None:
        raise SettingError(
            "GRIDLORE_SECRET_KEY: with PostgreSQL a secret key must be given, the same to every process; got "
            "none. `python3 -c 'import secrets; print(secrets.token_hex(32))'` makes one."
        )
    return keep_secret_key(file)
