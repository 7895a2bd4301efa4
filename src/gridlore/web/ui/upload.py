"""Upload a table of values for a sensor: choose a file, look at what it says, store it.

Layer: web. Nothing is kept here between the steps: the file travels in the form, packed and signed for this
session and this sensor (services/upload/document.py says why).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.params import FromPath
from litestar.response import Redirect, Template

from gridlore.domain.access import Purpose
from gridlore.domain.audit import AuditEntry
from gridlore.domain.commands import Receipt
from gridlore.domain.errors import GridloreError, ReplacementError, StoreUnavailableError
from gridlore.domain.sensors import Sensor
from gridlore.services.callers import Caller
from gridlore.services.upload.choices import Choices, choose
from gridlore.services.upload.document import Document, pack, read_document, unpack
from gridlore.services.upload.reading import Reading, read_rows
from gridlore.services.upload.storing import make_commands
from gridlore.services.upload.table import MAX_FILE_BYTES, MAX_ROWS, MIB, ChoiceError, FileError, Table
from gridlore.services.upload.workbook import is_workbook
from gridlore.web.answers import AnyRequest
from gridlore.web.auth import SESSION_COOKIE, ask_again, see_recorded
from gridlore.web.observation import exchange_of
from gridlore.web.platform import Platform
from gridlore.web.ui.rendering import NO_HEADERS, render
from gridlore.web.ui.series import find_sensor
from gridlore.web.ui.session import check_form, read_form, require_caller
from gridlore.web.ui.upload_form import read_upload_form
from gridlore.web.ui.upload_preview import describe_choices, describe_reading, digest, tell_rows
from gridlore.wire.responses import reject

STORE, STORE_REST = "store", "store_rest"
"""What a button of the form asks for, besides another look."""

CORRECTION = (
    "What was stored stays as it was known then. If these are corrections, say below that the values were "
    "measured, known now."
)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a file says in the way that was chosen.

    ``late``: forecasts that were made after the fact. ``wrong``: fields of the form and what is wrong there.
    """

    document: Document
    packed: str
    table: Table
    choices: Choices
    reading: Reading | None
    late: int
    wrong: Mapping[str, str]


@get("/sensors/{sensor_id:int}/upload")
async def show_upload(
    request: AnyRequest, platform: NamedDependency[Platform], sensor_id: FromPath[int]
) -> Template:
    """The form that takes a file."""
    _, sensor = _let_in(platform, request, sensor_id)
    return _ask_for_file(platform, request, sensor)


@get("/sensors/{sensor_id:int}/upload/check")
async def show_check(
    request: AnyRequest, platform: NamedDependency[Platform], sensor_id: FromPath[int]
) -> Redirect:
    """The second step cannot be gone to directly."""
    _, sensor = _let_in(platform, request, sensor_id)
    return Redirect(f"/sensors/{sensor.id}/upload", status_code=303)


@post("/sensors/{sensor_id:int}/upload", status_code=200)
async def submit_file(
    request: AnyRequest, platform: NamedDependency[Platform], sensor_id: FromPath[int]
) -> Template:
    """Take a file, and show what it says."""
    _let_in(platform, request, sensor_id)
    try:
        name, data = await _read_upload(platform, request)
        caller, sensor = _let_in(platform, request, sensor_id)  # again: the file may have taken long
        threads = platform.workbooks if is_workbook(data) else platform.tables
        look = await threads.run_for(caller.user.id, _look_first, name, data, sensor, platform.clock())
    except (FileError, HTTPException) as error:
        _, sensor = _let_in(platform, request, sensor_id)
        problem = error.message if isinstance(error, FileError) else "The file did not arrive whole."
        return _ask_for_file(platform, request, sensor, problem, code=400)
    _let_in(platform, request, sensor_id)
    return _show_look(platform, request, sensor, look)


