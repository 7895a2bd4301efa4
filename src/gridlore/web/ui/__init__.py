"""The web interface: pages for people, from the same services as the API.

Layer: web. ``rendering`` and ``session`` carry the pages; each other module is a page, or a few that belong
together.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from litestar import Router
from litestar.response import Redirect, Response, Template
from litestar.static_files import create_static_files_router

from gridlore.domain.errors import GridloreError
from gridlore.web.answers import AnyRequest
from gridlore.web.platform import Platform
from gridlore.web.ui import entrance
from gridlore.web.ui.rendering import STATIC, TEMPLATES, render
from gridlore.web.ui.session import LoginRequiredError, NoSuchPageError
from gridlore.wire.responses import reject

__all__ = ["TEMPLATES", "build_routers"]


def build_routers(platform: Platform) -> list[Router]:
    """The pages and their files."""

    def show_error(request: AnyRequest, error: GridloreError) -> Response[object] | Template | Redirect:
        if isinstance(error, LoginRequiredError):
            return Redirect(f"/login?next={quote(str(request.scope['path']))}", status_code=303)
        code = 404 if isinstance(error, NoSuchPageError) else reject(error).code
        return render(platform, request, "error.html", code=code, problem=error.message)

    pages = Router("/", route_handlers=entrance.HANDLERS, exception_handlers={GridloreError: show_error})
    return [
        pages,
        _files("/static", STATIC),
        _files("/docs/assets", _package_folder("flask_swagger_ui") / "dist"),
    ]


def _package_folder(package: str) -> Path:
    """Where an installed package keeps its files; the package itself is not imported."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"the package {package}, whose files the pages need, is not installed")
    return Path(spec.origin).parent


def _files(path: str, folder: Path) -> Router:
    return create_static_files_router(path=path, directories=[folder], include_in_schema=False)
