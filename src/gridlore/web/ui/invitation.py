"""The invitation: somebody who was sent a link sets a password, once, and logs in.

Layer: web.
"""

from __future__ import annotations

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from gridlore.domain.errors import AuthenticationError, UserError
from gridlore.domain.sensors import User
from gridlore.services.administration import MIN_PASSWORD
from gridlore.services.world import MAX_PASSWORD
from gridlore.web.answers import AnyRequest
from gridlore.web.platform import Platform
from gridlore.web.ui.rendering import render
from gridlore.web.ui.session import read_form

GONE = "This link is not good any more: it was used already, or is older than a week. Ask for a new one."


def _invited(platform: Platform, token: str) -> User | None:
    """Who was invited with this token; None when it is no good."""
    try:
        return platform.accounts.user_of_invitation(
            platform.directory.current, token, platform.clock() / 1_000_000
        )
    except AuthenticationError:
        return None


def _show(platform: Platform, request: AnyRequest, invited: User | None, problem: str | None) -> Template:
    return render(
        platform,
        request,
        "invitation.html",
        code=410 if invited is None else 422 if problem else 200,
        invited=invited,
        problem=GONE if invited is None else problem,
        shortest=MIN_PASSWORD,
        longest=MAX_PASSWORD,
    )


@get("/invitation/{token:str}")
async def show_invitation(
    request: AnyRequest, platform: NamedDependency[Platform], token: FromPath[str]
) -> Template:
    """The form that asks for a password."""
    return _show(platform, request, _invited(platform, token), None)


@post("/invitation/{token:str}", status_code=200)
async def submit_invitation(
    request: AnyRequest, platform: NamedDependency[Platform], token: FromPath[str]
) -> Template | Redirect:
    """Set the password."""
    form = await read_form(platform, request)
    invited = _invited(platform, token)
    if invited is None:
        return _show(platform, request, None, None)
    password = form.get("password", "")
    if password != form.get("again"):
        return _show(platform, request, invited, "The two passwords are not the same.")
    try:
        password_hash = await platform.hash_password(password)
        await platform.in_thread(
            platform.administration.accept_invitation, invited, password_hash, platform.clock()
        )
    except UserError as error:
        return _show(platform, request, invited, error.message)
    return Redirect("/login?notice=password", status_code=303)


HANDLERS = (show_invitation, submit_invitation)
