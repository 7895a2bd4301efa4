"""Requests that are held while something is taken back from who sent them: which, and how it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from litestar import Litestar

from gridlore.domain.audit import AuditFilter
from gridlore.domain.sensors import User
from gridlore.services.directory_cache import DirectoryCache
from gridlore.services.grants import revoke_grant
from gridlore.services.keys import KeyRing
from gridlore.store.interface import Store
from tests.conftest import MADE

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
