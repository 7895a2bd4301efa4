"""Who is asking: by token in the Authorization header, or by session cookie.

Layer: web.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridlore.domain.access import may_use_services
from gridlore.domain.errors import AuthenticationError, AuthorizationError
from gridlore.domain.sensors import User
from gridlore.services.directory import Directory
from gridlore.web.answers import AnyRequest, header
from gridlore.web.observation import exchange_of
from gridlore.web.platform import Platform

SESSION_COOKIE = "gridlore_session"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking, and the directory as it was when they were let in."""

    user: User
    directory: Directory


def authenticate(platform: Platform, request: AnyRequest) -> Caller:
    """Who sent this, by token.

    Raises
    ------
    AuthenticationError
        No good token.
    AuthorizationError
        The user's account has none of the roles that may use services.
    """
    scheme, _, credentials = (header(request, b"authorization") or "").strip().partition(" ")
    token = credentials.strip() if scheme.lower() == "bearer" else scheme
    if not token or (credentials and scheme.lower() != "bearer"):
        raise AuthenticationError
    directory = platform.directory.current
    user = platform.accounts.user_of_token(directory, token, platform.clock() / 1_000_000)
    admit(platform, request, user)
    if not may_use_services(user, directory.account(user)):
        raise AuthorizationError
    return Caller(user, directory)


def admit(platform: Platform, request: AnyRequest, user: User, key_id: int | None = None) -> None:
    """Note who sent a request, and by which key, and let it pass.

    Raises
    ------
    TooManyRequestsError
        The user has sent too many.
    """
    exchange = exchange_of(request)
    if exchange.user_id is None:
        exchange.user_id, exchange.key_id = user.id, key_id
        platform.monitoring.users.admit(user.id, exchange.began)


def session_user(platform: Platform, request: AnyRequest) -> User | None:
    """Who is logged in to the web session, if anybody."""
    session = request.cookies.get(SESSION_COOKIE)
    if not session:
        return None
    try:
        return platform.accounts.user_of_session(
            platform.directory.current, session, platform.clock() / 1_000_000
        )
    except AuthenticationError:
        return None


async def log_in(platform: Platform, request: AnyRequest, email: str, password: str) -> User:
    """The user with this e-mail and password.

    Raises
    ------
    AuthenticationError
        Wrong, whatever of it.
    TooManyRequestsError
        Too many attempts have failed.
    """
    address = request.client.host if request.client else ""
    now = platform.clock() / 1_000_000
    platform.throttle.check(email, address, now)

    def attempt() -> User:
        platform.throttle.check(email, address, now)  # others may have failed while this one waited its turn
        try:
            return platform.accounts.log_in(platform.directory.current, email, password)
        except AuthenticationError:
            platform.throttle.count_failure(email, address, now)
            raise

    return await platform.in_thread(attempt)
