"""Connections that other accounts share: what one sees of them, and what one may do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import WorldClient
from tests.web.ui.browsing import Person

WORLD = Path(__file__).parents[2] / "acceptance" / "grants.toml"
VALUE = {
    "connection": "Roof A",
    "start": "2024-05-01T00:00:00Z",
    "duration": "PT15M",
    "unit": "MW",
    "value": 12.5,
}


@pytest.fixture
def client(world_client: Callable[..., WorldClient]) -> WorldClient:
    opened = world_client(WORLD)
    assert opened.post("rosa", "postMeterData", **VALUE).status_code == 200
    return opened


def test_who_may_read_sees_the_sensor_and_no_way_to_upload(client: WorldClient) -> None:
    client.log_in("abe")
    abe = Person(client)
    overview = abe.go("/")
    assert "/sensors/1" in overview.links
    assert "12.5" in overview.text
    page = abe.go("/sensors/1")
    assert "12.5" in page.text
    assert not [link for link in page.links if "upload" in link]
    abe.go("/sensors/1/upload", 404)
    assert client.http.get("/sensors/1/series.json").status_code == 200


def test_who_may_post_only_is_led_to_the_upload_and_sees_no_value(client: WorldClient) -> None:
    client.log_in("mara")
    mara = Person(client)
    overview = mara.go("/")
    assert "/sensors/1/upload" in overview.links
    assert "/sensors/1" not in overview.links
    mara.go("/sensors/1", 303)
    assert mara.answer.headers["Location"] == "/sensors/1/upload"
    pages = [overview.text, mara.go("/sensors/1/upload").text]
    assert not any("12.5" in text for text in pages)
    for data in ("series.json", "data.csv", "quality.json"):
        assert client.http.get(f"/sensors/1/{data}").status_code == 404
    mara.go("/sensors/2", 404)
    mara.go("/sensors/2/upload", 404)


def test_the_profile_tells_who_else_may_use_ones_connections(client: WorldClient) -> None:
    client.log_in("rosa")
    text = Person(client).go("/profile").text
    assert "Counting House: post, Roof A" in text
    assert "Bundle of Roofs: read, all connections" in text
    client.log_in("vic")
    assert "Who else may use" not in Person(client).go("/profile").text
