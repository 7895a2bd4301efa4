"""Render pages: one layout, headers that keep scripts and frames of others out.

Layer: web.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from litestar.response import Template

from gridlore import __version__
from gridlore.domain.sensors import User
from gridlore.web.answers import AnyRequest, header
from gridlore.web.platform import Platform
from gridlore.web.ui.session import form_token, session_user

_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")

TEMPLATES = Path(__file__).parents[1] / "templates"
STATIC = Path(__file__).parents[1] / "static"

NO_HEADERS: Mapping[str, str] = MappingProxyType({})

PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def site_url(request: AnyRequest) -> str:
    """Where the user's browser found this server, without a slash at the end."""
    host = header(request, b"host") or ""
    if not _HOST.fullmatch(host):
        host = "localhost"
    return f"{request.scope['scheme']}://{host}"


def render(
    platform: Platform,
    request: AnyRequest,
    name: str,
    *,
    code: int = 200,
    headers: Mapping[str, str] = NO_HEADERS,
    **context: object,
) -> Template:
    """A page from a template, which also gets ``user``, ``form_token``, ``path``, ``site`` and ``version``;
    ``headers`` beside those of every page."""
    user: User | None = session_user(platform, request)
    known = {
        "user": user,
        "form_token": form_token(platform, request),
        "path": request.scope["path"],
        "site": site_url(request),
        "version": __version__,
    }
    return Template(name, context={**known, **context}, headers={**PAGE_HEADERS, **headers}, status_code=code)
