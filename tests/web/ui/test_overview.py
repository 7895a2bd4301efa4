"""The overview: who sees which sensors, what it tells of them, search, and what it costs."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gridlore.domain.timing import HOUR, MINUTE, format_instant
from gridlore.web.ui.sparkline import HEIGHT, WIDTH, draw_sparkline
from tests.conftest import WorldClient
from tests.web.ui.browsing import Page, Person

WORLD = Path(__file__).with_name("grid.toml")
QUARTER = 15 * MINUTE


@pytest.fixture
def ann(client: WorldClient) -> Person:
    person = Person(client)
    assert person.log_in("ann@plug.example", "ann's password") == 303
    return person


def post_power(client: WorldClient, name: str, values: list[float], end: int) -> None:
    """Quarters of an hour up to ``end``, measured. [µs since epoch]"""
    start = end - len(values) * QUARTER
    answer = client.post(
        "ann",
        "postMeterData",
        connection=name,
        values=values,
        start=format_instant(start),
        duration=f"PT{15 * len(values)}M",
        unit="MW",
    )
    assert answer.status_code == 200, answer.text


def last_quarter() -> int:
    return time.time_ns() // 1000 // QUARTER * QUARTER


def row(person: Person, name: str) -> str:
    """What can be read in the row of a sensor."""
    person.go("/")
    found = re.search(rf"<tr>\s*<th scope=\"row\">[^\n]*{re.escape(name)}.*?</tr>", person.answer.text, re.S)
    assert found, f"there is no row of {name}"
    return Page(found[0]).text


def test_without_a_session_there_is_the_first_page(client: WorldClient) -> None:
    page = Person(client).go("/")
    assert "The book of record" in page.text
    assert "/login" in page.links


def test_everybody_sees_what_the_api_shows_them_in_order_of_kind_and_number(client: WorldClient) -> None:
    person = Person(client)
    for email, password, names in (
        ("ann@plug.example", "ann's password", ["Pole 2", "Pole 10", "epex_da", "Roof"]),
        ("cleo@meter.example", "cleo's password", ["Vault <b>7</b>", "epex_da", "Roof"]),
        (
            "root@meter.example",
            "root's password",
            ["Pole 2", "Pole 10", "Vault <b>7</b>", "epex_da", "Roof"],
        ),
    ):
        person.log_in(email, password)
        texts = person.go("/").texts
        every = {"Pole 2", "Pole 10", "Vault <b>7</b>", "epex_da", "Roof"}
        assert [text for text in texts if text in every] == names


def test_an_account_without_a_role_is_told_so_and_shown_no_sensor(client: WorldClient) -> None:
    person = Person(client)
    person.log_in("otto@look.example", "otto's password")
    page = person.go("/")
    assert "no role" in page.text
    assert "epex_da" not in page.text


def test_fresh_data_is_on_time_with_its_value_unit_and_age(client: WorldClient, ann: Person) -> None:
    post_power(client, "Pole 2", [1.0] * 95 + [0.12345678], last_quarter())
    told = row(ann, "Pole 2")
    assert "0.1235 MW" in told
    assert re.search(r"(< 1|\d+) min ago", told)
    assert "On time" in told
    assert "Late" not in told
    assert "Gaps" not in told
    assert "No data yet" in row(ann, "Pole 10")


def test_data_is_late_when_it_ended_more_than_two_events_ago(client: WorldClient, ann: Person) -> None:
    post_power(client, "Pole 2", [1.0] * 8, last_quarter() - HOUR)
    post_power(client, "Pole 10", [1.0] * 8, last_quarter() - QUARTER)
    assert re.search(r"(60|6\d|7\d) min ago .* Late", row(ann, "Pole 2"))
    assert "On time" in row(ann, "Pole 10")
    for state, shown in (("late", ["Pole 2"]), ("silent", ["epex_da", "Roof"])):
        page = ann.go(f"/?state={state}")
        assert [text for text in page.texts if text in {"Pole 2", "Pole 10", "epex_da", "Roof"}] == shown


def test_what_is_too_much_to_be_shown_is_told_as_such_and_may_be_late(
    client: WorldClient, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    post_power(client, "Pole 2", [1.0] * 96, last_quarter() - 3 * HOUR)
    monkeypatch.setattr("gridlore.store.amounts.MAX_READ_BYTES", 256)
    told = row(ann, "Pole 2")
    assert "Late" in told
    assert "Too much to show" in told
    assert "No data yet" not in told


def test_gaps_of_the_last_day_are_counted_and_drawn(client: WorldClient, ann: Person) -> None:
    end = last_quarter()
    post_power(client, "Pole 2", [1.0] * 40, end - 20 * QUARTER)
    post_power(client, "Pole 2", [2.0] * 17, end)
    assert "Gaps: 3 of 60" in row(ann, "Pole 2")
    (left, width) = re.findall(r'class="missing" x="([\d.]+)" width="([\d.]+)"', ann.answer.text)[0]
    assert (float(left), float(width)) == (round(40 / 60 * WIDTH, 1), 3 / 60 * WIDTH)


def test_prices_known_ahead_are_told_as_of_now(client: WorldClient, ann: Person) -> None:
    this_hour = time.time_ns() // 1000 // HOUR * HOUR
    answer = client.post(
        "ann",
        "postPriceData",
        market="epex_da",
        values=[10.0, 20.0, 30.0],
        start=format_instant(this_hour - HOUR),
        duration="PT3H",
        horizon="PT12H",
        unit="EUR/MWh",
    )
    assert answer.status_code == 200, answer.text
    told = row(ann, "epex_da")
    assert "20 EUR/MWh now known until" in told
    assert "On time" in told


def test_forecasts_alone_are_told_as_such_and_are_never_late(client: WorldClient, ann: Person) -> None:
    answer = client.post(
        "ann",
        "postPrognosis",
        connection="Pole 2",
        values=[1.0, 2.0, 3.0, 4.0],
        start=format_instant(last_quarter() - 5 * HOUR),
        duration="PT1H",
        horizon="PT6H",
        unit="MW",
    )
    assert answer.status_code == 200, answer.text
    told = row(ann, "Pole 2")
    assert "4 MW" in told
    assert "Forecasts only" in told
    assert "Late" not in told


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("pole", ["Pole 2", "Pole 10"]),
        ("POLE 10", ["Pole 10"]),
        ("°c", ["Roof"]),
        ("plug go", ["Pole 2", "Pole 10"]),
        ("temperature:52", ["Roof"]),
        ("vault", []),
        ("<script>", []),
    ],
)
def test_search_looks_in_all_that_tells_sensors_apart(ann: Person, search: str, names: list[str]) -> None:
    page = ann.go(f"/?q={search.replace('<', '%3C')}")
    assert [text for text in page.texts if text in {"Pole 2", "Pole 10", "epex_da", "Roof"}] == names
    assert "<script>" not in ann.answer.text
    assert ("Nothing matches" in page.text) == (not names)


@pytest.mark.parametrize("query", ["page=0", "page=-1", "page=9999", "page=x", "kind=x&state=y", "q=%00%ff"])
def test_an_address_that_cannot_be_read_shows_what_there_is(ann: Person, query: str) -> None:
    ann.go(f"/?{query}")


def test_names_are_texts_and_never_markup(client: WorldClient) -> None:
    person = Person(client)
    person.log_in("cleo@meter.example", "cleo's password")
    person.go("/")
    assert "<b>7</b>" not in person.answer.text
    assert "&lt;b&gt;7" in person.answer.text


def test_the_page_says_where_one_is_and_can_be_skipped(ann: Person) -> None:
    page = ann.go("/")
    assert "#content" in page.links
    assert re.findall(r'<a href="([^"]*)" aria-current="page">', ann.answer.text) == ["/"]
    assert "/administration" not in page.links, "which does not exist for who is no admin"


def test_a_thousand_sensors_are_shown_fifty_at_a_time(
    world_client: Callable[..., WorldClient], tmp_path: Path
) -> None:
    many = "".join(
        f'[[sensor]]\nkind = "connection"\nname = "Rod {number}"\nowner = "ann@plug.example"\n'
        'unit = "MW"\nresolution = "PT15M"\n'
        for number in range(1000)
    )
    world = tmp_path / "many.toml"
    world.write_text(WORLD.read_text("utf-8") + many, "utf-8")
    client = world_client(world)
    names = [f"Rod {number}" for number in range(1000)]
    answer = client.request(
        "ann",
        "POST",
        "/api/v1_1/postMeterData",
        json={
            "type": "PostMeterDataRequest",
            "connections": names,
            "values": [float(value) for value in range(96)],
            "start": format_instant(last_quarter() - 96 * QUARTER),
            "duration": "P1D",
            "unit": "MW",
        },
    )
    assert answer.status_code == 200, answer.text
    person = Person(client)
    person.log_in("ann@plug.example", "ann's password")
    page = person.go("/?kind=connection&q=rod&page=3")
    assert [text for text in page.texts if text in set(names)] == names[100:150]
    assert "101 to 150 of 1000" in page.text


@pytest.mark.parametrize("size", [1, 2, 95, 96, 97, 1440])
def test_drawings_stay_within_their_frame_whatever_the_values(size: int) -> None:
    generator = np.random.default_rng(size)
    for scale in (0.0, 1e-300, 1.0, 1.7e308):
        values = generator.uniform(-1, 1, size) * scale
        values[generator.uniform(size=size) < 0.3] = np.nan
        drawing = draw_sparkline(values)
        for command, x, y in re.findall(r"([MHV])([\d.e+-]+)(?: ([\d.e+-]+))?", drawing.path):
            across, down = {"M": (x, y), "H": (x, 0), "V": (0, x)}[command]
            assert 0 <= float(across) <= WIDTH
            assert 0 <= float(down) <= HEIGHT
        runs = np.diff(np.isnan(values).astype(int), prepend=0)
        assert len(drawing.gaps) == (runs == 1).sum(), "each gap is drawn"
        assert all(0 <= left < WIDTH and width >= 1 for left, width in drawing.gaps), "and can be seen"
