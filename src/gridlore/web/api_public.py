"""What needs no token: versions, tokens, and the API document.

Layer: web.
"""

from __future__ import annotations

from functools import cache

from litestar import get, post
from litestar.di import NamedDependency
from litestar.types import ASGIApp

from gridlore import __version__
from gridlore.domain.audit import ISSUE_TOKEN
from gridlore.domain.errors import AuthenticationError, MessageError
from gridlore.web.answers import AnyRequest, pack, send, send_bytes, wants_gzip
from gridlore.web.auth import log_in, note, session_user
from gridlore.web.bodies import read_body
from gridlore.web.platform import Platform
from gridlore.web.routes import API_PATH, SCHEMA_PATH, TOKEN_PATH
from gridlore.wire.credentials import read_credentials
from gridlore.wire.endpoints import GET_SERVICE, VERSION_PATH
from gridlore.wire.openapi import openapi_document
from gridlore.wire.responses import Answer, encode


@get(API_PATH)
async def list_versions() -> ASGIApp:
    """The versions of the API."""
    message = f"Each version lists its services without a token, such as at {GET_SERVICE.path}."
    body = {"message": message, "versions": [VERSION_PATH], "status": 200, "gridlore_version": __version__}
    return send(Answer(200, body))


@post(TOKEN_PATH)
async def request_auth_token(request: AnyRequest, platform: NamedDependency[Platform]) -> ASGIApp:
    """A fresh token for who knows e-mail and password, or is logged in to the web session."""
    credentials = read_credentials(await read_body(platform, request, platform.max_open_bytes))
    logged_in = session_user(platform, request)
    if credentials.password is not None:
        user = await log_in(platform, request, credentials.email, credentials.password)
    elif logged_in is not None and logged_in.email == credentials.email.lower():
        user = logged_in
    elif logged_in is not None:
        raise AuthenticationError
    else:
        raise MessageError("Please provide the 'password' as well; you are not logged in to the web session.")
    await note(platform, request, ISSUE_TOKEN, user)
    token = platform.accounts.issue_token(user, platform.clock() / 1_000_000)
    return send(Answer(200, {"auth_token": token, "user_id": user.id}, {"Cache-Control": "no-store"}))


@cache
def _document() -> bytes:
    return encode(openapi_document(__version__))


@get(SCHEMA_PATH)
async def get_openapi(request: AnyRequest) -> ASGIApp:
    """The API document."""
    return send_bytes(*pack(_document(), {}, compress=wants_gzip(request)))
