"""One's own profile: who one is, another password, tokens and keys for programs, who else may see one's data.

Layer: web.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from gridlore.domain.access import access_word
from gridlore.domain.audit import ISSUE_TOKEN
from gridlore.domain.errors import AuthenticationError, GridloreError, TooManyRequestsError, UserError
from gridlore.domain.keys import ApiKey
from gridlore.domain.timing import DAY, format_instant
from gridlore.services.administration import MIN_PASSWORD
from gridlore.services.directory import Directory
from gridlore.services.keys import MAX_NAME, KeyRequest
from gridlore.services.world import MAX_PASSWORD
from gridlore.web.answers import AnyRequest
from gridlore.web.auth import log_in, note
from gridlore.web.platform import Platform
from gridlore.web.ui.entrance import session_cookie
from gridlore.web.ui.rendering import NO_HEADERS, render
from gridlore.web.ui.session import receive_form, require_caller
from gridlore.web.ui.wording import tell_instant, tell_span
from gridlore.wire.responses import reject

NOTICES = {
    "password": "Your password is changed. All other sessions and all tokens given out before have ended. "
    "API keys go on.",
    "revoked": "The key is revoked.",
}

LIFETIMES = {"90": "in 90 days", "365": "in a year", "": "never"}
"""When a new key ends: days, and how that is told."""


def _show(
    platform: Platform,
    request: AnyRequest,
    *,
    code: int = 200,
    headers: Mapping[str, str] = NO_HEADERS,
    **context: object,
) -> Template:
    caller = require_caller(platform, request)  # who may have waited, and has changed something just now
    directory, account = caller.directory, caller.directory.account(caller.user)
    own = [key for key in directory.keys.values() if key.user_id == caller.user.id]
    return render(
        platform,
        request,
        "profile.html",
        code=code,
        headers=headers,
        account=account,
        roles=sorted(account.roles),
        lifetime=tell_span(platform.session_max_age * 1_000_000),
        shortest=MIN_PASSWORD,
        longest=MAX_PASSWORD,
        keys=[_describe_key(directory, key, platform.clock()) for key in own],
        lifetimes=LIFETIMES,
        longest_name=MAX_NAME,
        shares=_describe_shares(directory, account.id),
        **{"form": {}, **context},
    )


def _describe_key(directory: Directory, key: ApiKey, now: int) -> dict[str, object]:
    user = directory.users[key.user_id]
    listed = [directory.sensors.get(sensor_id) for sensor_id in sorted(key.sensor_ids or ())]
    sensors = [
        sensor.name
        if sensor and directory.may_access(user, sensor, None)
        else "one that is not yours any more"
        for sensor in listed
    ]
    return {
        "name": key.name,
        "prefix": key.prefix,
        "access": "reads" if key.read_only else "reads and posts",
        "sensors": ", ".join(sensors) or "all sensors",
        "ends": "never" if key.expires_at is None else tell_instant(key.expires_at, "UTC"),
        "is_expired": key.is_expired(now),
    }


def _describe_shares(directory: Directory, account_id: int) -> list[tuple[str, str, str]]:
    """Whom the account's connections are shared with: account, access, which."""
    return [
        (
            directory.accounts[grant.to_account_id].name,
            access_word(grant.access),
            "all connections" if grant.sensor_id is None else directory.sensors[grant.sensor_id].name,
        )
        for grant in directory.grants.values()
        if grant.from_account_id == account_id
    ]


@get("/profile")
async def show_profile(request: AnyRequest, platform: NamedDependency[Platform]) -> Template:
    """Who one is, and what one can do about it."""
    notice = NOTICES.get(request.query_params.get("notice", ""))
    return _show(platform, request, notice=notice)


@post("/profile/token", status_code=200)
async def submit_token(request: AnyRequest, platform: NamedDependency[Platform]) -> Template:
    """Give out a token, shown once."""
    caller, _ = await receive_form(platform, request)
    await note(platform, request, ISSUE_TOKEN, caller.user)
    now = platform.clock()
    until = now + platform.session_max_age * 1_000_000
    return _show(
        platform,
        request,
        token=platform.accounts.issue_token(caller.user, now / 1_000_000),
        until=tell_instant(until, "UTC"),
        until_instant=format_instant(until // 1_000_000 * 1_000_000),
    )


@post("/profile/keys", status_code=200)
async def submit_key(request: AnyRequest, platform: NamedDependency[Platform]) -> Template:
    """Make a key, shown once."""
    caller, form = await receive_form(platform, request)
    now = platform.clock()
    days = form.get("days", "")
    wanted = KeyRequest(
        name=form.get("name", ""),
        read_only=form.get("access") != "post",
        sensors=[line.strip() for line in form.get("sensors", "").splitlines() if line.strip()],
        expires_at=now + int(days) * DAY if days in LIFETIMES and days else None,
    )
    try:
        key, text = await platform.in_thread(
            platform.keys.create, caller.directory, caller.user, wanted, now, caller.user
        )
    except AuthenticationError:
        raise
    except GridloreError as error:
        return _show(platform, request, code=422, key_problem=error.message, form=form)
    return _show(platform, request, key=text, key_name=key.name)


@post("/profile/keys/{prefix:str}/revoke", status_code=303)
async def submit_revocation(
    request: AnyRequest, platform: NamedDependency[Platform], prefix: FromPath[str]
) -> Template | Redirect:
    """End one of one's own keys, known by how it begins: ids would tell how many keys others have."""
    caller, _ = await receive_form(platform, request)
    key = caller.directory.find_key(prefix)
    if key is None or key.user_id != caller.user.id:
        problem = "You have no such key, or it was revoked already."
        return _show(platform, request, code=404, key_problem=problem)
    with suppress(UserError):  # somebody else revoked it just now
        await platform.in_thread(platform.keys.revoke, key.id, platform.clock(), caller.user)
    return Redirect("/profile?notice=revoked", status_code=303)


@post("/profile/password", status_code=200)
async def submit_password(request: AnyRequest, platform: NamedDependency[Platform]) -> Template | Redirect:
    """Change the password; other sessions end, this one goes on."""
    caller, form = await receive_form(platform, request)

    def refuse(problem: str) -> Template:
        return _show(platform, request, code=422, problem=problem)

    password = form.get("password", "")
    if password != form.get("again"):
        return refuse("The two new passwords are not the same. Nothing was changed.")
    try:
        user = await log_in(platform, request, caller.user.email, form.get("current", "")[:MAX_PASSWORD])
        password_hash = await platform.hash_password(password)
        changed = await platform.in_thread(
            platform.administration.change_password, user, password_hash, platform.clock()
        )
    except AuthenticationError:
        return refuse("The current password is not right. Nothing was changed.")
    except TooManyRequestsError as error:
        answer = reject(error)
        return _show(platform, request, code=answer.code, headers=answer.headers, problem=error.message)
    except UserError as error:
        return refuse(f"{error.message} Nothing was changed.")
    return Redirect(
        "/profile?notice=password", status_code=303, cookies=[session_cookie(platform, request, changed)]
    )


HANDLERS = (show_profile, submit_token, submit_key, submit_revocation, submit_password)
