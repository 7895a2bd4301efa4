"""The services of version 1.1. Each handler: who is asking, what is asked, carry it out, answer.

Layer: web. Short messages are read on the event loop; long ones, and all reading of the store, in threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from urllib.parse import parse_qsl

from litestar import get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from gridlore.domain.access import Purpose
from gridlore.domain.commands import Receipt
from gridlore.domain.errors import MessageError
from gridlore.domain.sensors import SensorKind
from gridlore.services.callers import Caller
from gridlore.web.answers import AnyRequest, pack, send, send_bytes, wants_gzip
from gridlore.web.auth import ask_again, authenticate
from gridlore.web.bodies import SHORT_BODY, read_body
from gridlore.web.observation import exchange_of
from gridlore.web.platform import Platform
from gridlore.wire.endpoints import (
    GET_CONNECTION,
    GET_METER_DATA,
    GET_PROGNOSIS,
    GET_SERVICE,
    POST_METER_DATA,
    POST_PRICE_DATA,
    POST_PROGNOSIS,
    POST_WEATHER_DATA,
    Endpoint,
)
from gridlore.wire.listing import read_service_request
from gridlore.wire.messages import read_get, read_post
from gridlore.wire.responses import Series, acknowledge, encode, group_series, list_services, processed

READING = (GET_METER_DATA, GET_PROGNOSIS)
POSTING = (POST_METER_DATA, POST_PROGNOSIS, POST_PRICE_DATA, POST_WEATHER_DATA)

MAX_QUERY_FIELDS = 10_000


def query_fields(request: AnyRequest) -> Sequence[tuple[str, str]]:
    """The fields of the query string, in order.

    Raises
    ------
    MessageError
        There are too many.
    """
    try:
        return parse_qsl(
            request.scope["query_string"].decode("latin-1"),
            keep_blank_values=True,
            max_num_fields=MAX_QUERY_FIELDS,
        )
    except ValueError as error:
        raise MessageError(f"A query string may have at most {MAX_QUERY_FIELDS} fields.") from error


@get(GET_SERVICE.path)
async def get_service(request: AnyRequest, platform: NamedDependency[Platform]) -> ASGIApp:
    """The service listing."""
    body = await read_body(platform, request, platform.max_open_bytes)
    answer = list_services(read_service_request(query_fields(request), body))
    return send_bytes(*pack(encode(answer.body), {}, compress=wants_gzip(request)))


@get(GET_CONNECTION.path)
async def get_connection(request: AnyRequest, platform: NamedDependency[Platform]) -> ASGIApp:
    """The user's connections, newest first."""
    caller = authenticate(platform, request)
    sensors = caller.directory.accessible(caller.user, SensorKind.CONNECTION)[::-1]
    answer = processed(
        GET_CONNECTION.response_type,
        connections=[caller.directory.address(sensor) for sensor in sensors],
        names=[sensor.name for sensor in sensors],
    )
    return send_bytes(*pack(encode(answer.body), {}, compress=wants_gzip(request)))


def _post_handler(platform: Platform, endpoint: Endpoint) -> HTTPRouteHandler:
    read = platform.monitoring.traced("read message", read_post)

    @post(endpoint.path, name=endpoint.name)
    async def handle(request: AnyRequest) -> ASGIApp:
        user = authenticate(platform, request, Purpose.POST).user
        body = await read_body(platform, request, platform.max_body_bytes)
        now = platform.clock()

        def ask() -> Caller:
            return authenticate(platform, request, Purpose.POST)

        def take() -> Future[Receipt]:
            caller = ask()  # again: the body may have taken long
            units = caller.directory.weather_units
            command = read(endpoint, body, units, max_values=platform.max_values)
            return platform.ingest.post(caller, [command], now, lambda: ask_again(platform, caller, ask))

        receipt = exchange_of(request).receipt = await platform.receipts.wait(
            take() if len(body) <= SHORT_BODY else await platform.in_thread_of(user, take)
        )
        return send(acknowledge(endpoint, receipt))

    return handle


def _get_handler(platform: Platform, endpoint: Endpoint) -> HTTPRouteHandler:
    @get(endpoint.path, name=endpoint.name)
    async def handle(request: AnyRequest) -> ASGIApp:
        user = authenticate(platform, request).user
        body = await read_body(platform, request, platform.max_body_bytes)
        return send_bytes(*await platform.in_thread_of(user, _answer, endpoint, request, platform, body))

    return handle


def _answer(
    endpoint: Endpoint, request: AnyRequest, platform: Platform, body: bytes
) -> tuple[bytes, dict[str, str]]:
    caller = authenticate(platform, request)  # again: the body may have taken long
    message = read_get(endpoint, query_fields(request), body)
    readings = platform.query.read(caller.directory, caller.user, message.query)
    answer = processed(
        endpoint.response_type,
        **group_series(endpoint.noun, [Series(reading.name, reading.values) for reading in readings]),
        start=message.start,
        duration=message.duration,
        unit=message.unit,
    )
    return pack(encode(answer.body), {}, compress=wants_gzip(request))


def build_handlers(platform: Platform) -> list[HTTPRouteHandler]:
    """The handlers that ask for a token; those of data are bound to the platform, which saves looking it up
    for each request."""
    return [
        get_connection,
        *(_get_handler(platform, endpoint) for endpoint in READING),
        *(_post_handler(platform, endpoint) for endpoint in POSTING),
    ]
