"""What went wrong, as a page for people who use a browser, and as JSON for everybody else.

Layer: web.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import quote

from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Redirect, Response, Template

from gridlore import __version__
from gridlore.domain.errors import GridloreError
from gridlore.web.answers import AnyRequest, ReadyAnswer, refuse, send, send_bytes
from gridlore.web.platform import Platform
from gridlore.web.routes import API_PATH
from gridlore.web.ui.rendering import PAGE_HEADERS, TEMPLATES, render
from gridlore.web.ui.session import LoginRequiredError, NoSuchPageError
from gridlore.wire.responses import reject

FOR_PROGRAMS = (API_PATH, "/schema", "/docs/assets", "/static")
"""Below these paths everybody gets JSON."""

TITLES = {
    400: "That cannot be read",
    401: "Please log in",
    403: "You may not do that",
    404: "There is no such page",
    405: "That page takes no such request",
    413: "That is too large",
    429: "Too many attempts",
    503: "Not possible right now",
}
OUR_MISTAKE = "Something went wrong"

SENTENCES = {
    403: "The form was sent from elsewhere, or by a page of an earlier session. Go back, reload the page and "
    "try again.",
    404: "The page does not exist, or is not for you. It may have moved, or the address has a typing error.",
}
"""What is told instead of a message that is meant for programs."""

WORTH_TRYING_AGAIN = (429, 503)

Problem = TypeVar("Problem", bound=Exception)


def show_error(
    platform: Platform, request: AnyRequest, code: int, message: str, headers: dict[str, str] | None = None
) -> Template:
    """The page that tells what went wrong."""
    return render(
        platform,
        request,
        "error.html",
        code=code,
        headers=headers or {},
        number=code,
        title=TITLES.get(code, OUR_MISTAKE),
        problem=SENTENCES.get(code, message),
        again=code in WORTH_TRYING_AGAIN and request.method == "GET",
    )


def show_refusal(platform: Platform, request: AnyRequest, error: GridloreError) -> Template | Redirect:
    """What a page answers instead of itself: an error, or the way to the log-in form."""
    if isinstance(error, LoginRequiredError):
        return Redirect(f"/login?next={quote(str(request.scope['path']))}", status_code=303)
    answer = reject(error)
    code = 404 if isinstance(error, NoSuchPageError) else answer.code
    return show_error(platform, request, code, error.message, dict(answer.headers))


def or_page(
    platform: Platform, answer: Callable[[AnyRequest, Problem], Response[bytes]]
) -> Callable[[AnyRequest, Problem], Response[bytes] | Template]:
    """Answers errors as ``answer`` does, and with a page what a browser asked for outside the API."""

    def show(request: AnyRequest, error: Problem) -> Response[bytes] | Template:
        answered = answer(request, error)
        if not wants_page(request.scope):
            return answered
        message = str(json.loads(answered.content)["message"])
        return show_error(platform, request, answered.status_code or 500, message, dict(answered.headers))

    return show


def wants_page(scope: Any) -> bool:
    """Whether a person with a browser asked, and not for the API."""
    path = str(scope["path"])
    if any(path == place or path.startswith(f"{place}/") for place in FOR_PROGRAMS):
        return False
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def refuse_at_the_door(scope: Any, error: GridloreError) -> ReadyAnswer:
    """What went wrong, to who is not let in: a page for a browser, else JSON.

    Refusals come in floods, so nobody is looked up, and pages are kept: the messages are few.
    """
    answer = refuse(scope["path"], error)
    if not wants_page(scope):
        return send(answer)
    page = _page_at_the_door(answer.code, error.message, again=scope["method"] == "GET")
    return send_bytes(page, {**PAGE_HEADERS, **answer.headers}, code=answer.code, media_type="text/html")


@lru_cache(64)
def _page_at_the_door(code: int, message: str, *, again: bool) -> bytes:
    template = JinjaTemplateEngine(directory=TEMPLATES).get_template("error.html")
    known = {"user": None, "path": "", "version": __version__}  # the empty path leads to the same page
    text = template.render(**known, number=code, title=TITLES[code], problem=message, again=again)
    return text.encode()
