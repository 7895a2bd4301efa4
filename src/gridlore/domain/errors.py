"""What can be wrong with a request, in the field's words.

Layer: domain. An error says what was wrong, what was got and what would be right. It knows nothing of
HTTP: ``wire/responses.py`` holds the one table from error class to status word and code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar


class GridloreError(Exception):
    """Base of every error a client or operator is told about."""

    @property
    def message(self) -> str:
        """The sentence for the person who caused it."""
        return str(self.args[0]) if self.args else self.__class__.__name__


E = TypeVar("E", bound=BaseException)


def without_frames(error: E) -> E:
    """The error, without what its traceback, and those of its causes, keep in memory: all that was read."""
    chain: list[BaseException | None] = [error]
    seen: set[int] = set()
    while chain:
        one = chain.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            one.__traceback__ = None
            chain += (one.__cause__, one.__context__)
    return error


class AuthenticationError(GridloreError):
    """Nobody we know sent this."""

    def __init__(self) -> None:
        super().__init__("You could not be properly authenticated for this content or functionality.")


class AuthorizationError(GridloreError):
    """We know the sender, and the sender may not do this; ``reason`` says more than that."""

    def __init__(self, reason: str = "") -> None:
        told = "You cannot be authorized for this content or functionality."
        super().__init__(f"{told} {reason}" if reason else told)


class RoleError(GridloreError):
    """No service is known for the role asked about."""

    def __init__(self, role: str) -> None:
        super().__init__(f"No known services for specified role {role}.")


class MessageError(GridloreError):
    """The body is no JSON object."""


class BodyTooLargeError(GridloreError):
    """The body is larger than this server takes."""


class MessageTypeMissingError(GridloreError):
    """The message does not say what it is."""


class MessageTypeError(GridloreError):
    """The message says it is something else."""


class MethodError(GridloreError):
    """The path exists, for another HTTP method."""


class UnitError(GridloreError):
    """The unit is not the one this kind of data, or this sensor, is given in."""


class ConnectionGroupError(GridloreError):
    """Connections (markets, weather sensors) are missing, ambiguous, unknown or not the user's."""


class MarketError(GridloreError):
    """No market goes by this address."""


class WeatherSensorError(GridloreError):
    """No weather sensor stands at this address."""


class AddressError(GridloreError):
    """This is neither an entity address nor a known name."""


class ValuesError(GridloreError):
    """Values are missing, or are no finite numbers."""


class ValuesLimitError(GridloreError):
    """More values than one message may carry."""


class HorizonError(GridloreError):
    """The horizon (or prior) cannot be read, is out of range, or contradicts the kind of data."""


class PeriodError(GridloreError):
    """Start or duration cannot be read or is out of range."""


class TimezoneError(GridloreError):
    """A time does not say its time zone."""


class ResolutionError(GridloreError):
    """The number of values does not fit the duration and the sensor's resolution."""


class GridError(GridloreError):
    """A start falls between two events of the sensor."""


class SourceError(GridloreError):
    """A source is neither a role nor a known user."""


class PowerTooSmallError(GridloreError):
    """A pure consumer cannot produce."""


class PowerTooBigError(GridloreError):
    """A pure producer cannot consume."""


class ReplacementError(GridloreError):
    """A value differs from the one its source already stated with the same belief time."""


class OverloadError(GridloreError):
    """The server has more to write than it may queue; try again shortly."""


class StoreUnavailableError(GridloreError):
    """The database cannot be reached now; nothing was stored, unless it was lost at the very commit."""


class StoreRefusalError(StoreUnavailableError):
    """The database can be reached, and did not carry out a transaction; another may fare better."""


class StoreDamagedError(StoreUnavailableError):
    """The database's file is not what was written to it."""


class SchemaError(GridloreError):
    """The database's schema is not the one this version works with."""


class OldSchemaError(SchemaError):
    """The database's schema is that of an older version, and can be upgraded."""


class SensorInUseError(GridloreError):
    """What the values of a sensor depend on cannot change any more."""


class BackupError(GridloreError):
    """A database cannot be copied, or a copy not be put in its place."""


class WorldError(GridloreError):
    """A world file cannot be applied; nothing was changed.

    ``problems`` has each problem as the number of the line or field it is about (0: of none) and a sentence.
    """

    def __init__(self, message: str, problems: Sequence[tuple[int, str]] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class SettingError(GridloreError):
    """A setting's value cannot be used."""


class UserError(GridloreError):
    """A user named by an operator does not exist, or cannot be changed so."""


class TooManyRequestsError(GridloreError):
    """Too much in a short time; ``retry_after`` says when to come back [s].

    ``limit`` is how many requests are taken, where it is these that are counted. [1/s]
    """

    def __init__(self, message: str, retry_after: int, limit: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.limit = limit
