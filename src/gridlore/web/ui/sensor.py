"""The page of one sensor: its chart, time travel, and the quality of its forecasts.

Layer: web. The page itself holds facts only; what is drawn comes from ``series``.
"""

from __future__ import annotations

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from gridlore.domain.access import Purpose
from gridlore.domain.heads import Head
from gridlore.domain.sensors import Direction, Sensor, SensorKind
from gridlore.domain.timing import DAY, HOUR, MINUTE, SECOND, format_instant, format_span
from gridlore.services.callers import Caller
from gridlore.services.directory import Directory
from gridlore.services.freshness import Freshness
from gridlore.web.answers import AnyRequest
from gridlore.web.platform import Platform
from gridlore.web.routes import DATA_PATH
from gridlore.web.ui.freshness import describe_newest
from gridlore.web.ui.rendering import render, site_url
from gridlore.web.ui.series import MILLISECOND, find_sensor
from gridlore.web.ui.session import require_caller
from gridlore.wire.endpoints import POST_METER_DATA, POST_PRICE_DATA, POST_WEATHER_DATA, Endpoint

KINDS = {SensorKind.CONNECTION: "Connection", SensorKind.MARKET: "Market", SensorKind.WEATHER: "Weather"}

SIGNS = {
    Direction.BOTH: "positive is consumption, negative production",
    Direction.CONSUMER: "consumes only: never negative",
    Direction.PRODUCER: "produces only: never positive",
}

POSTS: dict[SensorKind, tuple[Endpoint, str]] = {
    SensorKind.CONNECTION: (POST_METER_DATA, "connection"),
    SensorKind.MARKET: (POST_PRICE_DATA, "market"),
    SensorKind.WEATHER: (POST_WEATHER_DATA, "sensor"),
}
"""What takes the first value of a sensor, and the key that names the sensor in it."""


@get("/sensors/{sensor_id:int}")
async def show_sensor(
    request: AnyRequest, platform: NamedDependency[Platform], sensor_id: FromPath[int]
) -> Template | Redirect:
    """The page of one sensor; who may only post to it is led to where that is done."""
    caller = require_caller(platform, request)
    sensor = find_sensor(caller, sensor_id, None)
    if not caller.directory.may_access(caller.user, sensor):
        return Redirect(f"/sensors/{sensor.id}/upload", status_code=303)
    return await platform.in_thread_of(caller.user, _show, platform, request, sensor_id)


def _show(platform: Platform, request: AnyRequest, sensor_id: int) -> Template:
    caller = require_caller(platform, request)  # again: there may have been a wait for the thread
    sensor, directory, now = find_sensor(caller, sensor_id), caller.directory, platform.clock()
    may_post = directory.may_access(caller.user, sensor, Purpose.POST)
    head, freshness = _read(platform, caller, sensor, now)
    return render(
        platform,
        request,
        "sensor.html",
        sensor=_describe(directory, sensor),
        span=_describe_span(head),
        newest=describe_newest(caller, freshness, now),
        post=_describe_post(directory, sensor, now) if may_post else None,
        origin=site_url(request),
        data_path=DATA_PATH,
    )


def _read(platform: Platform, caller: Caller, sensor: Sensor, now: int) -> tuple[Head, Freshness]:
    heads = platform.query.read_heads([sensor])
    [freshness] = platform.freshness.read(caller.directory, caller.user, [sensor], heads, now)
    return heads[sensor.id], freshness


def _describe(directory: Directory, sensor: Sensor) -> dict[str, object]:
    owner = directory.owner(sensor)
    return {
        "id": sensor.id,
        "name": sensor.name,
        "kind": KINDS[sensor.kind],
        "what": sensor.quantity or {SensorKind.MARKET: "price"}.get(sensor.kind, "power"),
        "unit": sensor.unit,
        "every": "every " + spoken(sensor.resolution).removeprefix("1 "),
        "resolution": sensor.resolution // MILLISECOND,
        "timezone": sensor.timezone,
        "address": directory.address(sensor),
        "signs": SIGNS[sensor.direction] if sensor.kind is SensorKind.CONNECTION else None,
        "owner": owner.name if owner else None,
        "place": None if sensor.latitude is None else f"{sensor.latitude:g}°, {sensor.longitude:g}°",
        "is_market": sensor.kind is SensorKind.MARKET,
    }


def _describe_span(head: Head) -> dict[str, int] | None:
    """The events anything is known about, for scripts; None when there are none."""
    if head.events_start is None or head.events_end is None:
        return None
    return {"first": head.events_start // MILLISECOND, "last": head.events_end // MILLISECOND}


def _describe_post(directory: Directory, sensor: Sensor, now: int) -> dict[str, object]:
    """How to post a first value: of the last event that is over."""
    endpoint, key = POSTS[sensor.kind]
    grid = sensor.grid(now - sensor.resolution, now)
    return {
        "path": endpoint.path,
        "type": endpoint.request_type,
        "key": key,
        "address": directory.address(sensor),
        "value": -1.5 if sensor.direction is Direction.PRODUCER else 1.5,
        "start": format_instant(grid.start),
        "duration": format_span(sensor.resolution),
        "unit": sensor.unit,
    }


def spoken(span: int) -> str:
    """A span in words, in its largest fitting unit. [µs]

    >>> spoken(15 * MINUTE), spoken(HOUR), spoken(50 * HOUR)
    ('15 minutes', '1 hour', '2 days')
    """
    for unit, name in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if span >= unit:
            count = span // unit
            return f"{count} {name}{'' if count == 1 else 's'}"
    return f"{span // SECOND} seconds"


HANDLERS = (show_sensor,)
