"""The body of ``requestAuthToken``.

Layer: wire.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field

import msgspec

from gridlore.domain.errors import MessageError

MAX_LENGTH = 1000
"""Longest e-mail or password looked at. [characters]"""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who wants a token; ``password`` is None when none was sent."""

    email: str
    password: str | None = field(repr=False)


def read_credentials(body: bytes) -> Credentials:
    """The credentials in a body.

    Raises
    ------
    MessageError
        It is no JSON object, has no e-mail, or something else than texts.
    """
    try:
        message = msgspec.json.decode(body.removeprefix(codecs.BOM_UTF8))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(
            f"Please send a JSON object with 'email' and 'password'; got no JSON ({error})."
        ) from error
    if not isinstance(message, dict):
        raise MessageError("Please send a JSON object with 'email' and 'password'.")
    email = _text(message, "email")
    if not email:
        raise MessageError("Please provide the 'email' parameter.")
    return Credentials(email, _text(message, "password") if "password" in message else None)


def _text(message: dict[str, object], key: str) -> str:
    value = message.get(key, "")
    if not isinstance(value, str) or len(value) > MAX_LENGTH:
        raise MessageError(
            f"Please provide the {key!r} parameter as a text of at most {MAX_LENGTH} characters."
        )
    return value
