"""The first screen, logging in and out, and the interactive API page.

Layer: web.
"""

from __future__ import annotations

from litestar import get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.response import Redirect, Template

from gridlore.domain.audit import LOG_IN, LOG_OUT
from gridlore.domain.errors import AuthenticationError, TooManyRequestsError
from gridlore.domain.sensors import User
from gridlore.web.answers import AnyRequest
from gridlore.web.auth import SESSION_COOKIE, log_in, note
from gridlore.web.platform import Platform
from gridlore.web.ui.overview import show_overview
from gridlore.web.ui.rendering import render
from gridlore.web.ui.session import read_form, require_caller, session_user
from gridlore.wire.responses import reject

NOTICES = {"password": "Your password is set. Log in with it."}
"""What the log-in form says about what was done before, by the word that the address has for it."""


@get("/")
async def show_home(request: AnyRequest, platform: NamedDependency[Platform]) -> Template:
    """The overview; for who is not logged in, what this is and where to go from here."""
    if session_user(platform, request) is not None:
        return await show_overview(platform, request, require_caller(platform, request))
    return render(platform, request, "home.html")


@get("/login")
async def show_login(request: AnyRequest, platform: NamedDependency[Platform]) -> Template:
    """The log-in form."""
    target = _target(request.query_params.get("next"))
    notice = NOTICES.get(request.query_params.get("notice", ""))
    return render(platform, request, "login.html", email="", target=target, notice=notice)


@post("/login", status_code=200)
async def submit_login(request: AnyRequest, platform: NamedDependency[Platform]) -> Template | Redirect:
    """Start a session, or say why not."""
    form = await read_form(platform, request)
    email, target = form.get("email", "")[:1000], _target(form.get("next"))
    try:
        user = await log_in(platform, request, email, form.get("password", "")[:1000])
    except AuthenticationError:
        problem, code = "No active user has this e-mail and password.", 401
        return render(platform, request, "login.html", code=code, email=email, target=target, problem=problem)
    except TooManyRequestsError as error:
        answer, problem = reject(error), error.message
        return render(
            platform,
            request,
            "login.html",
            code=answer.code,
            headers=answer.headers,
            email=email,
            target=target,
            problem=problem,
        )
    await note(platform, request, LOG_IN, user)
    return Redirect(target, status_code=303, cookies=[session_cookie(platform, request, user)])


def session_cookie(platform: Platform, request: AnyRequest, user: User) -> Cookie:
    """What carries a session of this user that begins now."""
    return Cookie(
        key=SESSION_COOKIE,
        value=platform.accounts.issue_session(user, platform.clock() / 1_000_000),
        httponly=True,
        samesite="lax",
        secure=platform.session_cookie_secure or request.scope["scheme"] == "https",
        max_age=platform.session_max_age,
    )


@post("/logout", status_code=303)
async def submit_logout(request: AnyRequest, platform: NamedDependency[Platform]) -> Redirect:
    """End the session."""
    await read_form(platform, request)
    user = session_user(platform, request)
    if user is not None:
        await note(platform, request, LOG_OUT, user)
    return Redirect("/login", status_code=303, cookies=[Cookie(key=SESSION_COOKIE, value="", max_age=0)])


@get("/docs")
async def show_docs(request: AnyRequest, platform: NamedDependency[Platform]) -> Template:
    """The interactive API page."""
    return render(platform, request, "docs.html")


def _target(path: str | None) -> str:
    """Where to go after logging in: a page of ours, whatever was asked."""
    ours = path is not None and path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if ours and path is not None and path.isprintable() else "/"


HANDLERS = (show_home, show_login, submit_login, submit_logout, show_docs)
