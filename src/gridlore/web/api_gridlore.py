"""Beyond version 1.1: every sensor, values of any sensor, and the history of beliefs.

Layer: web.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC
from functools import cache

from litestar import get
from litestar.di import NamedDependency
from litestar.types import ASGIApp

from gridlore.domain.access import Purpose
from gridlore.domain.errors import MessageError
from gridlore.domain.heads import Head, Latest
from gridlore.domain.sensors import Sensor
from gridlore.domain.timing import format_instant, format_instants, format_span
from gridlore.services.callers import Caller
from gridlore.services.directory import Directory
from gridlore.services.query import BeliefKey, History, Reading
from gridlore.web.answers import CSV, AnyRequest, pack, send_bytes, wants_gzip
from gridlore.web.api_v1_1 import query_fields
from gridlore.web.auth import authenticate
from gridlore.web.bodies import read_body
from gridlore.web.platform import Platform
from gridlore.web.routes import BELIEFS_PATH, DATA_PATH, SENSORS_PATH
from gridlore.web.tables import write_csv
from gridlore.wire.cursors import read_cursor, write_cursor
from gridlore.wire.messages import DataMessage, read_beliefs, read_data
from gridlore.wire.responses import MESSAGES, PROCESSED, Body, Series, encode, group_series

DONE: Body = {"status": PROCESSED, "message": MESSAGES[PROCESSED]}

Packed = tuple[bytes, dict[str, str]]


@get(SENSORS_PATH)
async def get_sensors(request: AnyRequest, platform: NamedDependency[Platform]) -> ASGIApp:
    """Every sensor the user may use, and what is newest about those that the user may read."""
    user = authenticate(platform, request).user

    def answer() -> Packed:
        caller = authenticate(platform, request)  # again: there may have been a wait for the thread
        sensors = caller.directory.accessible(caller.user)
        readable = caller.directory.accessible(caller.user, purpose=Purpose.READ)
        heads = platform.query.read_heads(readable)
        tell = cache(format_instant)  # sensors of one company have many times in common
        listed = [
            _describe(caller.directory, sensor, heads.get(sensor.id) or Head(sensor.id), tell)
            for sensor in sensors
        ]
        return pack(encode({"sensors": listed, **DONE}), {}, compress=wants_gzip(request))

    return send_bytes(*await platform.in_thread_of(user, answer))


def _describe(directory: Directory, sensor: Sensor, head: Head, tell: Callable[[int], str]) -> Body:
    owner = directory.owner(sensor)
    newest = head.measured or head.latest
    start, end = head.events_start, head.events_end
    return {
        "id": sensor.id,
        "kind": sensor.kind.value,
        "name": sensor.name,
        "address": directory.address(sensor),
        "unit": sensor.unit,
        "resolution": format_span(sensor.resolution),
        "timezone": sensor.timezone,
        "owner": {"id": owner.id, "name": owner.name} if owner else None,
        "first_event": None if start is None else tell(start),
        "last_event": None if end is None else tell(end - sensor.resolution),
        "latest": _describe_latest(newest, tell) if newest else None,
    }


def _describe_latest(latest: Latest, tell: Callable[[int], str]) -> Body:
    return {
        "value": latest.value + 0.0,
        "event_start": tell(latest.event_start),
        "belief_time": tell(latest.belief_time),
    }


@get(DATA_PATH)
async def get_data(request: AnyRequest, platform: NamedDependency[Platform]) -> ASGIApp:
    """Values of sensors of any kind, as JSON or CSV."""
    user = authenticate(platform, request).user
    body = await read_body(platform, request, platform.max_body_bytes)

    def ask() -> tuple[Caller, DataMessage]:
        caller = authenticate(platform, request)  # again: the body may have taken long, or the thread
        return caller, read_data(query_fields(request), body)

    def answer() -> Packed | None:
        caller, message = ask()
        if message.format == "csv":
            return None
        readings = platform.query.read(caller.directory, caller.user, message.query)
        return pack(encode(_write_data(message, readings)), {}, compress=wants_gzip(request))

    def export() -> Packed:
        caller, message = ask()
        readings = platform.query.read(caller.directory, caller.user, message.query)
        table = write_csv(caller.directory, readings, message.zone or UTC)
        return pack(table, {}, compress=wants_gzip(request))

    packed = await platform.in_thread_of(user, answer)
    if packed is not None:
        return send_bytes(*packed)
    return send_bytes(*await platform.exports.run_for(user.id, export), media_type=CSV)


def _write_data(message: DataMessage, readings: Sequence[Reading]) -> Body:
    series = [
        Series(
            reading.name,
            reading.values,
            {"unit": reading.sensor.unit, "resolution": format_span(reading.grid.resolution)},
        )
        for reading in readings
    ]
    return {
        **group_series("sensor", series),
        "start": message.start,
        "duration": message.duration,
        **DONE,
    }


@get(BELIEFS_PATH)
async def get_beliefs(request: AnyRequest, platform: NamedDependency[Platform]) -> ASGIApp:
    """The history: every belief about the events of a period, a page at a time."""
    user = authenticate(platform, request).user
    body = await read_body(platform, request, platform.max_body_bytes)

    def answer() -> Packed:
        caller = authenticate(platform, request)  # again: the body may have taken long
        message = read_beliefs(query_fields(request), body)
        after = None if message.cursor is None else _key(message.cursor)
        history = platform.query.read_history(
            caller.directory, caller.user, message.query, limit=message.limit, after=after
        )
        facts = {"start": message.start, "duration": message.duration}
        content = {**_write_history(caller, message.query.addresses[0], history), **facts, **DONE}
        return pack(encode(content), {}, compress=wants_gzip(request))

    return send_bytes(*await platform.in_thread_of(user, answer))


def _key(cursor: str) -> BeliefKey:
    numbers = read_cursor(cursor, 3)
    if numbers is None:
        raise MessageError("The cursor is not one that this server gave; start again without it.")
    return numbers[0], numbers[1], numbers[2]


def _write_history(caller: Caller, name: str, history: History) -> Body:
    sources = {
        source_id: {"id": source.user_id or source.id, "name": source.name, "kind": source.kind.value}
        for source_id, source in caller.directory.sources.items()
    }
    resolution = history.sensor.resolution
    columns = zip(
        format_instants(history.event_starts),
        format_instants(history.belief_times),
        (history.event_starts + resolution - history.belief_times).tolist(),
        history.source_ids.tolist(),
        history.values.tolist(),
        format_instants(history.recorded_at),
        strict=True,
    )
    return {
        "sensor": name,
        "unit": history.sensor.unit,
        "resolution": format_span(resolution),
        "beliefs": [
            {
                "event_start": event_start,
                "belief_time": belief_time,
                "belief_horizon": format_span(horizon),
                "source": sources.get(source_id),
                "value": value,
                "recorded_at": recorded_at,
            }
            for event_start, belief_time, horizon, source_id, value, recorded_at in columns
        ],
        "next": None if history.following is None else write_cursor(history.following),
    }


HANDLERS = (get_sensors, get_data, get_beliefs)
