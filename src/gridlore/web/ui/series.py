"""The data behind a sensor's page: series to draw, the same as CSV, and the quality of forecasts.

Layer: web. For the page's own scripts, with the session's cookie; programs have the API. Instants are
milliseconds since the epoch here, which is what scripts count in.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response
from litestar.types import ASGIApp

from gridlore.domain.access import Purpose, may_use_services
from gridlore.domain.errors import GridloreError, HorizonError, MessageError, PeriodError
from gridlore.domain.sensors import Sensor
from gridlore.domain.timing import EARLIEST, LATEST, to_datetime, to_instant
from gridlore.services.callers import Caller
from gridlore.services.quality import FEW, Quality, judge_forecasts
from gridlore.services.series import Chart, SeriesQuery, draw_series
from gridlore.web.answers import CSV, JSON, AnyRequest, pack, send_bytes, wants_gzip
from gridlore.web.api_v1_1 import query_fields
from gridlore.web.platform import Platform
from gridlore.web.tables import write_csv
from gridlore.web.ui.session import LoginRequiredError, NoSuchPageError, require_caller
from gridlore.wire.bodies import Fields
from gridlore.wire.iso8601 import parse_duration, parse_instant
from gridlore.wire.queries import merge_fields
from gridlore.wire.reads import read_zone
from gridlore.wire.responses import Body, encode, printable, reject
from gridlore.wire.timings import read_period_to_end

POINTS, MAX_POINTS = 1_500, 20_000
"""Drawn points of each series: when nothing is asked, and at most."""

MILLISECOND = 1_000

FRESH = {"Cache-Control": "no-store"}


def answer_script(_: AnyRequest, error: GridloreError) -> Response[bytes]:
    """What went wrong, for a script."""
    codes = {LoginRequiredError: 401, NoSuchPageError: 404}
    answer = reject(error)
    code = codes.get(type(error))
    return Response(
        encode({"message": printable(error.message)}),
        status_code=code or answer.code,
        headers={} if code else dict(answer.headers),
        media_type=JSON,
    )


ERRORS: dict[int | type[Exception], Any] = {GridloreError: answer_script}


def find_sensor(caller: Caller, sensor_id: int, purpose: Purpose | None = Purpose.READ) -> Sensor:
    """The sensor with this id.

    Raises
    ------
    NoSuchPageError
        There is none, or not for this user and purpose (None: any).
    """
    directory = caller.directory
    sensor = directory.sensors.get(sensor_id)
    allowed = may_use_services(caller.user, directory.account(caller.user))
    if sensor is None or not allowed or not directory.may_access(caller.user, sensor, purpose):
        raise NoSuchPageError
    return sensor


async def _answer(
    platform: Platform,
    request: AnyRequest,
    sensor_id: int,
    write: Callable[[Caller, Sensor, Fields], tuple[bytes, dict[str, str], str]],
    *,
    is_table: bool = False,
) -> ASGIApp:
    """Let the caller in, and write the answer beside the event loop: body, headers, media type.

    Tables have threads of their own, of which a user takes one at a time, of the others half.
    """
    caller = require_caller(platform, request)
    find_sensor(caller, sensor_id)

    def work() -> tuple[bytes, dict[str, str], str]:
        caller = require_caller(platform, request)  # again: there may have been a wait for the thread
        sensor = find_sensor(caller, sensor_id)
        body, headers, media_type = write(caller, sensor, merge_fields(query_fields(request), b""))
        return *pack(body, FRESH | headers, compress=wants_gzip(request)), media_type

    threads = platform.exports if is_table else platform.threads
    body, headers, media_type = await threads.run_for(caller.user.id, work)
    return send_bytes(body, headers, media_type=media_type)


@get("/sensors/{sensor_id:int}/series.json", exception_handlers=ERRORS)
async def get_series(
    request: AnyRequest, platform: NamedDependency[Platform], sensor_id: FromPath[int]
) -> ASGIApp:
    """What each source measured and forecast, as known at one time or several (``prior``, repeated)."""

    def write(caller: Caller, sensor: Sensor, fields: Fields) -> tuple[bytes, dict[str, str], str]:
        zone = read_zone(fields)
        start, end = read_span(platform, sensor, fields, zone)
        chart = draw_series(platform.query, caller.directory, sensor, _read_query(start, end, fields))
        about = {
            "start": start // MILLISECOND,
            "end": end // MILLISECOND,
            **_calendar_days(start, end, zone),
            "now": platform.clock() // MILLISECOND,
        }
        return encode(about | _write_chart(chart)), {}, JSON

    return await _answer(platform, request, sensor_id, write)


def _write_chart(chart: Chart) -> Body:
    grid = chart.grid
    first, last = chart.first_known, chart.last_known
    return {
        "unit": chart.sensor.unit,
        "grid": {
            "start": grid.start // MILLISECOND,
            "resolution": grid.resolution // MILLISECOND,
            "count": grid.count,
        },
        "known": None
        if first is None or last is None
        else {"first": first // MILLISECOND, "last": last // MILLISECOND},
        "frames": [
            {
                "prior": None if frame.prior is None else frame.prior // MILLISECOND,
                "series": [
                    {
                        "kind": series.kind.value,
                        "source": {
                            "id": series.source.id,
                            "user": series.source.user_id,
                            "name": series.source.name,
                        },
                        "values": chart.values(series),
                    }
                    for series in frame.series
                ],
            }
            for frame in chart.frames
        ],
    }


@get("/sensors/{sensor_id:int}/data.csv", exception_handlers=ERRORS)
async def get_csv(
    request: AnyRequest, platform: NamedDependency[Platform], sensor_id: FromPath[int]
) -> ASGIApp:
    """The same as a table: a row per event, kind and source."""

    def write(caller: Caller, sensor: Sensor, fields: Fields) -> tuple[bytes, dict[str, str], str]:
        zone = read_zone(fields)
        start, end = read_span(platform, sensor, fields, zone)
        asked = _read_query(start, end, fields)
        if len(asked.priors) != 1:
            raise HorizonError(f"A table shows what was known at one prior; got {len(asked.priors)}.")
        chart = draw_series(platform.query, caller.directory, sensor, asked)
        readings = [chart.reading(series.kind.value, series) for series in chart.frames[0].series]
        table = write_csv(caller.directory, readings, zone or UTC, heading="kind")
        day = to_datetime(start, zone or UTC).date().isoformat()
        named = {"Content-Disposition": f'attachment; filename="sensor-{sensor.id}-from-{day}.csv"'}
        return table, named, CSV

    return await _answer(platform, request, sensor_id, write, is_table=True)


@get("/sensors/{sensor_id:int}/quality.json", exception_handlers=ERRORS)
async def get_quality(
    request: AnyRequest, platform: NamedDependency[Platform], sensor_id: FromPath[int]
) -> ASGIApp:
    """How far each source's forecasts lay from what was measured."""

    def write(caller: Caller, sensor: Sensor, fields: Fields) -> tuple[bytes, dict[str, str], str]:
        start, end = read_span(platform, sensor, fields, read_zone(fields))
        quality = judge_forecasts(platform.query, caller.directory, sensor, start, end)
        return encode(_write_quality(sensor, quality)), {}, JSON

    return await _answer(platform, request, sensor_id, write)


