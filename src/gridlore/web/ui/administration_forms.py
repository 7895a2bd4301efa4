"""Administration: forms that make and change accounts, users and sensors, each change confirmed.

Layer: web. A form is sent twice: first to be shown what would be done, then with the seal of just that.
"""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import available_timezones

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from gridlore.domain.audit import AuditEntry
from gridlore.domain.errors import UserError
from gridlore.domain.sensors import ADMIN, ROLES, Account, Direction, Sensor, SensorKind, User
from gridlore.domain.timing import format_span
from gridlore.domain.units import POWER_UNIT, WEATHER_UNITS
from gridlore.services.accounts import INVITATION_MAX_AGE
from gridlore.services.administration import (
    MIN_PASSWORD,
    ChangedMeanwhileError,
    Edit,
    EditError,
    Proposal,
    Subject,
)
from gridlore.services.directory import Directory
from gridlore.services.world import MAX_PASSWORD
from gridlore.services.world.reading import KEYS
from gridlore.web.answers import AnyRequest
from gridlore.web.platform import Platform
from gridlore.web.ui.administration import changed_fields, read_done
from gridlore.web.ui.rendering import render, site_url
from gridlore.web.ui.session import FORM_TOKEN, NoSuchPageError, receive_form, require_admin
from gridlore.web.ui.wording import tell_instant

SUBJECTS = {"accounts": Subject.ACCOUNT, "users": Subject.USER, "sensors": Subject.SENSOR}

FIELDS = {
    Subject.ACCOUNT: ("name", *(f"role_{role}" for role in ROLES)),
    Subject.USER: ("email", "name", "account", "admin", "active"),
    Subject.SENSOR: tuple(dict.fromkeys(key for kind in SensorKind for key in KEYS[kind])),
}
"""The names of the inputs of each form. [letters of HTML]"""

RESOLUTIONS = ("PT1M", "PT5M", "PT10M", "PT15M", "PT30M", "PT1H", "P1D")

DEGREES = ("latitude", "longitude")


def read_edit(subject: Subject, record_id: int | None, form: Mapping[str, str]) -> Edit:
    """What a form asks for. Blanks around texts do not count, and an empty field is an absent one."""
    texts = {name: form.get(name, "").strip() for name in FIELDS[subject]}
    fields: dict[str, object] = {}
    match subject:
        case Subject.ACCOUNT:
            fields = {"name": texts["name"], "roles": [role for role in ROLES if texts[f"role_{role}"]]}
        case Subject.USER:
            fields = {name: texts[name] for name in ("email", "name", "account")}
            fields |= {"roles": [ADMIN] if texts["admin"] else [], "active": bool(texts["active"])}
        case Subject.SENSOR:
            kind = texts["kind"] if texts["kind"] in set(SensorKind) else SensorKind.CONNECTION
            fields = {name: texts[name] for name in KEYS[kind]}
            fields |= {name: _read_number(texts[name]) for name in DEGREES if name in fields}
    return Edit(subject, record_id, {name: value for name, value in fields.items() if value != ""})


def _read_number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def write_form(directory: Directory, record: Account | User | Sensor) -> dict[str, str]:
    """The fields of a form that leaves a record as it is."""
    match record:
        case Account():
            return {"name": record.name, **{f"role_{role}": "on" for role in record.roles}}
        case User():
            flags = {"admin": record.is_admin, "active": record.active}
            return {
                "email": record.email,
                "name": record.name,
                "account": directory.account(record).name,
                **{name: "on" for name, is_set in flags.items() if is_set},
            }
        case Sensor():
            owner = directory.owner(record)
            return {
                "kind": record.kind.value,
                "name": record.name,
                "owner": owner.email if owner else "",
                "unit": record.unit,
                "resolution": format_span(record.resolution),
                "direction": record.direction.value,
                "timezone": record.timezone,
                "quantity": record.quantity or "",
                "latitude": "" if record.latitude is None else repr(record.latitude),
                "longitude": "" if record.longitude is None else repr(record.longitude),
            }


def _find(directory: Directory, subject: Subject, record_id: int) -> Account | User | Sensor:
    records: Mapping[Subject, Mapping[int, Account | User | Sensor]] = {
        Subject.ACCOUNT: directory.accounts,
        Subject.USER: directory.users,
        Subject.SENSOR: directory.sensors,
    }
    record = records[subject].get(record_id)
    if record is None:
        raise NoSuchPageError
    return record


def _subject(section: str) -> Subject:
    if section not in SUBJECTS:
        raise NoSuchPageError
    return SUBJECTS[section]


