"""Render pages: one layout, headers that keep scripts and frames of others out.

Layer: web.
"""

from __future__ import annotations

from pathlib import Path

from litestar.response import Template

from gridlore import __version__
from gridlore.domain.sensors import User
from gridlore.web.answers import AnyRequest
from gridlore.web.platform import Platform
from gridlore.web.ui.session import form_token, session_user

TEMPLATES = Path(__file__).parents[1] / "templates"
STATIC = Path(__file__).parents[1] / "static"

PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def render(
    platform: Platform, request: AnyRequest, name: str, *, code: int = 200, **context: object
) -> Template:
    """A page from a template, which also gets ``user``, ``form_token``, ``path`` and ``version``."""
    user: User | None = session_user(platform, request)
    known = {
        "user": user,
        "form_token": form_token(platform, request),
        "path": request.scope["path"],
        "version": __version__,
    }
    return Template(name, context={**known, **context}, headers=PAGE_HEADERS, status_code=code)
