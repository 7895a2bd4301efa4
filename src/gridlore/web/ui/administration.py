"""Administration: what accounts, users and sensors there are, and the record of changes.

Layer: web. For users with the role admin; for everybody else these pages do not exist. The forms are in
``administration_forms``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten
from urllib.parse import urlencode

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from gridlore.domain.audit import AuditEntry
from gridlore.domain.sensors import ADMIN
from gridlore.domain.timing import format_instant
from gridlore.services.callers import Caller
from gridlore.services.directory import Directory
from gridlore.web.answers import AnyRequest
from gridlore.web.platform import Platform
from gridlore.web.ui.overview import search_sensors
from gridlore.web.ui.rendering import render
from gridlore.web.ui.session import NoSuchPageError, require_admin
from gridlore.web.ui.wording import tell_instant, tell_resolution

PAGE = 100
"""Rows on a page of a list."""

CHANGES = 50
"""Entries on a page of the record of changes."""

MAX_ID = 2**63 - 1
"""Highest number of an entry that there can be, and that the database takes."""

RECENT = 10
"""Entries on the first page of the administration."""

ACTIONS = {
    "create": "created",
    "edit": "changed",
    "invite": "made a link to set the password of",
    "accept invitation": "set a password, by link, as",
    "change password": "changed the password of",
    "set password": "set a password for",
    "create key": "made an API key of",
    "revoke key": "revoked an API key of",
    "give access": "let another account use connections of",
    "revoke access": "no longer lets another account use connections of",
    "apply": "applied",
    "deactivate": "deactivated",
    "activate": "activated",
    "end all tokens": "ended all tokens of",
    "import": "imported data of",
    "delete data": "deleted data of",
    "back up": "made a copy of",
    "restore": "restored",
}


LONGEST_FACT = 120
"""Characters shown of what a change says, which may list a whole world file."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list: the names of its columns, and for each row where it leads and its cells, the first the name."""

    title: str
    singular: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class ToldChange:
    """An entry of the record of changes, in words; ``fields``: name, before, after."""

    id: int
    instant: str
    moment: str
    who: str
    action: str
    title: str
    address: str
    fields: tuple[tuple[str, str, str], ...]


def _address(directory: Directory, entry: AuditEntry) -> str:
    """The page of what was changed; empty when there is none."""
    pages: dict[str, Collection[int]] = {
        "account": directory.accounts.keys(),
        "user": directory.users.keys(),
        "sensor": directory.sensors.keys(),
    }
    known = entry.subject_id in pages.get(entry.subject, ())
    return f"/administration/{entry.subject}s/{entry.subject_id}" if known else ""


def tell_change(directory: Directory, entry: AuditEntry) -> ToldChange:
    """An entry in words."""
    before, after = entry.before or {}, entry.after or {}
    return ToldChange(
        entry.id,
        format_instant(entry.recorded_at),
        tell_instant(entry.recorded_at, "UTC"),
        entry.actor,
        ACTIONS.get(entry.action, entry.action),
        entry.title,
        _address(directory, entry),
        tuple((name, _shorten(old), _shorten(new)) for name, old, new in changed_fields(before, after)),
    )


def _shorten(fact: str) -> str:
    """A fact of a reasonable length; the record has all of it (`gridlore audit`)."""
    return shorten(fact, LONGEST_FACT, placeholder=" … and more")


def changed_fields(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[tuple[str, str, str], ...]:
    """Name, before and after of each fact that differs, in the order in which they are told."""
    names = dict.fromkeys((*before, *after))
    return tuple(
        (name, before.get(name, ""), after.get(name, ""))
        for name in names
        if before.get(name) != after.get(name)
    )


def read_done(platform: Platform, request: AnyRequest, directory: Directory) -> ToldChange | None:
    """The change that led to this page, as the address has it."""
    number = _read_number(request, "done")
    if number is None:
        return None
    entries = platform.administration.read_changes(1, number + 1)
    return tell_change(directory, entries[0]) if entries and entries[0].id == number else None


def _read_number(request: AnyRequest, name: str) -> int | None:
    """The number of an entry that the address has; None if it has none."""
    text = request.query_params.get(name, "")
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_ID)) else MAX_ID
    return number if number < MAX_ID else None


@get("/administration")
async def show_administration(request: AnyRequest, platform: NamedDependency[Platform]) -> Template:
    """What there is, and what was changed most recently."""
    require_admin(platform, request)
    entries = await platform.in_thread(platform.administration.read_changes, RECENT)
    directory = require_admin(platform, request).directory  # again: there may have been a wait for the thread
    return render(
        platform,
        request,
        "administration.html",
        section="",
        counts=[
            ("accounts", "Accounts", len(directory.accounts), "Companies and households, and their roles"),
            ("users", "Users", len(directory.users), "Who may log in, and send data"),
            ("sensors", "Sensors", len(directory.sensors), "Connections, markets and weather"),
        ],
        changes=[tell_change(directory, entry) for entry in entries],
    )


