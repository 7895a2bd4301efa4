"""The HTTP application.

Layer: web. What the framework would do unasked is told otherwise here: the body limit, its own API
documents, and the form of its errors.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.template.config import TemplateConfig

from gridlore.domain.errors import GridloreError
from gridlore.web import api_gridlore, api_public, api_v1_1, monitoring, ui
from gridlore.web.answers import answer_bug, answer_error, answer_http_error
from gridlore.web.cross_origin import share_with
from gridlore.web.observation import ASGIApplication
from gridlore.web.platform import Platform


class Application(Litestar):
    """The framework's application, watched.

    Answers HEAD wherever there is GET, as HTTP expects; the server leaves out the body.
    """

    def watch(self, platform: Platform) -> None:
        """Put the outer layers around the framework."""
        serve: ASGIApplication = partial(platform.bodies.around, super().__call__)
        if platform.cors_origins:
            serve = share_with(platform.cors_origins, serve)
        self._serve = platform.monitoring.around(serve, ui.refuse_at_the_door)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        if scope.get("method") == "HEAD":
            scope = {**scope, "method": "GET"}
        path = scope.get("path", "")
        if "//" in path or "\0" in path:
            scope = {**scope, "path": _as_routed(path)}
        await self._serve(scope, receive, send)


def _as_routed(path: str) -> str:
    """The path with single slashes, as the framework routes it and all else here should see it.

    And without NUL: no file has such a name, and the file system says so by an exception.

    >>> _as_routed("/api/v1_1///getService")
    '/api/v1_1/getService'
    """
    return re.sub("/{2,}", "/", path).replace("\0", "\N{REPLACEMENT CHARACTER}")


def build_app(platform: Platform) -> Litestar:
    """The ASGI application that serves a platform, and closes it when it stops."""

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        try:
            yield
        finally:
            for threads in platform.all_threads:
                threads.shutdown()
            await asyncio.to_thread(platform.close)

    def provide() -> Platform:
        return platform

    application = Application(
        [
            *api_v1_1.build_handlers(platform),
            *api_gridlore.HANDLERS,
            _open_to_all(platform),
            *monitoring.build_handlers(platform),
            *ui.build_routers(platform),
        ],
        dependencies={"platform": Provide(provide, sync_to_thread=False)},
        exception_handlers={
            GridloreError: ui.or_page(platform, answer_error),
            HTTPException: ui.or_page(platform, answer_http_error),
            Exception: ui.or_page(platform, answer_bug),
        },
        request_max_body_size=platform.max_body_bytes,
        template_config=TemplateConfig(directory=ui.TEMPLATES, engine=JinjaTemplateEngine),
        openapi_config=None,
        logging_config=None,
        lifespan=[lifespan],
    )
    application.watch(platform)
    return application


def _open_to_all(platform: Platform) -> Router:
    """What needs no token, and so takes short bodies only."""
    handlers = [
        api_public.list_versions,
        api_public.request_auth_token,
        api_public.get_openapi,
        api_v1_1.get_service,
    ]
    return Router("/", route_handlers=handlers, request_max_body_size=platform.max_open_bytes)
