"""A request whose body takes long is answered by what its sender may do when the whole body has come.

Every route that waits for a body is asked with one that is held: half of it comes, then something is taken
back that the sender had, then the rest comes. The answer must be that of a request sent afterwards, and
nothing may have changed. A route of the application that is not here fails the test.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar

from gridlore import bootstrap
from gridlore.bootstrap import connect_store, create_app, open_accounts
from gridlore.domain.audit import AuditFilter
from gridlore.domain.sensors import User
from gridlore.services.directory_cache import DirectoryCache
from gridlore.services.grants import revoke_grant
from gridlore.services.keys import KeyRing
from gridlore.store.interface import Store
from tests.conftest import MADE, Databases, WorldClient
from tests.web.test_isolation import routes_of

WORLD = Path(__file__).parent / "isolation.toml"
HOST = "ea1.2021-01.localhost"
PERIOD = {"start": "2020-05-01T00:00:00Z", "duration": "PT1H"}
PASSWORD = {"password": "a password for the tests", "again": "a password for the tests"}
NOT_WAITING = {
    ("POST", "/api/requestAuthToken"),  # nobody has been let in yet: the body says who it is
    ("POST", "/login"),
    ("POST", "/logout"),
    ("POST", "/invitation/{token}"),
}


@dataclass(frozen=True)
class Held:
    """A request that waits for a body, and what it is answered when all is well."""

    method: str
    path: str
    credential: str
    code: int = 200
    json: Mapping[str, Any] | None = None
    form: Mapping[str, str] | None = None
    file: bool = False
    route: str = ""


def post(name: str, **fields: object) -> Held:
    message = {"type": f"{name[0].upper()}{name[1:]}Request", **PERIOD, "values": [1, 2, 3, 4], **fields}
    return Held("POST", f"/api/v1_1/{name}", "token", json=message)


def get(path: str, **fields: object) -> Held:
    return Held("GET", path, "token", json={**PERIOD, **fields})


OF_USERS = [
    post("postMeterData", connection="Pole 1", unit="MW"),
    post("postPrognosis", connection="Pole 1", unit="MW", horizon="PT6H"),
    post("postPriceData", market="epex_da", unit="EUR/MWh", values=[50], horizon="PT24H"),
    post("postWeatherData", sensor=f"{HOST}:temperature:52.1:5.18", unit="°C", horizon="PT24H"),
    get("/api/v1_1/getMeterData", type="GetMeterDataRequest", connection="Pole 1", unit="MW"),
    get("/api/v1_1/getPrognosis", type="GetPrognosisRequest", connection="Pole 1", unit="MW"),
    get("/api/gridlore/v1/data", sensor="Pole 1"),
    get("/api/gridlore/v1/beliefs", sensor="Pole 1"),
]
OF_PAGES = [
    Held("POST", "/profile/token", "session", form={}),
    Held("POST", "/profile/keys", "session", form={"name": "another"}),
    Held(
        "POST", "/profile/keys/{key}/revoke", "session", 303, form={}, route="/profile/keys/{prefix}/revoke"
    ),
    Held("POST", "/profile/password", "session", 303, form={"current": "asa's password", **PASSWORD}),
    Held("POST", "/sensors/1/upload", "session", form={}, file=True, route="/sensors/{sensor_id}/upload"),
    Held(
        "POST",
        "/sensors/1/upload/check",
        "session",
        400,  # the file is to be chosen again, as it carries no signature
        form={"file": "x", "signature": "y", "step": "store"},
        route="/sensors/{sensor_id}/upload/check",
    ),
]
OF_ADMINS = [
    Held(
        "POST",
        "/administration/accounts/new",
        "session",
        form={"name": "Late Co"},
        route="/administration/{section}/new",
    ),
    Held(
        "POST",
        "/administration/accounts/1",
        "session",
        form={"name": "Later Co"},
        route="/administration/{section}/{record_id}",
    ),
    Held(
        "POST",
        "/administration/invitations/1",
        "session",
        form={},
        route="/administration/invitations/{record_id}",
    ),
    Held(
        "POST",
        "/administration/passwords/1",
        "session",
        303,
        form=PASSWORD,
        route="/administration/passwords/{record_id}",
    ),
]


def change(store: Store, user: User, **fields: object) -> None:
    with store.change_directory() as transaction:
        transaction.save_user(replace(user, **fields))  # type: ignore[arg-type]


def deactivate(store: Store, user: User) -> None:
    change(store, user, active=False)


def end_tokens(store: Store, user: User) -> None:
    change(store, user, token_key="another")


def demote(store: Store, user: User) -> None:
    change(store, user, roles=frozenset())


def revoke_keys(store: Store, user: User) -> None:
    for key in store.read_directory().keys:
        KeyRing(store).revoke(key.id, MADE, "the tests")


def revoke_grants(store: Store, user: User) -> None:
    for grant in store.read_directory().grants:
        with store.change_directory() as transaction:
            revoke_grant(transaction, grant.id, MADE, "the tests")


End = Callable[[Store, User], None]


def cases() -> Iterator[tuple[str, Held, End | None]]:
    """Who asks, what, and what is taken back meanwhile."""
    for held in [*OF_USERS, *OF_PAGES, *OF_ADMINS]:
        user = "root" if held in OF_ADMINS else "asa"
        ends: list[End | None] = [None, deactivate, end_tokens]
        for end in [*ends, demote] if held in OF_ADMINS else ends:
            yield user, held, end
    for held in OF_USERS:
        yield "asa", replace(held, credential="key"), revoke_keys
    yield "moe", OF_USERS[0], revoke_grants
    for held in OF_USERS[4:]:
        yield "ria", held, revoke_grants
    yield "moe", OF_PAGES[4], revoke_grants


@pytest.fixture
def databases(sqlite_databases: Databases) -> Databases:
    """Who may do what is decided the same way whatever the store."""
    return sqlite_databases


@pytest.fixture
def caches(monkeypatch: pytest.MonkeyPatch) -> list[DirectoryCache]:
    """What applications made from now on know of the directory; they look again when they are told to."""
    made: list[DirectoryCache] = []

    def make(*parts: Any, **more: Any) -> DirectoryCache:
        made.append(DirectoryCache(*parts, **{**more, "max_age": 3600}))
        return made[-1]

    monkeypatch.setattr(bootstrap, "DirectoryCache", make)
    return made


async def stop(app: Litestar) -> None:
    async with app.lifespan():
        pass


def told(answer: httpx.Response) -> tuple[int, str | None, str | None]:
    of_api = answer.headers["content-type"].startswith("application/json") if answer.content else False
    return (
        answer.status_code,
        answer.headers.get("location"),
        answer.json().get("status") if of_api else None,
    )


def snapshot(store: Store) -> tuple[object, ...]:
    """All that a request might change."""
    records = store.read_directory()
    heads = store.read_heads([sensor.id for sensor in records.sensors])
    return records, heads, store.read_audit(1000, None, AuditFilter())


@pytest.mark.parametrize(
    ("user", "held", "end"),
    list(cases()),
    ids=lambda part: getattr(part, "__name__", None) or getattr(part, "path", part) or "nothing",
)
def test_what_is_taken_back_while_a_body_is_held_counts(
    databases: Databases, caches: list[DirectoryCache], user: str, held: Held, end: End | None
) -> None:
    settings = databases.settings(databases.create(databases.template(WORLD)))
    store = connect_store(settings)
    accounts = open_accounts(settings)
    asker = next(one for one in store.read_directory().users if one.email.startswith(user))
    key = WorldClient(httpx.Client(), settings).key("asa", "gateway")
    session, token = accounts.issue_session(asker, time.time()), accounts.issue_token(asker, time.time())
    app = create_app(settings)
    (cache,) = caches

    def build() -> httpx.Request:
        headers, form = {"Accept": "text/html"}, held.form
        if held.credential == "session":
            headers["Cookie"] = f"gridlore_session={session}"
            form = {**(form or {}), "form_token": accounts.sign_form(session)}
        else:
            headers["Authorization"] = key if held.credential == "key" else token
        return httpx.Request(
            held.method,
            f"http://testserver.local{held.path.replace('{key}', key[:16])}",
            headers=headers,
            json=held.json,
            data=form,
            files={"file": ("table.csv", "time,value\n2020-05-01T00:00Z,1\n")} if held.file else None,
        )

    before: list[tuple[object, ...]] = []

    async def bring(request: httpx.Request) -> AsyncIterator[bytes]:
        body = request.read()
        yield body[: len(body) // 2]
        if end is not None:
            end(store, asker)
            cache.refresh()
        before.append(snapshot(store))
        yield body[len(body) // 2 :]

    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # Litestar declares each message's type

    async def ask() -> tuple[httpx.Response, httpx.Response | None]:
        async with app.lifespan(), httpx.AsyncClient(transport=transport) as http:
            request = build()
            headers = [field for field in request.headers.raw if field[0] != b"Content-Length"]
            slow = httpx.Request(request.method, request.url, headers=headers, content=bring(request))
            answer = await http.send(slow)
            return answer, None if end is None else await http.send(build())

    answer, fresh = asyncio.run(ask())
    if fresh is None:
        assert answer.status_code == held.code, answer.text
    else:
        assert told(answer) == told(fresh), answer.text
        assert answer.status_code in (303, 400, 401, 404), answer.text
        assert snapshot(store) == before[0], "and nothing has changed"
    store.close()


def test_every_route_that_waits_for_a_body_is_held(databases: Databases) -> None:
    app = create_app(databases.settings(databases.create(databases.template(WORLD))))
    posting = {route for route in routes_of(app) if route[0] == "POST"}
    asyncio.run(stop(app))
    held = {(one.method, one.route or one.path) for one in [*OF_USERS, *OF_PAGES, *OF_ADMINS]}
    assert {route for route in held if route[0] == "POST"} == posting - NOT_WAITING
