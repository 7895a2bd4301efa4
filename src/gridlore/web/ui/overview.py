"""The overview: which sensors there are, what is newest about each, and which need looking at.

Layer: web. Lateness is told of every sensor, since heads show it; blocks are read for one page of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import urlencode

from litestar.response import Template

from gridlore.domain.access import Purpose, may_use_services
from gridlore.domain.sensors import Sensor, SensorKind
from gridlore.services.callers import Caller
from gridlore.services.freshness import late_by
from gridlore.web.answers import AnyRequest
from gridlore.web.platform import Platform
from gridlore.web.ui.freshness import describe_newest
from gridlore.web.ui.rendering import render
from gridlore.web.ui.session import require_caller

PAGE = 50
"""Sensors on a page."""

MAX_SEARCH = 200
"""Longest search text that counts. [characters]"""

KIND_NAMES = {
    SensorKind.CONNECTION: "Connections",
    SensorKind.MARKET: "Markets",
    SensorKind.WEATHER: "Weather",
}
KIND_ORDER = tuple(KIND_NAMES)
STATE_NAMES = {"late": "Late", "silent": "No data"}

_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Choice:
    """What of the sensors is asked for, as the address of the page says it."""

    search: str = ""
    kind: str = ""
    state: str = ""
    page: int = 1

    @classmethod
    def of(cls, request: AnyRequest) -> Choice:
        """What this request asks for; what cannot be read is left out."""
        asked = request.query_params
        kind, state, page = asked.get("kind", ""), asked.get("state", ""), asked.get("page", "")
        return cls(
            search=" ".join(asked.get("q", "")[:MAX_SEARCH].split()),
            kind=kind if kind in set(SensorKind) else "",
            state=state if state in STATE_NAMES else "",
            page=int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 6 else 1,
        )

    def address(self, **changed: str | int) -> str:
        """Where the same is shown, but for what is changed."""
        fields = {"q": self.search, "kind": self.kind, "state": self.state, **changed}
        query = urlencode({name: value for name, value in fields.items() if value not in {"", 1}})
        return f"/?{query}" if query else "/"


@dataclass(frozen=True, slots=True)
class Filter:
    """One of the buttons that narrow the list."""

    name: str
    count: int
    address: str
    is_current: bool


async def show_overview(platform: Platform, request: AnyRequest, caller: Caller) -> Template:
    """The sensors the caller may see."""
    choice = Choice.of(request)
    if not may_use_services(caller.user, caller.directory.account(caller.user)):
        return render(platform, request, "overview.html", choice=choice, without_role=True)
    return await platform.in_thread_of(caller.user, _show, platform, request, choice)


def _show(platform: Platform, request: AnyRequest, choice: Choice) -> Template:
    caller = require_caller(platform, request)  # again: there may have been a wait for the thread
    now = platform.clock()
    seen = caller.directory.accessible(caller.user, purpose=Purpose.READ)
    found = search_sensors(caller, seen, choice.search)
    heads = platform.query.read_heads(found)
    states = {
        "late": {sensor.id for sensor in found if late_by(sensor, heads[sensor.id], now) is not None},
        "silent": {sensor.id for sensor in found if heads[sensor.id].events_start is None},
    }
    chosen = [
        sensor
        for sensor in found
        if (not choice.kind or sensor.kind == choice.kind)
        and (not choice.state or sensor.id in states[choice.state])
    ]
    last_page = max(1, -(-len(chosen) // PAGE))
    page = min(choice.page, last_page)
    shown = chosen[(page - 1) * PAGE : page * PAGE]
    fresh = platform.freshness.read(caller.directory, caller.user, shown, heads, now)
    rows = [describe_newest(caller, freshness, now) for freshness in fresh]
    return render(
        platform,
        request,
        "overview.html",
        choice=choice,
        total=len(seen),
        postable=_only_postable(caller),
        matching=len(chosen),
        filters=_filters(choice, found, states),
        groups=[
            (KIND_NAMES[kind], list(members)) for kind, members in groupby(rows, lambda row: row.sensor.kind)
        ],
        first=(page - 1) * PAGE + 1,
        last=(page - 1) * PAGE + len(shown),
        previous=choice.address(page=page - 1) if page > 1 else None,
        following=choice.address(page=page + 1) if page < last_page else None,
    )


def _only_postable(caller: Caller) -> list[tuple[str, str]]:
    """Connections that the caller may post to and not read: name, and where to upload."""
    directory, user = caller.directory, caller.user
    return [
        (sensor.name, f"/sensors/{sensor.id}/upload")
        for sensor in directory.accessible(user, SensorKind.CONNECTION, Purpose.POST)
        if not directory.may_access(user, sensor, Purpose.READ)
    ]


def search_sensors(caller: Caller, sensors: Sequence[Sensor], search: str) -> list[Sensor]:
    """Sensors that every word of the search is found in, by kind and name."""
    words = search.casefold().split()
    found = (
        [sensor for sensor in sensors if all(word in _searched(caller, sensor) for word in words)]
        if words
        else sensors
    )
    return sorted(found, key=_order)


def _searched(caller: Caller, sensor: Sensor) -> str:
    """The text that a search looks in."""
    parts = [sensor.name, caller.directory.address(sensor), sensor.unit, sensor.kind, sensor.quantity or ""]
    owner = caller.directory.owner(sensor)
    if owner is not None:
        parts += [owner.email, owner.name, caller.directory.account(owner).name]
    return "\n".join(parts).casefold()


def _order(sensor: Sensor) -> tuple[int, list[tuple[int, str]], int]:
    """By kind, then name with numbers in it counted: CS 2 before CS 10."""
    parts = [
        (int(part[:18]), "") if part.isdecimal() else (-1, part)
        for part in _DIGITS.split(sensor.name.casefold())
        if part
    ]
    return KIND_ORDER.index(sensor.kind), parts, sensor.id


def _filters(choice: Choice, found: Sequence[Sensor], states: Mapping[str, set[int]]) -> list[Filter]:
    filters = [
        Filter("All", len(found), choice.address(kind="", state=""), not (choice.kind or choice.state))
    ]
    for kind, name in KIND_NAMES.items():
        count = sum(sensor.kind is kind for sensor in found)
        if count:
            filters.append(
                Filter(name, count, choice.address(kind=kind.value, state=""), choice.kind == kind.value)
            )
    for state, ids in states.items():
        if ids or choice.state == state:
            address = choice.address(kind="", state=state)
            filters.append(Filter(STATE_NAMES[state], len(ids), address, choice.state == state))
    return filters
