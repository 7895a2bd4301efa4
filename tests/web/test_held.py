"""A request that takes long is answered by what its sender may do when its body has come, or its thread.

Every route that waits for a body is asked with one that is held: half of it comes, then something is taken
back that the sender had, then the rest comes. The answer must be that of a request sent afterwards, and
nothing may have changed. A route of the application that is not here fails the test.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
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
from gridlore.web.threads import Threads
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
Answers = tuple[httpx.Response, httpx.Response | None]
"""To a request while something was taken back, and to the same one afterwards."""


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


@dataclass
class Scene:
    """An application, and who asks it for something."""

    store: Store
    app: Litestar
    cache: DirectoryCache
    asker: User
    build: Callable[[], httpx.Request]

    def take_back(self, end: End) -> None:
        """Take something back, and have the application see it."""
        end(self.store, self.asker)
        self.cache.refresh()

    def run(self, ask: Callable[[httpx.AsyncClient], Coroutine[Any, Any, Answers]]) -> Answers:
        """What is answered while the application runs."""
        transport = httpx.ASGITransport(self.app)  # type: ignore[arg-type]  # Litestar declares each message

        async def run() -> Answers:
            async with self.app.lifespan(), httpx.AsyncClient(transport=transport) as http:
                return await ask(http)

        return asyncio.run(run())


@pytest.fixture
def set_scene(databases: Databases, caches: list[DirectoryCache]) -> Iterator[Callable[[str, Held], Scene]]:
    """Prepares that a user asks something."""
    settings = databases.settings(databases.create(databases.template(WORLD)))
    store = connect_store(settings)

    def prepare(user: str, held: Held) -> Scene:
        accounts = open_accounts(settings)
        asker = next(one for one in store.read_directory().users if one.email.startswith(user))
        key = WorldClient(httpx.Client(), settings).key("asa", "gateway")
        session = accounts.issue_session(asker, time.time())
        token = accounts.issue_token(asker, time.time())
        app = create_app(settings)

        def build() -> httpx.Request:
            headers, form = {"Accept": "text/html"}, held.form
            if held.credential == "session":
                headers["Cookie"] = f"gridlore_session={session}"
                form = None if form is None else {**form, "form_token": accounts.sign_form(session)}
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

        return Scene(store, app, caches[0], asker, build)

    yield prepare
    store.close()


def name(part: object) -> str:
    return str(getattr(part, "__name__", None) or getattr(part, "path", part) or "nothing")


@pytest.mark.parametrize(("user", "held", "end"), list(cases()), ids=name)
def test_what_is_taken_back_while_a_body_is_held_counts(
    set_scene: Callable[[str, Held], Scene], user: str, held: Held, end: End | None
) -> None:
    scene = set_scene(user, held)
    before: list[tuple[object, ...]] = []

    async def bring(request: httpx.Request) -> AsyncIterator[bytes]:
        body = request.read()
        yield body[: len(body) // 2]
        if end is not None:
            scene.take_back(end)
        before.append(snapshot(scene.store))
        yield body[len(body) // 2 :]

    async def ask(http: httpx.AsyncClient) -> Answers:
        request = scene.build()
        headers = [field for field in request.headers.raw if field[0] != b"Content-Length"]
        slow = httpx.Request(request.method, request.url, headers=headers, content=bring(request))
        answer = await http.send(slow)
        return answer, None if end is None else await http.send(scene.build())

    answer, fresh = scene.run(ask)
    if fresh is None:
        assert answer.status_code == held.code, answer.text
    else:
        assert told(answer) == told(fresh), answer.text
        assert answer.status_code in (303, 400, 401, 404), answer.text
        assert snapshot(scene.store) == before[0], "and nothing has changed"


def page(path: str) -> Held:
    return Held("GET", path, "session")


WAITING = [
    *(("asa", page(path)) for path in ("/", "/sensors/1")),
    *(("asa", page(f"/sensors/1/{name}")) for name in ("series.json", "data.csv", "quality.json")),
    ("asa", Held("GET", "/api/gridlore/v1/sensors", "token")),
    *(("asa", held) for held in OF_USERS[4:]),
    ("asa", OF_PAGES[4]),
    *(
        ("root", page(f"/administration{path}"))
        for path in ("", "/changes", "/accounts", "/users", "/sensors", "/users/new", "/users/1")
    ),
    *(("root", held) for held in OF_ADMINS),
]
"""Who asks for what needs a thread, for which there may be a wait."""


def waits_for_threads() -> Iterator[tuple[str, Held, End | None]]:
    for user, held in WAITING:
        for end in (None, deactivate, end_tokens, *((demote,) if user == "root" else ())):
            yield user, held, end


@pytest.mark.parametrize(("user", "held", "end"), list(waits_for_threads()), ids=name)
def test_what_is_taken_back_while_a_request_waits_for_a_thread_counts(
    set_scene: Callable[[str, Held], Scene],
    monkeypatch: pytest.MonkeyPatch,
    user: str,
    held: Held,
    end: End | None,
) -> None:
    scene = set_scene(user, held)
    waits: list[int] = []
    run = Threads.run

    async def wait_and_run(threads: Threads, *asked: Any) -> Any:
        waits.append(1)
        if end is not None and len(waits) == 1:
            scene.take_back(end)
        return await run(threads, *asked)

    async def ask(http: httpx.AsyncClient) -> Answers:
        with monkeypatch.context() as patch:
            patch.setattr(Threads, "run", wait_and_run)
            answer = await http.send(scene.build())
        return answer, None

    answer, _ = scene.run(ask)
    assert waits, "it needs no thread"
    if end is None:
        assert answer.status_code == held.code, answer.text
    elif answer.status_code == 303:
        assert answer.headers["location"].startswith("/login?next="), "led to the log-in form"
    else:
        assert answer.status_code in (401, 404), answer.text


def test_every_route_that_waits_for_a_body_is_held(databases: Databases) -> None:
    app = create_app(databases.settings(databases.create(databases.template(WORLD))))
    posting = {route for route in routes_of(app) if route[0] == "POST"}
    asyncio.run(stop(app))
    held = {(one.method, one.route or one.path) for one in [*OF_USERS, *OF_PAGES, *OF_ADMINS]}
    assert {route for route in held if route[0] == "POST"} == posting - NOT_WAITING
