"""The web interface: pages for people, from the same services as the API.

Layer: web. ``rendering``, ``session`` and ``errors`` carry the pages; each other module is a page, or a few
that belong together.
"""

from __future__ import annotations

from pathlib import Path

from litestar import Router
from litestar.exceptions import InternalServerException, NotFoundException
from litestar.response import Redirect, Response, Template
from litestar.static_files import create_static_files_router

from gridlore.domain.errors import GridloreError
from gridlore.web.answers import AnyRequest, answer_http_error
from gridlore.web.platform import Platform
from gridlore.web.ui import (
    administration,
    administration_forms,
    entrance,
    invitation,
    packages,
    profile,
    sensor,
    series,
    upload,
)
from gridlore.web.ui.errors import or_page, refuse_at_the_door, show_refusal
from gridlore.web.ui.packages import package_folder
from gridlore.web.ui.rendering import STATIC, TEMPLATES

__all__ = ["TEMPLATES", "build_routers", "or_page", "refuse_at_the_door"]


def build_routers(platform: Platform) -> list[Router]:
    """The pages and their files."""

    def refuse(request: AnyRequest, error: GridloreError) -> Template | Redirect:
        return show_refusal(platform, request, error)

    pages = Router(
        "/",
        route_handlers=[
            *entrance.HANDLERS,
            *profile.HANDLERS,
            *invitation.HANDLERS,
            *administration.HANDLERS,
            *administration_forms.HANDLERS,
            *sensor.HANDLERS,
            *series.HANDLERS,
            *packages.HANDLERS,
        ],
        exception_handlers={GridloreError: refuse},
        request_max_body_size=platform.max_open_bytes,
    )
    uploads = Router("/", route_handlers=upload.HANDLERS, exception_handlers={GridloreError: refuse})
    return [
        pages,
        uploads,
        _files("/static", STATIC),
        _files("/docs/assets", package_folder("flask_swagger_ui") / "dist"),
    ]


def _files(path: str, folder: Path) -> Router:
    return create_static_files_router(
        path=path,
        directories=[folder],
        include_in_schema=False,
        exception_handlers={InternalServerException: _answer_absent},
    )


def _answer_absent(request: AnyRequest, _: Exception) -> Response[bytes]:
    """The file system refuses a name, which is too long then; the framework takes that for its own fault."""
    return answer_http_error(request, NotFoundException())