def _new_form(request: AnyRequest, subject: Subject) -> dict[str, str]:
    """What a form for something new begins with."""
    match subject:
        case Subject.ACCOUNT:
            return {}
        case Subject.USER:
            return {"active": "on", "account": request.query_params.get("account", "")}
        case Subject.SENSOR:
            kind = request.query_params.get("kind", "")
            kind = kind if kind in set(SensorKind) else SensorKind.CONNECTION.value
            units = {SensorKind.CONNECTION: POWER_UNIT, SensorKind.MARKET: "EUR/MWh"}
            return {"kind": kind, "unit": units.get(SensorKind(kind), ""), "timezone": "UTC"}


@get("/administration/{section:str}/new")
async def show_new(
    request: AnyRequest, platform: NamedDependency[Platform], section: FromPath[str]
) -> Template:
    """An empty form."""
    require_admin(platform, request)
    subject = _subject(section)
    return await platform.in_thread(
        _show_form, platform, request, Edit(subject, None, {}), _new_form(request, subject)
    )


@get("/administration/{section:str}/{record_id:int}")
async def show_record(
    request: AnyRequest, platform: NamedDependency[Platform], section: FromPath[str], record_id: FromPath[int]
) -> Template:
    """What an account, user or sensor is, to be changed."""
    caller = require_admin(platform, request)
    subject = _subject(section)
    form = write_form(caller.directory, _find(caller.directory, subject, record_id))
    return await platform.in_thread(_show_form, platform, request, Edit(subject, record_id, {}), form)


@post("/administration/{section:str}/new", status_code=200)
async def submit_new(
    request: AnyRequest, platform: NamedDependency[Platform], section: FromPath[str]
) -> Template | Redirect:
    """Make something new, once it is confirmed."""
    _, form = await receive_form(platform, request, require_admin)
    return await platform.in_thread(
        _submit, platform, request, read_edit(_subject(section), None, form), form
    )


@post("/administration/{section:str}/{record_id:int}", status_code=200)
async def submit_record(
    request: AnyRequest, platform: NamedDependency[Platform], section: FromPath[str], record_id: FromPath[int]
) -> Template | Redirect:
    """Change something, once it is confirmed."""
    caller, form = await receive_form(platform, request, require_admin)
    subject = _subject(section)
    _find(caller.directory, subject, record_id)
    return await platform.in_thread(_submit, platform, request, read_edit(subject, record_id, form), form)


@post("/administration/invitations/{record_id:int}", status_code=200)
async def submit_invitation(
    request: AnyRequest, platform: NamedDependency[Platform], record_id: FromPath[int]
) -> Template:
    """Make a link with which a user can set a password, and show it once."""
    caller, _ = await receive_form(platform, request, require_admin)
    _find(caller.directory, Subject.USER, record_id)
    return await platform.in_thread(_invite, platform, request, record_id, None)


@post("/administration/passwords/{record_id:int}", status_code=200)
async def submit_password(
    request: AnyRequest, platform: NamedDependency[Platform], record_id: FromPath[int]
) -> Template | Redirect:
    """Set a user's password; typing it twice confirms it."""
    caller, form = await receive_form(platform, request, require_admin)
    _find(caller.directory, Subject.USER, record_id)
    user = caller.directory.users[record_id]
    password, problem = form.get("password", ""), ""
    if user.id == caller.user.id:
        problem = "Your own password is changed on your profile."
    elif password != form.get("again"):
        problem = "The two passwords are not the same."
    else:
        try:
            password_hash = await platform.hash_password(password)
            entry = await platform.in_thread(
                platform.administration.set_password, caller.user, user, password_hash, platform.clock()
            )
        except UserError as error:
            problem = error.message
        else:
            return Redirect(f"/administration/users/{user.id}?done={entry.id}", status_code=303)
    edit, written = Edit(Subject.USER, user.id, {}), write_form(caller.directory, user)
    return _show_form(platform, request, edit, written, {"password": problem})


def _submit(
    platform: Platform, request: AnyRequest, edit: Edit, form: Mapping[str, str]
) -> Template | Redirect:
    caller = require_admin(platform, request)  # again: there may have been a wait for the thread
    if form.get("back"):
        return _show_form(platform, request, edit, form)
    now = platform.clock()
    seal = form.get("seal", "")
    has_changed = False
    try:
        if seal:
            try:
                entry = platform.administration.carry_out(caller.user, edit, seal, now)
            except ChangedMeanwhileError:
                has_changed = True
            else:
                return _show_done(platform, request, entry)
        proposal = platform.administration.propose(caller.user, edit, now)
    except EditError as error:
        return _show_form(platform, request, edit, form, error.problems)
    if not proposal.changes_something:
        return _show_form(
            platform, request, edit, form, {"": "Nothing was changed: all fields are as they were."}
        )
    return _show_confirmation(platform, request, proposal, form, has_changed=has_changed)


