"""No account sees, names or counts what another has, or is answered otherwise because of it.

The same requests go to two applications. They hold the same, but for another account with users,
connections, data, keys and grants that only the first one has. Whoever asks, by whatever credential, must
get the very same answers from both, after the same reads of the store. That is asked of every route the
application has: a route without requests here fails the test.

Not hidden are ids of users in ``source``: they stand in every belief about markets and weather (ADR 012).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from gridlore.bootstrap import connect_store, create_app, open_accounts
from gridlore.store.postgres import PostgresStore, PostgresWriteTransaction
from gridlore.store.sqlite import SQLiteStore, SQLiteWriteTransaction
from tests.conftest import Databases, WorldClient, apply_file
from tests.web.isolation_probes import (
    ASKERS,
    CONNECTIONS,
    HOST,
    POLE,
    START,
    VAL,
    VAULT,
    VIC,
    Probe,
    build_probes,
)

HERE = Path(__file__).parent
ON_POSTGRES = {("asa", "session and token"), ("ria", "token"), ("pip", "session")}
"""Who asks there, a few, as all would take long: what is told does not depend on the store."""
OF_THE_MOMENT = {"date", "x-request-id", "content-length"}
"""Headers that no two answers share; the length is that of a body with moments in it, packed."""
WATCHED = {
    (SQLiteStore, PostgresStore): ("read_blocks", "read_page", "read_heads", "begin_write"),
    (SQLiteWriteTransaction, PostgresWriteTransaction): ("lock_sensors", "read_blocks", "append_blocks"),
}
"""What of the store is counted for each request."""

PROBES = build_probes("glk_000000000000")


@dataclass
class Pair:
    """The application that holds something more, and the one that does not."""

    apps: list[Litestar]
    clients: list[WorldClient]
    keys: dict[tuple[str, str], str]
    hidden_key: str
    askers: set[tuple[str, str]]
    reads: list[tuple[str, int]] = field(default_factory=list)

    def ask(self, which: int, probe: Probe, user: str, credential: str) -> tuple[object, ...]:
        """What is answered, but for what changes by the moment, and what of the store was read."""
        client = self.clients[which]
        headers, cookies = {"Accept": "text/html"}, {}
        if credential.endswith("key"):
            headers["Authorization"] = f"Bearer {self.keys[user, credential]}"
        elif credential.endswith("token"):
            headers["Authorization"] = self.clients[0].token(user)
        form = dict(probe.form) if probe.form is not None else None
        if credential.startswith("session"):
            cookies = {"gridlore_session": self.keys[user, "session"]}
            if form is not None:
                form["form_token"] = open_accounts(client.settings).sign_form(self.keys[user, "session"])
        client.http.cookies.clear()
        client.http.cookies.update(cookies)
        self.reads.clear()
        files = {"file": ("table.csv", "time,value\n2020-05-01T00:00Z,1\n")} if probe.file else None
        answer = client.http.request(
            probe.method,
            probe.path,
            params=probe.query,
            json=probe.json,
            data=form,
            files=files,
            headers=headers,
            follow_redirects=False,
        )
        return (*told(answer), tuple(self.reads))


def told(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], str]:
    headers = [
        (name, masked(value))
        for name, value in answer.headers.multi_items()
        if name not in OF_THE_MOMENT and not name.startswith("ratelimit-")
    ]
    text = masked(answer.text)
    assert answer.status_code < 500, text
    return answer.status_code, headers, text


def masked(text: str) -> str:
    """Without what changes by the moment, and random texts."""
    text = re.sub(r"20(?:2[1-9]|[3-9]\d)-\d\d-\d\d[T ][\d:.]+", "<now>", text)
    text = re.sub(r"glk_[\w-]+", "<key>", re.sub(r'"now":\d+', "<now>", text))
    return re.sub(r"[\w.-]{48,}", "<random>", text)


def fill(client: WorldClient, user: str, endpoint: str, **fields: Any) -> None:
    message = {"start": START, "duration": "PT1H", "values": [1, 2, 3, 4], "horizon": "-PT1M", **fields}
    assert client.post(user, endpoint, **message).status_code == 200


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    databases: Databases = request.getfixturevalue(f"{request.param}_databases")
    name = databases.create(databases.template(HERE / "isolation.toml"))
    plain = databases.settings(name, LOGIN_ATTEMPTS="1000")
    with TestClient(create_app(plain), base_url="http://testserver.local") as http:
        asa = WorldClient(http, plain)
        keys = {}
        for user in ("asa", "ria"):
            keys[user, "read-only key"] = asa.key(user, "read", read_only=True)
            keys[user, "limited key"] = asa.key(user, "limited", sensors=["Pole 1"])
        for connection in ("Pole 1", "Pole 2"):
            fill(asa, "asa", "postMeterData", connection=connection, unit="MW")
        fill(asa, "asa", "postPriceData", market="epex_da", unit="EUR/MWh", values=[50])
        fill(asa, "asa", "postWeatherData", sensor=f"{HOST}:temperature:52.1:5.18", unit="°C")
        for user in ("asa", "ria", "moe", "pip"):
            keys[user, "key"] = asa.key(user, "all")
            asa.log_in(user)
            keys[user, "session"] = str(http.cookies["gridlore_session"])
    more = databases.settings(databases.create(name), LOGIN_ATTEMPTS="1000")
    store = connect_store(more)
    apply_file(store, HERE / "hidden.toml", open_accounts(more))
    assert [sensor.name for sensor in store.read_directory().sensors[4:]] == ["Vault 7", "Pole 1"]
    store.close()
    apps = [create_app(settings) for settings in (more, plain)]
    with (
        TestClient(apps[0], base_url="http://testserver.local") as first,
        TestClient(apps[1], base_url="http://testserver.local") as second,
    ):
        clients = [WorldClient(first, more), WorldClient(second, plain)]
        fill(clients[0], "vic", "postMeterData", connection="Vault 7", unit="MW")
        fill(clients[0], "val", "postPrognosis", connection=f"{HOST}:{VAL}:{POLE}", unit="MW")
        hidden_key = clients[0].key("vic", "hidden")[:16]
        askers = set(ASKERS) if request.param == "sqlite" else ON_POSTGRES
        made = Pair(apps, clients, keys, hidden_key, askers)
        with pytest.MonkeyPatch.context() as patch:
            for kinds, methods in WATCHED.items():
                for kind, method in product(kinds, methods):
                    patch.setattr(kind, method, counting(made, getattr(kind, method)))
            yield made


def counting(pair: Pair, original: Callable[..., Any]) -> Callable[..., Any]:
    """The method of a store, which notes for how many windows, sensors or blocks it was called."""

    def call(store: Any, *asked: Any) -> Any:
        what = asked[0] if asked else None
        pair.reads.append((original.__qualname__, len(what) if isinstance(what, Sized) else 0))
        return original(store, *asked)

    return call


def routes_of(app: Litestar) -> set[tuple[str, str]]:
    return {
        (method, route.path_format)
        for route in app.routes
        for method in getattr(route, "methods", ())
        if method not in {"OPTIONS", "HEAD"}
    }


def test_every_route_of_the_application_is_asked(pair: Pair) -> None:
    assert routes_of(pair.apps[0]) == set(PROBES), "say in build_probes what to ask of a new route"


@pytest.mark.parametrize("route", list(PROBES), ids=" ".join)
def test_nobody_is_answered_otherwise_because_of_what_another_account_has(
    pair: Pair, route: tuple[str, str]
) -> None:
    for probe in build_probes(pair.hidden_key)[route]:
        for asker in probe.askers:
            if asker in pair.askers:
                with_it, without = (pair.ask(which, probe, *asker) for which in (0, 1))
                assert with_it == without, (asker, probe)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1_1/getConnection",
        "/api/gridlore/v1/sensors",
        f"/api/gridlore/v1/data?sensor={HOST}:{VIC}:{VAULT}&start={START}&duration=PT1H",
        f"/api/gridlore/v1/data?sensor=Pole%201&start={START}&duration=PT1H",
    ],
)
def test_an_admin_does_see_it_so_that_the_requests_above_could_have_told(pair: Pair, path: str) -> None:
    probe = Probe("GET", path)
    assert pair.ask(0, probe, "root", "token") != pair.ask(1, probe, "root", "token")


@pytest.mark.parametrize(
    ("asker", "seen"),
    [
        (("asa", "limited key"), ["Pole 1"]),
        (("ria", "token"), ["Pole 1", "Pole 2"]),
        (("ria", "read-only key"), ["Pole 1", "Pole 2"]),
        (("ria", "limited key"), ["Pole 1"]),
        (("moe", "key"), ["Pole 1"]),
        (("pip", "key"), []),
    ],
    ids=str,
)
def test_each_asker_sees_what_is_theirs_or_granted(
    pair: Pair, asker: tuple[str, str], seen: list[str]
) -> None:
    _, _, text, _ = pair.ask(1, Probe("GET", "/api/v1_1/getConnection"), *asker)
    assert sorted(json.loads(str(text)).get("names", [])) == seen


@pytest.mark.parametrize(
    ("asker", "status"),
    [(("ria", "token"), 400), (("ria", "limited key"), 400), (("moe", "key"), 200), (("pip", "key"), 403)],
    ids=str,
)
def test_who_is_granted_it_may_post(pair: Pair, asker: tuple[str, str], status: int) -> None:
    message = {
        "type": "PostMeterDataRequest",
        "connection": CONNECTIONS[0],
        "unit": "MW",
        "start": "2020-05-02T00:00:00Z",
        "duration": "PT15M",
        "value": 1.5,
    }
    for which in (0, 1):
        answer = pair.ask(which, Probe("POST", "/api/v1_1/postMeterData", json=message), *asker)
        assert answer[0] == status, answer


def test_a_replacement_is_told_of_ones_own_values_only(pair: Pair) -> None:
    """Two sources of one connection: the message about one never has the other's value."""
    client = pair.clients[0]
    about = {"connection": "Vault 7", "unit": "MW"}
    fill(client, "fay", "postMeterData", **about, values=[77.25])
    again = {"start": START, "duration": "PT1H", "values": [78.5], "horizon": "-PT1M"}
    answer = client.post("fay", "postMeterData", **about, **again)
    assert (answer.status_code, answer.json()["status"]) == (403, "INVALID_REPLACEMENT")
    assert "77.25" in answer.json()["message"]
    again = {"start": START, "duration": "PT1H", "values": [1, 2, 3, 4], "horizon": "-PT1M"}
    assert client.post("vic", "postMeterData", **about, **again).json()["unchanged"] == 4


def test_the_wait_for_the_password_is_the_same_for_users_who_do_not_exist(pair: Pair) -> None:
    """Told by the work done, not by a clock: one password is checked for either."""
    checked = []
    accounts = type(open_accounts(pair.clients[0].settings))
    original = accounts.verify_password

    def verify(self: Any, password_hash: str, password: str) -> bool:
        checked.append(password_hash.split("$")[1:4])
        return bool(original(self, password_hash, password))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "verify_password", verify)
        for email in ("vic@vaults.example", "val@vaults.example", "nobody@vaults.example"):
            body = {"email": email, "password": f"a guess at {time.time()}"}
            assert pair.clients[0].http.post("/api/requestAuthToken", json=body).status_code == 401
    assert len(checked) == 3
    assert checked[0] == checked[1] == checked[2], "the same parameters of Argon2id"
