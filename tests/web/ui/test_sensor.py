"""The page of one sensor: what stands on it, and for whom."""

import re
import time
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path

import httpx
import pytest

from gridlore.bootstrap import connect_store
from tests.conftest import WorldClient

WORLD = Path(__file__).with_name("two_houses.toml")


@pytest.fixture
def client(world_client: Callable[..., WorldClient]) -> WorldClient:
    return world_client(WORLD)


def show(client: WorldClient, user: str | None, path: str) -> httpx.Response:
    client.http.cookies.clear()
    if user:
        form = {"email": f"{user}@house.example", "password": f"{user}'s password"}
        assert client.http.post("/login", data=form, follow_redirects=False).status_code == 303
    return client.http.get(path, headers={"Accept": "text/html"}, follow_redirects=False)


def test_a_sensor_of_which_nothing_is_known_tells_how_to_post_a_first_value_that_works(
    client: WorldClient,
) -> None:
    for user, sensor, service in (("ann", 1, "postMeterData"), ("zoe", 3, "postPriceData")):
        page = show(client, user, f"/sensors/{sensor}").text
        assert "Nothing is known about this sensor yet." in page
        call = re.search(r"<pre id=\"first-post\"[^>]*>(.*?)</pre>", page, re.DOTALL)
        assert call
        assert f"/api/v1_1/{service} " in call[1]
        body = re.search(r"-d '(.*)'", unescape(call[1]), re.DOTALL)
        assert body
        answer = client.request(user, "POST", f"/api/v1_1/{service}", content=body[1])
        assert (answer.status_code, answer.json()["stored"]) == (200, 1), answer.text
        page = show(client, user, f"/sensors/{sensor}").text
        assert "Nothing is known about this sensor" not in page
        assert 'id="chart"' in page


def test_the_head_line_is_the_newest_measured_value(client: WorldClient) -> None:
    post = {"connection": "Roof", "unit": "MW", "duration": "PT1H"}
    assert client.post(
        "ann", "postMeterData", **post, values=[-2.5] * 3 + [-1234.5], start="2024-03-30T00:00:00Z"
    ).is_success
    assert client.post(
        "ann", "postPrognosis", **post, values=[-7], start="2024-03-30T06:00:00Z", horizon="PT6H"
    ).is_success
    page = show(client, "ann", "/sensors/1").text
    assert '<b>−1\u202f234<span class="unit">MW</span></b>' in page
    assert 'datetime="2024-03-30T00:45:00Z"' in page
    assert "Late" in page
    assert "produces only" in page


def test_names_are_text_not_markup(client: WorldClient) -> None:
    page = show(client, "zoe", "/sensors/2").text
    assert "<b>Zoe" not in page
    assert "&lt;b&gt;Zoe" in page


def test_a_market_has_a_unit_and_no_direction(client: WorldClient) -> None:
    page = show(client, "ann", "/sensors/3").text
    assert "Price in EUR/MWh" in page
    assert "consumption" not in page


def test_what_a_user_may_not_see_does_not_exist(client: WorldClient) -> None:
    hidden, missing = show(client, "ann", "/sensors/2"), show(client, "ann", "/sensors/99")
    assert (hidden.status_code, missing.status_code) == (404, 404)
    hidden_text, missing_text = (re.sub(r'value="[^"]*"', "", page.text) for page in (hidden, missing))
    assert hidden_text.replace("/sensors/2", "/sensors/99") == missing_text
    assert show(client, "zoe", "/sensors/2").status_code == 200


def test_users_of_accounts_without_a_role_see_no_sensor(client: WorldClient) -> None:
    store = connect_store(client.settings)
    records = store.read_directory()
    (ann,) = [user for user in records.users if user.email.startswith("ann@")]
    (account,) = [account for account in records.accounts if account.id == ann.account_id]
    assert show(client, "ann", "/sensors/3").status_code == 200
    with store.change_directory() as directory:
        directory.save_account(replace(account, roles=frozenset()))
    store.close()
    deadline = time.monotonic() + 5
    while show(client, "ann", "/sensors/3").status_code != 404:
        assert time.monotonic() < deadline
    assert client.http.get("/sensors/3/data.csv").status_code == 404


def test_who_is_not_logged_in_is_sent_to_log_in_and_back(client: WorldClient) -> None:
    answer = show(client, None, "/sensors/1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/sensors/1")


def test_what_draws_the_charts_comes_from_here_packed_and_is_kept(client: WorldClient) -> None:
    path = "/plotly/plotly.min.js"
    packed = client.http.get(path, headers={"Accept-Encoding": "gzip"})
    plain = client.http.get(path, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert b"Plotly" in plain.content[:2000]
    assert "javascript" in plain.headers["content-type"]
    assert "max-age" in plain.headers["cache-control"]
    again = client.http.get(
        path, headers={"Accept-Encoding": "identity", "If-None-Match": plain.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["sensor", "chart", "copy", "frames", "travel", "times", "quality"])
def test_scripts_ask_for_nothing_elsewhere_and_stand_in_no_page(client: WorldClient, name: str) -> None:
    script = client.http.get(f"/static/{name}.js")
    assert script.status_code == 200
    assert not re.findall(r"https?://", script.text)
    assert not re.findall(r"<script(?![^>]* src=)", show(client, "ann", "/sensors/1").text)
