"""Who is asking: by token or API key in the Authorization header, or by session cookie.

Layer: web.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future

from gridlore.domain.access import Purpose, may_use_services
from gridlore.domain.audit import FAIL_TO_LOG_IN
from gridlore.domain.errors import AuthenticationError, AuthorizationError
from gridlore.domain.sensors import User
from gridlore.services.accounts import PasswordHash
from gridlore.services.callers import Caller
from gridlore.services.keys import MARK, find_key
from gridlore.web.answers import AnyRequest, header
from gridlore.web.observation import exchange_of
from gridlore.web.platform import Platform

SESSION_COOKIE = "gridlore_session"

RECORD_PATIENCE = 1.0
"""How long an answer waits for what it tells of to be on the record; it may be written later. [s]"""

KEY_MAY_READ = "This API key may read only; to post, use a key that may post, or a token."


def authenticate(platform: Platform, request: AnyRequest, purpose: Purpose = Purpose.READ) -> Caller:
    """Who sent this, by token or API key, as things are now.

    A body may take long to come, and what was given may be taken back meanwhile: whoever waits for one asks
    before, so that strangers send none, and again afterwards.

    Raises
    ------
    AuthenticationError
        No good token or key.
    AuthorizationError
        The user's account has none of the roles that may use services, or the key does not open this.
    """
    scheme, _, credentials = (header(request, b"authorization") or "").strip().partition(" ")
    token = credentials.strip() if scheme.lower() == "bearer" else scheme
    if not token or (credentials and scheme.lower() != "bearer"):
        raise AuthenticationError
    directory, now = platform.directory.current, platform.clock()
    if token.startswith(MARK):
        key = find_key(directory, token, now)
        user, key_id = directory.users[key.user_id], key.id
        directory = directory if key.sensor_ids is None else directory.limited_to(key.sensor_ids)
        is_refused = key.read_only and purpose is Purpose.POST
    else:
        user = platform.accounts.user_of_token(directory, token, now / 1_000_000)
        key_id, is_refused = None, False
    admit(platform, request, user, key_id)
    if not may_use_services(user, directory.account(user)):
        raise AuthorizationError
    if is_refused:
        raise AuthorizationError(KEY_MAY_READ)
    return Caller(user, directory)


def ask_again(platform: Platform, caller: Caller, ask: Callable[[], Caller]) -> Caller:
    """Who sent a message that has waited to be stored: ``caller`` as before, unless the directory has changed
    and ``ask`` is to be asked; raises as that does."""
    return caller if platform.directory.current.version == caller.directory.version else ask()


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


def session_caller(platform: Platform, request: AnyRequest) -> Caller | None:
    """Who is logged in to the web session, if anybody, as things are now."""
    session = request.cookies.get(SESSION_COOKIE)
    if not session:
        return None
    directory = platform.directory.current
    try:
        user = platform.accounts.user_of_session(directory, session, platform.clock() / 1_000_000)
    except AuthenticationError:
        return None
    return Caller(user, directory)


def session_user(platform: Platform, request: AnyRequest) -> User | None:
    """The user who is logged in to the web session, if anybody."""
    caller = session_caller(platform, request)
    return caller.user if caller else None


def client_address(request: AnyRequest) -> str:
    """The network address a request came from; empty when nobody knows."""
    return request.client.host if request.client else ""


async def note(platform: Platform, request: AnyRequest, action: str, user: User) -> None:
    """Have it recorded that a user came or went."""
    await see_recorded(platform.trail.note(action, user, client_address(request), platform.clock()))


async def see_recorded(written: Future[bool]) -> None:
    """Go on when it is recorded, cannot be now, or takes too long."""
    await asyncio.wait({asyncio.wrap_future(written)}, timeout=RECORD_PATIENCE)


async def log_in(platform: Platform, request: AnyRequest, email: str, password: str) -> User:
    """The user with this e-mail and password.

    Raises
    ------
    AuthenticationError
        Wrong, whatever of it.
    TooManyRequestsError
        Too many attempts have failed.
    """
    now = platform.clock() / 1_000_000
    address = client_address(request)
    platform.throttle.check(email, address, now)

    def attempt() -> tuple[User, PasswordHash | None]:
        platform.throttle.check(email, address, now)  # others may have failed while this one waited its turn
        directory = platform.directory.current
        try:
            user = platform.accounts.log_in(directory, email, password)
        except AuthenticationError:
            platform.throttle.count_failure(email, address, now)
            platform.trail.note(FAIL_TO_LOG_IN, directory.find_user(email), address, platform.clock())
            raise
        platform.throttle.count_success(email, address)
        outdated = user.password_hash is not None and platform.accounts.is_outdated(user.password_hash)
        return user, platform.accounts.hash_password(password) if outdated else None

    user, renewed_hash = await platform.passwords.run(attempt)
    if renewed_hash is not None:
        await platform.in_thread(platform.administration.renew_hash, user, renewed_hash)
    return user
