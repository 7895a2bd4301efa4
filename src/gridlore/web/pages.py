"""Pages: a first screen, logging in and out, and the interactive API page, all without the net.

Layer: web.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from litestar import Router, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.response import Redirect, Template
from litestar.static_files import create_static_files_router

from gridlore import __version__
from gridlore.domain.errors import AuthenticationError, AuthorizationError, TooManyRequestsError
from gridlore.web.answers import AnyRequest
from gridlore.web.auth import SESSION_COOKIE, log_in, session_user
from gridlore.web.platform import Platform

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"

PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def _page(name: str, *, code: int = 200, **context: object) -> Template:
    return Template(name, context={"version": __version__, **context}, headers=PAGE_HEADERS, status_code=code)


@get("/")
async def show_home(request: AnyRequest, platform: NamedDependency[Platform]) -> Template:
    """Where to go from here."""
    return _page("home.html", user=session_user(platform, request))


@get("/login")
async def show_login(request: AnyRequest, platform: NamedDependency[Platform]) -> Template:
    """The log-in form."""
    return _page("login.html", user=session_user(platform, request), email="", problem=None)


@post("/login", status_code=200)
async def submit_login(request: AnyRequest, platform: NamedDependency[Platform]) -> Template | Redirect:
    """Start a session, or say why not."""
    _check_same_origin(request)
    form = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=10)
    email, password = form.get("email", [""])[0], form.get("password", [""])[0]
    try:
        user = await log_in(platform, request, email[:1000], password[:1000])
    except AuthenticationError:
        problem = "No active user has this e-mail and password."
        return _page("login.html", code=401, user=None, email=email, problem=problem)
    except TooManyRequestsError as error:
        return _page("login.html", code=429, user=None, email=email, problem=error.message)
    session = Cookie(
        key=SESSION_COOKIE,
        value=platform.accounts.issue_session(user, platform.clock() / 1_000_000),
        httponly=True,
        samesite="lax",
        secure=platform.session_cookie_secure,
        max_age=platform.session_max_age,
    )
    return Redirect("/", status_code=303, cookies=[session])


@post("/logout", status_code=303)
async def submit_logout(request: AnyRequest) -> Redirect:
    """End the session."""
    _check_same_origin(request)
    return Redirect("/login", status_code=303, cookies=[Cookie(key=SESSION_COOKIE, value="", max_age=0)])


@get("/docs")
async def show_docs() -> Template:
    """The interactive API page."""
    return _page("docs.html")


def _check_same_origin(request: AnyRequest) -> None:
    """Refuse forms that another site sent in the user's name."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise AuthorizationError
    origin = request.headers.get("origin")
    if origin and urlsplit(origin).netloc != request.headers.get("host"):
        raise AuthorizationError


def swagger_ui_files() -> Path:
    """Where the installed Swagger UI keeps its files; the package itself is never imported."""
    spec = find_spec("flask_swagger_ui")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package flask-swagger-ui, which holds the files of /docs, is not installed")
    return Path(spec.origin).parent / "dist"


def handlers() -> list[object]:
    """Handlers of the pages and their files."""
    return [
        show_home,
        show_login,
        submit_login,
        submit_logout,
        show_docs,
        _files("/static", HERE / "static"),
        _files("/docs/assets", swagger_ui_files()),
    ]


def _files(path: str, folder: Path) -> Router:
    return create_static_files_router(path=path, directories=[folder], include_in_schema=False)