@post("/sensors/{sensor_id:int}/upload/check", status_code=200)
async def submit_check(
    request: AnyRequest, platform: NamedDependency[Platform], sensor_id: FromPath[int]
) -> Template:
    """Show again what the file says, in the way that was chosen, or store it."""
    _let_in(platform, request, sensor_id)
    form = await read_form(platform, request)
    caller, sensor = _let_in(platform, request, sensor_id)  # again: the form may have taken long
    packed, now = form.get("file", ""), platform.clock()
    try:
        _check_signature(platform, request, sensor, packed, form.get("signature", ""))
        look = await platform.tables.run_for(caller.user.id, _look_again, packed, sensor, form, now)
    except FileError as error:
        _let_in(platform, request, sensor_id)
        return _ask_for_file(platform, request, sensor, error.message, code=400)
    _let_in(platform, request, sensor_id)
    step = form.get("step")
    if step not in {STORE, STORE_REST}:
        return _show_look(platform, request, sensor, look)
    reading, refusal = look.reading, _refuse_storing(look, form, leave_out=step == STORE_REST)
    if reading is None or refusal:
        return _show_look(platform, request, sensor, look, problem=refusal, code=400)
    try:
        caller, receipt = await _store(platform, request, sensor, look.choices, reading, now)
    except GridloreError as error:
        _let_in(platform, request, sensor_id)
        hint = f" {CORRECTION}" if isinstance(error, ReplacementError) else ""
        answer = reject(error)
        code = 400 if isinstance(error, FileError) else answer.code
        lost = isinstance(error, StoreUnavailableError)  # perhaps at the very commit
        done = "It may be stored, or not; storing it again is safe." if lost else "Nothing was stored."
        problem = f"{done} {error.message}{hint}"
        return _show_look(platform, request, sensor, look, problem=problem, code=code, headers=answer.headers)
    await see_recorded(platform.trail.add(_entry(caller, sensor, look.document.name, receipt, now)))
    return render(
        platform,
        request,
        "upload_receipt.html",
        sensor=sensor,
        file=look.document.name,
        receipt=receipt,
        **describe_reading(reading, look.table, look.choices, sensor),
    )


def _entry(caller: Caller, sensor: Sensor, file: str, receipt: Receipt, now: int) -> AuditEntry:
    """What the record says of a file that was stored. [µs since epoch]"""
    return AuditEntry(
        recorded_at=now,
        user_id=caller.user.id,
        action="import",
        subject="sensor",
        subject_id=sensor.id,
        title=f"{sensor.kind} {sensor.name}",
        before=None,
        after={"file": file, "stored": str(receipt.stored), "unchanged": str(receipt.unchanged)},
    )


def _let_in(platform: Platform, request: AnyRequest, sensor_id: int) -> tuple[Caller, Sensor]:
    """Who is logged in, and the sensor with this id, if they may post to it; else there is no such page."""
    caller = require_caller(platform, request)
    return caller, find_sensor(caller, sensor_id, Purpose.POST)


async def _read_upload(platform: Platform, request: AnyRequest) -> tuple[str, bytes]:
    """Name and bytes of the uploaded file; a form that does not come from a page of ours is refused."""
    form = await read_upload_form(request)
    check_form(platform, request, form.token)
    if not form.name:
        raise FileError("Choose a file first.")
    return form.name, form.file


def _look_first(name: str, data: bytes, sensor: Sensor, now: int) -> Look:
    document = read_document(name, data)
    return _look(document, pack(document), sensor, {}, now)


def _look_again(packed: str, sensor: Sensor, form: Mapping[str, str], now: int) -> Look:
    return _look(unpack(packed), packed, sensor, form, now)


def _look(document: Document, packed: str, sensor: Sensor, given: Mapping[str, str], now: int) -> Look:
    """Read the file as chosen; a choice that does not fit is told, and its suggestion taken instead."""
    left, wrong = dict(given), dict[str, str]()
    while True:
        try:
            choices, table = choose(document, sensor, left)
            break
        except ChoiceError as error:
            wrong[error.field] = error.message
            left.pop(error.field)
    reading, late = None, 0
    try:
        reading = read_rows(table, choices, sensor, now)
        if not choices.is_measured:
            late = reading.count_late(choices.timing(now))
    except ChoiceError as error:
        wrong[error.field] = error.message
    return Look(document, packed, table, choices, reading, late, wrong)


