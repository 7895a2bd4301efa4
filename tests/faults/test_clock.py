"""The clock jumps back: nothing breaks, nobody is locked out, and what was known stays known."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar.testing import TestClient

from gridlore.bootstrap import create_app
from tests.conftest import Databases, WorldClient

WORLD = Path(__file__).parents[1] / "acceptance" / "world.toml"
HOUR = 3600


class Clock:
    """A clock that can be set. [µs since epoch]"""

    def __init__(self) -> None:
        self.seconds = time.time()

    def __call__(self) -> int:
        return int(self.seconds * 1_000_000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(databases: Databases, clock: Clock) -> Iterator[WorldClient]:
    settings = databases.settings(databases.create(databases.template(WORLD)), LOGIN_ATTEMPTS="3")
    with TestClient(create_app(settings, clock=clock), base_url="http://testserver.local") as http:
        yield WorldClient(http, settings)


def log_in(client: WorldClient, password: str = "vera likes sun") -> int:
    answer = client.request(
        None, "POST", "/api/requestAuthToken", json={"email": "vera@sunny.example", "password": password}
    )
    if answer.status_code == 200:
        client.tokens["vera"] = answer.json()["auth_token"]
    return answer.status_code


PERIOD = {"start": "2012-01-02T00:00:00Z", "duration": "PT1H"}


def test_posts_go_on_and_history_says_what_the_clock_said(client: WorldClient, clock: Clock) -> None:
    assert log_in(client) == 200
    first = client.post("vera", "postPriceData", market="day_ahead", value=1.0, unit="EUR/MWh", **PERIOD)
    meter = {"connection": "Heat pump", "unit": "MW", **PERIOD}
    measured = client.post("vera", "postMeterData", values=[1, 2, 3, 4], **meter)
    assert (first.status_code, measured.status_code) == (200, 200)
    clock.seconds -= HOUR / 2
    assert client.request("vera", "GET", "/api/v1_1/getConnection").status_code == 401, (
        "a token of the future"
    )
    assert log_in(client) == 200
    again = client.post("vera", "postMeterData", values=[1, 2, 3, 4], **meter)
    assert (again.status_code, again.json()["unchanged"]) == (200, 4)
    later = client.post("vera", "postMeterData", value=5, **{**meter, "start": "2012-01-02T01:00:00Z"})
    assert later.status_code == 200
    read = client.get("vera", "getMeterData", **{**meter, "duration": "PT2H"})
    assert read.json()["values"] == [1, 2, 3, 4, 5, 5, 5, 5]
    assert client.request("vera", "GET", "/api/gridlore/v1/sensors").status_code == 200


def test_who_failed_before_the_jump_is_not_locked_out_by_it(client: WorldClient, clock: Clock) -> None:
    assert [log_in(client, "wrong") for _ in range(4)] == [401, 401, 401, 429]
    clock.seconds -= HOUR
    assert log_in(client) == 200
