"""A request that takes long is answered by what its sender may do when its body has come, or its thread.

Every route that waits for a body is asked with one that is held: half of it comes, then something is taken
back that the sender had, then the rest comes. The answer must be that of a request sent afterwards, and
nothing may have changed. A route of the application that is not here fails the test. So it is while a request
waits for a thread, and while what it says waits to be stored.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from litestar import Litestar

from gridlore import bootstrap
from gridlore.bootstrap import connect_store, create_app, open_accounts
from gridlore.domain.sensors import User
from gridlore.services.directory_cache import DirectoryCache
from gridlore.store.attempts import write
from gridlore.store.interface import Store, WriteTransaction
from gridlore.web.threads import Threads
from tests.conftest import Databases, WorldClient
from tests.web.holding import (
    NOT_WAITING,
    OF_ADMINS,
    OF_PAGES,
    OF_USERS,
    WORLD,
    Answers,
    End,
    Held,
    Scene,
    change,
    deactivate,
    demote,
    end_tokens,
    revoke_grants,
    revoke_keys,
    snapshot,
    told,
)
from tests.web.test_isolation import routes_of


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
    work = Threads._work

    async def wait_and_work(threads: Threads, *asked: Any) -> Any:
        waits.append(1)
        if end is not None and len(waits) == 1:
            scene.take_back(end)
        return await work(threads, *asked)

    async def ask(http: httpx.AsyncClient) -> Answers:
        with monkeypatch.context() as patch:
            patch.setattr(Threads, "_work", wait_and_work)
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


def swap_names(store: Store, _: User) -> None:
    first, second = store.read_directory().sensors[:2]
    with store.change_directory() as transaction:
        transaction.save_sensor(replace(first, name="Pole 3"))
        transaction.save_sensor(replace(second, name=first.name))
        transaction.save_sensor(replace(first, name=second.name))


def rename_user(store: Store, user: User) -> None:
    change(store, user, name="another name")


def waits_to_be_stored() -> Iterator[tuple[str, Held, End | None, int]]:
    for held in OF_USERS[:4]:
        for user, credential in (("asa", "token"), ("asa", "key")):
            asked = replace(held, credential=credential)
            yield user, asked, None, 200
            yield user, asked, rename_user, 200
            yield user, asked, deactivate, 401
        yield "asa", held, end_tokens, 401
        yield "asa", replace(held, credential="key"), revoke_keys, 401
    yield "moe", OF_USERS[0], revoke_grants, 400
    yield "asa", OF_USERS[0], swap_names, 503


@pytest.mark.parametrize(("user", "held", "end", "code"), list(waits_to_be_stored()), ids=name)
def test_what_is_taken_back_while_a_message_waits_to_be_stored_counts(
    set_scene: Callable[[str, Held], Scene],
    monkeypatch: pytest.MonkeyPatch,
    user: str,
    held: Held,
    end: End | None,
    code: int,
) -> None:
    scene = set_scene(user, held)
    before: list[tuple[object, ...]] = []

    def take_back_and_write(store: Store, work: Callable[[WriteTransaction], Any]) -> Any:
        if end is not None:
            scene.take_back(end)
        before.append(snapshot(scene.store))
        return write(store, work)

    async def ask(http: httpx.AsyncClient) -> Answers:
        with monkeypatch.context() as patch:
            patch.setattr("gridlore.store.writer.write", take_back_and_write)
            answer = await http.send(scene.build())
        return answer, None if code != 401 else await http.send(scene.build())

    answer, fresh = scene.run(ask)
    assert answer.status_code == code, answer.text
    assert fresh is None or told(answer) == told(fresh)
    assert (snapshot(scene.store) == before[0]) == (code != 200), "stored if it says so, and only then"


def test_every_route_that_waits_for_a_body_is_held(databases: Databases) -> None:
    app = create_app(databases.settings(databases.create(databases.template(WORLD))))
    posting = {route for route in routes_of(app) if route[0] == "POST"}
    asyncio.run(stop(app))
    held = {(one.method, one.route or one.path) for one in [*OF_USERS, *OF_PAGES, *OF_ADMINS]}
    assert {route for route in held if route[0] == "POST"} == posting - NOT_WAITING
