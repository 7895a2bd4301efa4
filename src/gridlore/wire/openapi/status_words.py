"""Which status words an endpoint can answer, with their HTTP codes and what they mean.

Layer: wire. Words and codes come from the one table in ``responses.py``; ``status_words.json`` says, by
error class, what each means, with a message that may come with it (by noun, where that differs).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from gridlore.domain import errors
from gridlore.domain.errors import GridloreError
from gridlore.domain.sensors import SensorKind
from gridlore.wire.endpoints import GET_CONNECTION, GET_SERVICE, Endpoint
from gridlore.wire.responses import STATUS

ErrorClass = type[GridloreError]
Errors = tuple[ErrorClass, ...]

SENDER: Errors = (errors.AuthenticationError, errors.AuthorizationError)
BODY: Errors = (errors.MessageError, errors.BodyTooLargeError)
TYPE: Errors = (errors.MessageTypeMissingError, errors.MessageTypeError)
SENSORS: Errors = (errors.ConnectionGroupError, errors.AddressError)
TIMES: Errors = (errors.HorizonError, errors.PeriodError, errors.TimezoneError)
READING: Errors = (errors.SourceError, errors.ResolutionError, errors.StoreUnavailableError)
POSTING: Errors = (
    errors.ValuesError,
    errors.ValuesLimitError,
    errors.ResolutionError,
    errors.GridError,
    errors.ReplacementError,
    errors.OverloadError,
    errors.StoreUnavailableError,
)
SIGN: Errors = (errors.PowerTooSmallError, errors.PowerTooBigError)

OF_KIND: dict[SensorKind, Errors] = {
    SensorKind.CONNECTION: (),
    SensorKind.MARKET: (errors.MarketError,),
    SensorKind.WEATHER: (errors.WeatherSensorError,),
}


@dataclass(frozen=True, slots=True)
class Complaint:
    """What an error looks like to a client; ``message`` is one that may come with it."""

    word: str
    code: int
    meaning: str
    message: str


def errors_of(endpoint: Endpoint) -> Errors:
    """Every error that ``endpoint`` may answer with, beside another HTTP method than its own."""
    if endpoint is GET_SERVICE:
        return (*BODY, errors.RoleError)
    if endpoint is GET_CONNECTION:
        return SENDER
    kind = endpoint.kind or SensorKind.CONNECTION
    common = (*SENDER, *BODY, *TYPE, errors.UnitError, *SENSORS, *OF_KIND[kind], *TIMES)
    if endpoint.method == "GET":
        return (*common, *READING)
    sign = SIGN if kind is SensorKind.CONNECTION else ()
    return (*common, *POSTING, *sign)


def complaints_by_code(
    classes: Iterable[ErrorClass], noun: str = "", **facts: str
) -> dict[int, list[Complaint]]:
    """What clients hear of these errors, by HTTP code in ascending order.

    Parameters
    ----------
    noun : str
        What the endpoint's messages are about; picks the message where that matters.
    facts
        Put into the messages, such as ``request_type``.
    """
    found: dict[int, list[Complaint]] = {}
    for error in classes:
        word, code = STATUS[error]
        texts = _texts()[error.__name__]
        message = texts.get(noun, texts["message"])
        for name, fact in facts.items():
            message = message.replace(f"{{{name}}}", fact)
        found.setdefault(code, []).append(Complaint(word, code, texts["meaning"], message))
    return dict(sorted(found.items()))


@cache
def _texts() -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = json.loads(
        files(__package__).joinpath("status_words.json").read_text("utf-8")
    )
    return table