def _show_done(platform: Platform, request: AnyRequest, entry: AuditEntry) -> Template | Redirect:
    if entry.subject == Subject.USER and entry.before is None and entry.subject_id is not None:
        return _invite(platform, request, entry.subject_id, entry)
    address = f"/administration/{entry.subject}s/{entry.subject_id}?done={entry.id}"
    return Redirect(address, status_code=303)


def _invite(platform: Platform, request: AnyRequest, user_id: int, created: AuditEntry | None) -> Template:
    caller = require_admin(platform, request)  # again: there may have been a wait for the thread
    now = platform.clock()
    try:
        user, invitation = platform.administration.invite(caller.user, user_id, now)
    except UserError as error:
        edit = Edit(Subject.USER, user_id, {})
        form = write_form(caller.directory, _find(caller.directory, Subject.USER, user_id))
        return _show_form(platform, request, edit, form, {"": error.message})
    return render(
        platform,
        request,
        "administration_link.html",
        section="users",
        subject=user,
        created=created is not None,
        link=f"{site_url(request)}/invitation/{invitation}",
        until=tell_instant(now + INVITATION_MAX_AGE * 1_000_000, "UTC"),
    )


def _show_confirmation(
    platform: Platform, request: AnyRequest, proposal: Proposal, form: Mapping[str, str], *, has_changed: bool
) -> Template:
    changed = {name for name, _, _ in changed_fields(proposal.before or {}, proposal.after)}
    names = dict.fromkeys((*(proposal.before or {}), *proposal.after))
    return render(
        platform,
        request,
        "administration_confirmation.html",
        section=f"{proposal.edit.subject}s",
        proposal=proposal,
        has_changed=has_changed,
        facts=[
            (name, (proposal.before or {}).get(name, ""), proposal.after.get(name, ""), name in changed)
            for name in names
        ],
        fields={name: form[name] for name in FIELDS[proposal.edit.subject] if form.get(name)},
        warnings=_warnings(proposal),
    )


def _warnings(proposal: Proposal) -> list[str]:
    """What follows from a change that is easily overlooked."""
    before, after = proposal.before, proposal.after
    if before is None:
        return []
    warnings = []
    if before.get("address") != after.get("address"):
        warnings.append("Programs that use the old address will no longer find this sensor.")
    if before.get("owner") != after.get("owner"):
        warnings.append("From now on the account of the new owner sees all data of this connection.")
    if before.get("account") != after.get("account"):
        warnings.append("The user's connections move along to the other account.")
    if before.get("state") == "active" and after.get("state") != "active":
        warnings.append("All tokens and sessions of the user end. What the user has sent stays.")
    if before.get("administrator") == "no" and after.get("administrator") == "yes":
        warnings.append("An administrator sees and may change everything.")
    return warnings


def _show_form(
    platform: Platform,
    request: AnyRequest,
    edit: Edit,
    form: Mapping[str, str],
    problems: Mapping[str, str] | None = None,
) -> Template:
    directory, subject = require_admin(platform, request).directory, edit.subject
    record = None if edit.id is None else _find(directory, subject, edit.id)
    with_data = subject is Subject.SENSOR and edit.id and bool(platform.administration.with_data(edit.id))
    return render(
        platform,
        request,
        f"administration_{subject}.html",
        code=422 if problems else 200,
        section=f"{subject}s",
        record=record,
        has_data=with_data,
        form={name: value for name, value in form.items() if name != FORM_TOKEN},
        problems=_place_problems(problems or {}),
        done=read_done(platform, request, directory),
        roles=ROLES,
        kinds=tuple(SensorKind),
        shortest=MIN_PASSWORD,
        longest=MAX_PASSWORD,
        accounts=sorted((account.name for account in directory.accounts.values()), key=str.casefold),
        owners=sorted(user.email for user in directory.users.values()),
        directions=tuple(Direction),
        resolutions=RESOLUTIONS,
        quantities=WEATHER_UNITS,
        timezones=sorted(available_timezones()) if subject is Subject.SENSOR else (),
        address=directory.address(record) if isinstance(record, Sensor) else "",
    )


def _place_problems(problems: Mapping[str, str]) -> dict[str, str]:
    """The problems by the field beside which they are told; those of none, or of a hidden one, together."""
    hidden = [text for name, text in problems.items() if name in {"", "kind"}]
    placed = {name: text for name, text in problems.items() if name not in {"", "kind"}}
    return {**placed, **({"": " ".join(hidden)} if hidden else {})}


HANDLERS = (show_new, show_record, submit_new, submit_record, submit_invitation, submit_password)
