"""The HTTP application.

Layer: web. What the framework would do unasked is told otherwise here: the body limit, its own API
documents, and the form of its errors.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.template.config import TemplateConfig

from gridlore.domain.errors import GridloreError
from gridlore.web import api_gridlore, api_public, api_v1_1, ui
from gridlore.web.admission import Bodies
from gridlore.web.answers import answer_bug, answer_error, answer_http_error
from gridlore.web.platform import Platform


class Application(Litestar):
    """Answers HEAD wherever there is GET, as HTTP expects; the server leaves out the body."""

    bodies: Bodies

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        if scope.get("method") == "HEAD":
            scope = {**scope, "method": "GET"}
        if "\0" in scope.get(
            "path", ""
        ):  # no file has such a name, and the file system says so by an exception
            scope = {**scope, "path": scope["path"].replace("\0", "\N{REPLACEMENT CHARACTER}")}
        await self.bodies.around(super().__call__, scope, receive, send)


def build_app(platform: Platform) -> Litestar:
    """The ASGI application that serves a platform, and closes it when it stops."""

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await platform.in_thread(platform.close)
            platform.threads.shutdown()

    def provide() -> Platform:
        return platform

    application = Application(
        [
            *api_v1_1.build_handlers(platform),
            *api_gridlore.HANDLERS,
            api_public.list_versions,
            api_public.request_auth_token,
            api_public.get_openapi,
            *ui.build_routers(platform),
        ],
        dependencies={"platform": Provide(provide, sync_to_thread=False)},
        exception_handlers={
            GridloreError: ui.or_page(platform, answer_error),
            HTTPException: ui.or_page(platform, answer_http_error),
            Exception: ui.or_page(platform, answer_bug),
        },
        request_max_body_size=platform.max_body_bytes,
        cors_config=_cors(platform),
        template_config=TemplateConfig(directory=ui.TEMPLATES, engine=JinjaTemplateEngine),
        openapi_config=None,
        logging_config=None,
        lifespan=[lifespan],
    )
    application.bodies = platform.bodies
    return application


def _cors(platform: Platform) -> CORSConfig | None:
    if not platform.cors_origins:
        return None
    return CORSConfig(
        allow_origins=list(platform.cors_origins),
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type", "Content-Encoding"],
        max_age=600,
    )