def _write_quality(sensor: Sensor, quality: Quality) -> Body:
    return {
        "unit": sensor.unit,
        "slots": quality.slots,
        "measured": quality.measured,
        "few": FEW,
        "horizons": [horizon // MILLISECOND for horizon in quality.horizons],
        "sources": [
            {
                "id": judgement.source.id,
                "name": judgement.source.name,
                "errors": [
                    {"count": errors.count, "mae": errors.mae, "rmse": errors.rmse, "bias": errors.bias}
                    for errors in judgement.errors
                ],
            }
            for judgement in quality.judgements
        ],
    }


def read_span(platform: Platform, sensor: Sensor, fields: Fields, zone: ZoneInfo | None) -> tuple[int, int]:
    """The period asked about [µs since epoch].

    ``start`` and ``end`` are instants; ``first`` and ``last`` whole calendar days of the time zone, which
    last 23 or 25 hours when clocks change. Without either: all that is known, or today when nothing is.

    Raises
    ------
    PeriodError, TimezoneError
        The period cannot be read, or is empty.
    """
    if "first" in fields or "last" in fields:
        first, last = _read_date(fields, "first"), _read_date(fields, "last")
        if last < first:
            raise PeriodError(f"The last day should not lie before the first; got {first} to {last}.")
        return _midnight(first, zone), _midnight(last + timedelta(days=1), zone)
    if "start" in fields:
        period = read_period_to_end(fields)
        return period.start, period.end
    head = platform.query.read_heads([sensor])[sensor.id]
    if head.events_start is not None and head.events_end is not None:
        return head.events_start, head.events_end
    today = to_datetime(platform.clock(), zone or UTC).date()
    return _midnight(today, zone), _midnight(today + timedelta(days=1), zone)


def _read_date(fields: Fields, key: str) -> date:
    text = fields.get(key)
    try:
        if isinstance(text, str) and len(text) == len("2024-12-31"):
            found = date.fromisoformat(text)
            if to_datetime(EARLIEST).date() < found < to_datetime(LATEST).date() - timedelta(days=1):
                return found
    except ValueError:
        pass
    raise PeriodError(
        f"The {key} day should be a date of the years 1900 to 2199, such as 2024-12-31; got {text!r}."
    )


def _midnight(day: date, zone: ZoneInfo | None) -> int:
    return to_instant(datetime.combine(day, time(), zone or UTC))


def _calendar_days(start: int, end: int, zone: ZoneInfo | None) -> Body:
    """First and last calendar day that a period touches."""
    first, last = to_datetime(start, zone or UTC), to_datetime(end - 1, zone or UTC)
    return {"first": first.date().isoformat(), "last": last.date().isoformat()}


def _read_query(start: int, end: int, fields: Fields) -> SeriesQuery:
    points = fields.get("points", str(POINTS))
    if not (isinstance(points, str) and points.isdecimal() and len(points) <= len(str(MAX_POINTS))):
        points = "0"
    if not 1 <= int(points) <= MAX_POINTS:
        raise MessageError(f"The points should be a whole number from 1 to {MAX_POINTS}.")
    priors = fields.get("prior", [])
    texts = priors if isinstance(priors, list) else [priors]
    instants = tuple(parse_instant(text, what="prior", error=HorizonError)[0] for text in texts)
    ahead = fields.get("horizon")
    duration = None if ahead is None else parse_duration(ahead, HorizonError, what="horizon")
    if duration is not None and duration.is_calendar:
        raise HorizonError(f"The horizon should not count in months or years; got {ahead!r}.")
    return SeriesQuery(start, end, int(points), instants or (None,), duration.span if duration else 0)


HANDLERS = (get_series, get_csv, get_quality)