def _refuse_storing(look: Look, form: Mapping[str, str], *, leave_out: bool) -> str | None:
    """Why nothing is stored as things are; None when nothing is in the way."""
    reading = look.reading
    if look.wrong or reading is None:
        return "Nothing was stored. Something below cannot be as it was chosen."
    if form.get("looked") != digest(look.choices):
        return (
            "Nothing was stored yet: the choices have changed. Look at what the file says now, then store it."
        )
    if reading.problems and not leave_out:
        wrong = tell_rows(len(reading.problems))
        return f"Nothing was stored. {wrong} cannot be read; correct the file, or leave them out."
    if not reading.good.size:
        return "Nothing was stored. No row holds a value."
    return None


async def _store(
    platform: Platform, request: AnyRequest, sensor: Sensor, choices: Choices, reading: Reading, now: int
) -> tuple[Caller, Receipt]:
    """What became of all good rows, and for whom they were stored."""
    who = _let_in(platform, request, sensor.id)[0].user.id
    caller, queued = await platform.tables.run_for(
        who, _queue, platform, request, sensor, choices, reading, now
    )
    try:
        receipt = exchange_of(request).receipt = await platform.receipts.wait(queued)
    finally:
        del queued  # see Receipts.wait
    return caller, receipt


def _queue(
    platform: Platform, request: AnyRequest, sensor: Sensor, choices: Choices, reading: Reading, now: int
) -> tuple[Caller, Future[Receipt]]:
    """All good rows as one batch, stored together or not at all; and for whom, as things are now."""
    caller, sensor = _let_in(platform, request, sensor.id)

    def ask() -> Caller:
        return _let_in(platform, request, sensor.id)[0]

    address = caller.directory.address(sensor)
    commands = make_commands(reading, sensor, address, choices.timing(now), max_values=platform.max_values)
    queued = platform.ingest.post(caller, commands, now, lambda: ask_again(platform, caller, ask))
    return caller, queued


def _ask_for_file(
    platform: Platform, request: AnyRequest, sensor: Sensor, problem: str | None = None, *, code: int = 200
) -> Template:
    return render(
        platform,
        request,
        "upload.html",
        code=code,
        sensor=sensor,
        problem=problem,
        max_mib=MAX_FILE_BYTES // MIB,
        max_bytes=MAX_FILE_BYTES,
        max_rows=MAX_ROWS,
    )


def _show_look(
    platform: Platform,
    request: AnyRequest,
    sensor: Sensor,
    look: Look,
    *,
    problem: str | None = None,
    code: int = 200,
    headers: Mapping[str, str] = NO_HEADERS,
) -> Template:
    said: dict[str, Any] = {}
    if look.reading is not None:
        said = describe_reading(look.reading, look.table, look.choices, sensor)
    return render(
        platform,
        request,
        "upload_check.html",
        code=code,
        headers=headers,
        sensor=sensor,
        problem=problem,
        wrong=look.wrong,
        file=look.packed,
        signature=_sign(platform, request, sensor, look.packed),
        looked=digest(look.choices),
        late=look.late,
        **describe_choices(look.document, look.table, look.choices, sensor),
        **said,
    )


def _sign(platform: Platform, request: AnyRequest, sensor: Sensor, packed: str) -> str:
    """What shows that we packed this file, in this session and for this sensor."""
    session = request.cookies.get(SESSION_COOKIE, "")
    file = hashlib.sha256(packed.encode()).hexdigest()
    return platform.accounts.sign_upload(session, sensor.id, file)


def _check_signature(
    platform: Platform, request: AnyRequest, sensor: Sensor, packed: str, signature: str
) -> None:
    expected = _sign(platform, request, sensor, packed)
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise FileError("The session has changed since the file was chosen. Please choose it again.")


HANDLERS = (show_upload, show_check, submit_file, submit_check)
