"""The web session: who is logged in, and forms that only pages of ours can send.

Layer: web.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from urllib.parse import parse_qsl

from litestar.exceptions import InternalServerException

from gridlore.domain.errors import (
    AuthenticationError,
    AuthorizationError,
    BodyTooLargeError,
    GridloreError,
    MessageError,
)
from gridlore.services.callers import Caller
from gridlore.web.answers import AnyRequest
from gridlore.web.auth import SESSION_COOKIE, admit, session_caller, session_user
from gridlore.web.platform import Platform

__all__ = [
    "check_form",
    "form_token",
    "read_form",
    "receive_form",
    "require_admin",
    "require_caller",
    "session_user",
]

FORM_TOKEN = "form_token"  # noqa: S105 - a field's name, no password
MAX_FORM_FIELDS = 200
MAX_ESCAPES = 10_000
"""Characters of a form that are written as %XX: each costs a microsecond on the event loop."""


class LoginRequiredError(GridloreError):
    """The page is for people who are logged in."""

    def __init__(self) -> None:
        super().__init__("Please log in to see this page.")


class NoSuchPageError(GridloreError):
    """The page does not exist, or not for this user."""

    def __init__(self) -> None:
        super().__init__("There is no such page.")


def require_caller(platform: Platform, request: AnyRequest) -> Caller:
    """Who is logged in.

    Raises
    ------
    LoginRequiredError
        Nobody is.
    TooManyRequestsError
        The user has sent too many requests.
    """
    caller = session_caller(platform, request)
    if caller is None:
        raise LoginRequiredError
    admit(platform, request, caller.user)
    return caller


def require_admin(platform: Platform, request: AnyRequest) -> Caller:
    """The admin who is logged in; for everybody else the page does not exist.

    Raises
    ------
    LoginRequiredError, NoSuchPageError
    """
    caller = require_caller(platform, request)
    if not caller.user.is_admin:
        raise NoSuchPageError
    return caller


def form_token(platform: Platform, request: AnyRequest) -> str:
    """What a form carries to show that a page of this session sent it."""
    return platform.accounts.sign_form(request.cookies.get(SESSION_COOKIE, ""))


def check_form(platform: Platform, request: AnyRequest, token: str | None) -> None:
    """Refuse forms that another site sent in the user's name.

    Raises
    ------
    AuthorizationError
        The form comes from elsewhere, or lacks this session's token.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise AuthorizationError
    origin = request.headers.get("origin")
    if origin and origin.partition("://")[2] != request.headers.get("host"):
        raise AuthorizationError
    if request.cookies.get(SESSION_COOKIE) and not hmac.compare_digest(
        form_token(platform, request).encode(), (token or "").encode("utf-8", "replace")
    ):
        raise AuthorizationError


async def receive_form(
    platform: Platform,
    request: AnyRequest,
    require: Callable[[Platform, AnyRequest], Caller] = require_caller,
) -> tuple[Caller, dict[str, str]]:
    """Who sent a form, and its fields; raises as ``require`` and ``read_form`` do.

    Who it is is asked before the form is waited for, and again once it is there, which may take long.
    """
    require(platform, request)
    fields = await read_form(platform, request)
    return require(platform, request), fields


async def read_form(platform: Platform, request: AnyRequest) -> dict[str, str]:
    """The fields of a form (not of an upload), checked to come from a page of ours.

    Raises
    ------
    AuthorizationError
        See ``check_form``.
    AuthenticationError
        It cannot be read at all.
    BodyTooLargeError
        It has more escapes than any form of ours.
    MessageError
        Its sender went away.
    """
    try:
        body = await request.body()
        if body.count(b"%") > MAX_ESCAPES:
            raise BodyTooLargeError(f"A form may have at most {MAX_ESCAPES} characters that are escaped.")
        text = body.decode()
        fields = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS))
    except InternalServerException as error:  # all that the framework says of it
        raise MessageError("The connection was closed before the whole form had come.") from error
    except (UnicodeDecodeError, ValueError) as error:
        raise AuthenticationError from error
    check_form(platform, request, fields.get(FORM_TOKEN))
    return fields
