"""Beyond version 1.1: every sensor, values of any sensor, and the history of beliefs.

Layer: web.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, timezone
from math import isnan
from zoneinfo import ZoneInfo

from litestar import get
from litestar.di import NamedDependency
from litestar.types import ASGIApp

from gridlore.domain.access import Purpose
from gridlore.domain.errors import MessageError, PeriodError
from gridlore.domain.heads import Head, Latest
from gridlore.domain.sensors import Sensor
from gridlore.domain.timing import format_instant, format_span
from gridlore.services.callers import Caller
from gridlore.services.directory import Directory
from gridlore.services.query import BeliefKey, History, Reading
from gridlore.web.answers import CSV, PIECE, AnyRequest, pack, send_bytes, wants_gzip
from gridlore.web.api_v1_1 import query_fields
from gridlore.web.auth import authenticate
from gridlore.web.bodies import read_body
from gridlore.web.platform import Platform
from gridlore.web.routes import BELIEFS_PATH, DATA_PATH, SENSORS_PATH
from gridlore.wire.cursors import read_cursor, write_cursor
from gridlore.wire.messages import DataMessage, read_beliefs, read_data
from gridlore.wire.responses import MESSAGES, PROCESSED, Body, Series, encode, group_series

DONE: Body = {"status": PROCESSED, "message": MESSAGES[PROCESSED]}

MAX_TABLE_BYTES = 256 * 1024 * 1024
"""Longest table, unpacked: two million rows of the usual length. [bytes]"""

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
        listed = [
            _describe(caller.directory, sensor, heads.get(sensor.id, Head(sensor.id))) for sensor in sensors
        ]
        return pack(encode({"sensors": listed, **DONE}), {}, compress=wants_gzip(request))

    return send_bytes(*await platform.in_thread_of(user, answer))


def _describe(directory: Directory, sensor: Sensor, head: Head) -> Body:
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
        "first_event": None if start is None else format_instant(start),
        "last_event": None if end is None else format_instant(end - sensor.resolution),
        "latest": _describe_latest(newest) if newest else None,
    }


def _describe_latest(latest: Latest) -> Body:
    return {
        "value": latest.value + 0.0,
        "event_start": format_instant(latest.event_start),
        "belief_time": format_instant(latest.belief_time),
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


def write_csv(
    directory: Directory,
    readings: Sequence[Reading],
    zone: timezone | ZoneInfo,
    *,
    heading: str | None = None,
) -> bytes:
    """A row per event slot; value, belief time and source are empty where nothing is known.

    The readings' names stand in a column of their own under ``heading``; without one, only when there are
    several, under "sensor".

    Raises
    ------
    PeriodError
        It becomes longer than ``MAX_TABLE_BYTES``.
    """
    parts: list[bytes] = []
    size = 0
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    several = heading is not None or len(readings) > 1
    names = [heading or "sensor"] if several else []
    writer.writerow([*names, "event_start", "value", "belief_time", "source"])
    tell = {source.id: _harmless(source.name) for source in directory.sources.values()}
    for reading in readings:
        picture = reading.picture
        named = [_harmless(reading.name)] if several else []
        columns = zip(
            reading.grid.event_starts().tolist(),
            (picture.values + 0.0).tolist(),
            picture.times.tolist(),
            picture.sources.tolist(),
            strict=True,
        )
        for event_start, value, belief_time, source_id in columns:
            row: list[object] = [*named, format_instant(event_start, zone), "", "", ""]
            if not isnan(value):
                row[-3:] = value, format_instant(belief_time, zone), tell.get(source_id, "")
            writer.writerow(row)
            if table.tell() > PIECE:
                parts.append(table.getvalue().encode())
                size += len(parts[-1])
                if size > MAX_TABLE_BYTES:
                    raise PeriodError(
                        f"A table may have at most {MAX_TABLE_BYTES // 2**20} MiB; this one has more. "
                        "Ask for a shorter duration, or for fewer sensors at a time."
                    )
                table = io.StringIO()
                writer = csv.writer(table, lineterminator="\n")
    return b"".join([*parts, table.getvalue().encode()])


def _harmless(text: str) -> str:
    """The text, kept from being read as a formula by spreadsheets."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


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
        history.event_starts.tolist(),
        history.belief_times.tolist(),
        history.source_ids.tolist(),
        history.values.tolist(),
        history.recorded_at.tolist(),
        strict=True,
    )
    return {
        "sensor": name,
        "unit": history.sensor.unit,
        "resolution": format_span(resolution),
        "beliefs": [
            {
                "event_start": format_instant(event_start),
                "belief_time": format_instant(belief_time),
                "belief_horizon": format_span(event_start + resolution - belief_time),
                "source": sources.get(source_id),
                "value": value,
                "recorded_at": format_instant(recorded_at),
            }
            for event_start, belief_time, source_id, value, recorded_at in columns
        ],
        "next": None if history.following is None else write_cursor(history.following),
    }


HANDLERS = (get_sensors, get_data, get_beliefs)
