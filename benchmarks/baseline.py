"""The same server stack with an empty handler: it reads the body, decodes it, and answers.

What any HTTP server on this stack must spend; the server's posts are compared with it.
"""

from __future__ import annotations

import os
from typing import Any

import msgspec
import uvicorn
from litestar import Litestar, Request, post
from litestar.response.base import ASGIResponse

from benchmarks.messages import POST_PATH

MAX_BODY = 64 * 1024 * 1024
ANSWER = {
    "type": "PostMeterDataResponse",
    "status": "PROCESSED",
    "message": "Request has been processed.",
    "stored": 0,
    "unchanged": 0,
}


@post(POST_PATH)
async def decode_only(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Decode the body, and say so."""
    msgspec.json.decode(await request.body())
    return ASGIResponse(body=msgspec.json.encode(ANSWER), media_type="application/json")


def create_app() -> Litestar:
    """The application, with the settings of the framework that Gridlore has."""
    return Litestar([decode_only], request_max_body_size=MAX_BODY, openapi_config=None, logging_config=None)


def main() -> None:
    """Serve it on the port that the environment states, as ``gridlore serve`` does."""
    config = uvicorn.Config(
        create_app(),
        host="127.0.0.1",
        port=int(os.environ["BASELINE_PORT"]),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        backlog=2048,
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