@get("/administration/changes")
async def show_changes(request: AnyRequest, platform: NamedDependency[Platform]) -> Template:
    """The record of changes, newest first, a page at a time."""
    require_admin(platform, request)
    before = _read_number(request, "before")
    entries = await platform.in_thread(platform.administration.read_changes, CHANGES + 1, before)
    caller = require_admin(platform, request)  # again, as above
    shown = entries[:CHANGES]
    return render(
        platform,
        request,
        "administration_changes.html",
        section="changes",
        changes=[tell_change(caller.directory, entry) for entry in shown],
        is_newest=before is None,
        following=f"/administration/changes?before={shown[-1].id}" if len(entries) > CHANGES else None,
    )


@get("/administration/{section:str}")
async def show_list(
    request: AnyRequest, platform: NamedDependency[Platform], section: FromPath[str]
) -> Template:
    """All accounts, users or sensors that a search finds, a page at a time."""
    require_admin(platform, request)
    lists = {"accounts": _list_accounts, "users": _list_users, "sensors": _list_sensors}
    if section not in lists:
        raise NoSuchPageError
    search = " ".join(request.query_params.get("q", "")[:200].split())
    listing = await platform.in_thread(lambda: lists[section](require_admin(platform, request), search))
    asked = request.query_params.get("page", "")
    last = max(1, -(-len(listing.rows) // PAGE))
    page = min(int(asked), last) if asked.isascii() and asked.isdigit() and 0 < len(asked) < 6 else 1
    page = max(page, 1)

    def address(number: int) -> str:
        return "?" + urlencode({"q": search, "page": number} if search else {"page": number})

    return render(
        platform,
        request,
        "administration_list.html",
        section=section,
        search=search,
        listing=listing,
        rows=listing.rows[(page - 1) * PAGE : page * PAGE],
        first=(page - 1) * PAGE + 1,
        previous=address(page - 1) if page > 1 else None,
        following=address(page + 1) if page < last else None,
    )


def _list_accounts(caller: Caller, search: str) -> Listing:
    directory = caller.directory
    users = Counter(user.account_id for user in directory.users.values())
    owners = (directory.owner(sensor) for sensor in directory.sensors.values())
    connections = Counter(owner.account_id for owner in owners if owner is not None)
    rows = [
        (
            f"/administration/accounts/{account.id}",
            (
                account.name,
                ", ".join(sorted(account.roles)) or "none: no access to data",
                str(users[account.id]),
                str(connections[account.id]),
            ),
        )
        for account in sorted(directory.accounts.values(), key=lambda account: account.name.casefold())
    ]
    return Listing("Accounts", "account", ("Name", "Roles", "Users", "Connections"), _search(rows, search))


def _list_users(caller: Caller, search: str) -> Listing:
    rows = [
        (
            f"/administration/users/{user.id}",
            (
                user.email,
                user.name,
                caller.directory.account(user).name,
                "administrator" if ADMIN in user.roles else "",
                "deactivated" if not user.active else "active" if user.password_hash else "no password yet",
            ),
        )
        for user in sorted(caller.directory.users.values(), key=lambda user: user.email)
    ]
    return Listing("Users", "user", ("E-mail", "Name", "Account", "Role", "State"), _search(rows, search))


def _list_sensors(caller: Caller, search: str) -> Listing:
    directory = caller.directory
    rows = []
    for sensor in search_sensors(caller, list(directory.sensors.values()), search):
        owner = directory.owner(sensor)
        rows.append(
            (
                f"/administration/sensors/{sensor.id}",
                (
                    sensor.name,
                    sensor.kind.value,
                    owner.email if owner else "",
                    sensor.unit,
                    tell_resolution(sensor.resolution).replace(" ", "\N{NO-BREAK SPACE}"),
                    sensor.timezone,
                ),
            )
        )
    return Listing("Sensors", "sensor", ("Name", "Kind", "Owner", "Unit", "Every", "Time zone"), rows)


def _search(
    rows: Sequence[tuple[str, tuple[str, ...]]], search: str
) -> Sequence[tuple[str, tuple[str, ...]]]:
    words = search.casefold().split()
    return [row for row in rows if all(word in "\n".join(row[1]).casefold() for word in words)]


HANDLERS = (show_administration, show_changes, show_list)
