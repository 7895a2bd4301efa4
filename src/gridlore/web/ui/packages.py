"""Files that installed packages bring along: Plotly.js for charts, the Swagger UI.

Layer: web. The packages themselves are never imported.
"""

from __future__ import annotations

import gzip
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from litestar import get
from litestar.di import NamedDependency
from litestar.types import ASGIApp

from gridlore.web.answers import AnyRequest, send_bytes, wants_gzip
from gridlore.web.platform import Platform

JAVASCRIPT = "text/javascript; charset=utf-8"

MAX_AGE = 86_400
"""How long a browser keeps Plotly.js without asking again. [s]"""


def package_folder(package: str) -> Path:
    """Where an installed package keeps its files."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"the package {package}, whose files the pages need, is not installed")
    return Path(spec.origin).parent


@cache
def _plotly(*, packed: bool) -> bytes:
    """Plotly.js: five megabytes, and a third of it packed."""
    if packed:
        return gzip.compress(_plotly.__wrapped__(packed=False), mtime=0)
    return (package_folder("plotly") / "package_data" / "plotly.min.js").read_bytes()


@get("/plotly/plotly.min.js")
async def get_plotly(request: AnyRequest, platform: NamedDependency[Platform]) -> ASGIApp:
    """What draws the charts."""
    packed = wants_gzip(request)
    tag = f'"{version("plotly")}{"-gzip" if packed else ""}"'
    headers = {"ETag": tag, "Cache-Control": f"public, max-age={MAX_AGE}", "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == tag:
        return send_bytes(b"", headers, code=304, media_type=JAVASCRIPT)
    if packed:
        headers["Content-Encoding"] = "gzip"
    body = await platform.in_thread(lambda: _plotly(packed=packed))
    return send_bytes(body, headers, media_type=JAVASCRIPT)


HANDLERS = (get_plotly,)
