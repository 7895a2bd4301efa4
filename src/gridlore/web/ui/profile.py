"""One's own profile: who one is, another password, a token for programs.

Layer: web.
"""

from __future__ import annotations

from litestar import get, post
from litestar.di import NamedDependency
from litestar.response import Redirect, Template

from gridlore.domain.errors import AuthenticationError, TooManyRequestsError, UserError
from gridlore.domain.timing import format_instant
from gridlore.services.administration import MIN_PASSWORD
from gridlore.services.world import MAX_PASSWORD
from gridlore.web.answers import AnyRequest
from gridlore.web.auth import Caller, log_in
from gridlore.web.platform import Platform
from gridlore.web.ui.entrance import session_cookie
from gridlore.web.ui.rendering import render
from gridlore.web.ui.session import read_form, require_caller
from gridlore.web.ui.wording import tell_instant, tell_span

NOTICES = {
    "password": "Your password is changed. All other sessions and all tokens given out before have ended."
}


def _show(
    platform: Platform, request: AnyRequest, caller: Caller, *, code: int = 200, **context: object
) -> Template:
    account = caller.directory.account(caller.user)
    return render(
        platform,
        request,
        "profile.html",
        code=code,
        account=account,
        roles=sorted(account.roles),
        lifetime=tell_span(platform.session_max_age * 1_000_000),
        shortest=MIN_PASSWORD,
        longest=MAX_PASSWORD,
        **context,
    )


@get("/profile")
async def show_profile(request: AnyRequest, platform: NamedDependency[Platform]) -> Template:
    """Who one is, and what one can do about it."""
    caller = require_caller(platform, request)
    notice = NOTICES.get(request.query_params.get("notice", ""))
    return _show(platform, request, caller, notice=notice)


@post("/profile/token", status_code=200)
async def submit_token(request: AnyRequest, platform: NamedDependency[Platform]) -> Template:
    """Give out a token, shown once."""
    caller = require_caller(platform, request)
    await read_form(platform, request)
    now = platform.clock()
    until = now + platform.session_max_age * 1_000_000
    return _show(
        platform,
        request,
        caller,
        token=platform.accounts.issue_token(caller.user, now / 1_000_000),
        until=tell_instant(until, "UTC"),
        until_instant=format_instant(until // 1_000_000 * 1_000_000),
    )


@post("/profile/password", status_code=200)
async def submit_password(request: AnyRequest, platform: NamedDependency[Platform]) -> Template | Redirect:
    """Change the password; other sessions end, this one goes on."""
    caller = require_caller(platform, request)
    form = await read_form(platform, request)

    def refuse(problem: str, code: int = 422) -> Template:
        return _show(platform, request, caller, code=code, problem=problem)

    password = form.get("password", "")
    if password != form.get("again"):
        return refuse("The two new passwords are not the same. Nothing was changed.")
    try:
        user = await log_in(platform, request, caller.user.email, form.get("current", "")[:MAX_PASSWORD])
        changed = await platform.in_thread(
            platform.administration.change_password, user, password, platform.clock()
        )
    except AuthenticationError:
        return refuse("The current password is not right. Nothing was changed.")
    except TooManyRequestsError as error:
        return refuse(error.message, 429)
    except UserError as error:
        return refuse(f"{error.message} Nothing was changed.")
    return Redirect(
        "/profile?notice=password", status_code=303, cookies=[session_cookie(platform, request, changed)]
    )


HANDLERS = (show_profile, submit_token, submit_password)
