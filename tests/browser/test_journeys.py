"""What people come for: find a sensor, see it drawn, travel in time; the drawn values are the API's."""

from __future__ import annotations

import csv
import re
import shlex
from datetime import UTC, datetime, timedelta

import pytest

from tests.browser.harness import (
    HANNA,
    PASSWORDS,
    expect,
    read_drawn,
    show_days,
    travel_to,
    wait_for,
    wait_for_chart,
)
from tests.browser.series import CORRECTED, GAP, START

MEASURED, FORECAST = "hanna, measured", "forecast service, forecast"
FORECASTER = 3
DAY = datetime(2025, 3, 31, 22, tzinfo=UTC)
"""Midnight in Amsterdam on the day whose first hours were corrected two days later."""


def ask(site, start=DAY, hours=24, sensor="Cold store", **query):
    """The values that the API tells."""
    period = {"start": start.isoformat(), "end": (start + timedelta(hours=hours)).isoformat()}
    return site.get("/api/gridlore/v1/data", sensor=sensor, **period, **query)["values"]


def test_log_in_find_a_sensor_by_search_and_see_it_drawn(open_page, site):
    page = open_page(None)
    page.goto("/")
    page.get_by_role("link", name="Log in").first.click()
    page.get_by_label("E-mail").fill(HANNA)
    page.get_by_label("Password").fill(PASSWORDS[HANNA])
    page.get_by_role("button", name="Log in").click()
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(11)
    page.get_by_label("Search sensors").fill("cold")
    page.get_by_label("Search sensors").press("Enter")
    expect(rows).to_have_count(1)
    page.get_by_role("link", name="Cold store").click()
    expect(page.get_by_role("heading", name="Cold store")).to_be_visible()
    wait_for_chart(page)


def test_what_another_account_owns_is_not_there(page, watch):
    watch.expect(404)
    page.goto("/")
    expect(page.get_by_text("Wind turbine on the hill")).to_have_count(0)
    for path in ("/sensors/6", "/sensors/6/upload", "/administration"):
        assert page.goto(path).status == 404


def test_a_day_is_drawn_as_the_api_tells_it(page, site):
    show_days(page, 1, "2025-04-01")
    assert read_drawn(page, MEASURED, DAY, 96) == ask(site, kind="measured")
    assert read_drawn(page, FORECAST, DAY, 96) == ask(site, kind="forecast", source=FORECASTER)


def test_travelling_in_time_draws_what_was_known_then(page, site):
    show_days(page, 1, "2025-04-01")
    drawn = {}
    for local, prior in (
        ("2025-04-02T12:00", "2025-04-02T10:00Z"),
        ("2025-04-03T06:00", "2025-04-03T04:00Z"),
    ):
        travel_to(page, local)
        told = ask(site, kind="measured", prior=prior)
        wait_for(page, lambda told=told: read_drawn(page, MEASURED, DAY, 96) == told)
        drawn[local] = told
        forecast = ask(site, kind="forecast", source=FORECASTER, prior=prior)
        assert read_drawn(page, FORECAST, DAY, 96) == forecast
    before, after = drawn.values()
    corrected = (CORRECTED[1] - CORRECTED[0]) // timedelta(minutes=15)
    assert all(a != b for a, b in zip(before[:corrected], after[:corrected], strict=True))
    assert before[corrected:] == after[corrected:]


def test_at_noon_the_afternoon_is_only_forecast_and_from_further_ahead_less_well(page, site):
    show_days(page, 1, "2025-04-01")
    travel_to(page, "2025-04-01T12:00")
    prior = "2025-04-01T10:00Z"
    told = ask(site, kind="measured", prior=prior)
    assert told[:48] == [value for value in told[:48] if value is not None]
    assert told[48:] == [None] * 48
    wait_for(page, lambda: read_drawn(page, MEASURED, DAY, 96) == told)
    forecast = ask(site, kind="forecast", source=FORECASTER, prior=prior)
    assert None not in forecast
    assert read_drawn(page, FORECAST, DAY, 96) == forecast
    page.get_by_role("button", name="Now", exact=True).click()
    wait_for(page, lambda: read_drawn(page, MEASURED, DAY, 96) == ask(site, kind="measured"))
    with page.expect_response(re.compile(r"horizon=")):
        page.get_by_label("At least").fill("20")
        page.get_by_label("At least").press("Tab")
    ahead = ask(site, kind="forecast", source=FORECASTER, horizon="PT20H")
    assert ahead != ask(site, kind="forecast", source=FORECASTER)
    wait_for(page, lambda: read_drawn(page, FORECAST, DAY, 96) == ahead)


def test_the_slider_travels_by_keyboard_and_the_player_plays(page, site):
    show_days(page, 1, "2025-04-01")
    slider = page.get_by_role("slider", name="As known at")
    slider.focus()
    for _ in range(12):
        slider.press("ArrowLeft")
    prior = int(slider.input_value())
    iso = datetime.fromtimestamp(prior / 1000, UTC).isoformat()
    wait_for(page, lambda: read_drawn(page, MEASURED, DAY, 96) == ask(site, kind="measured", prior=iso))
    assert read_drawn(page, FORECAST, DAY, 96) == ask(site, kind="forecast", source=FORECASTER, prior=iso)
    play = page.get_by_role("button", name="Play")
    play.click()
    wait_for(page, lambda: int(slider.input_value()) > prior)
    page.get_by_role("button", name="Pause").click()
    expect(play).to_be_visible()
    stopped = datetime.fromtimestamp(int(slider.input_value()) / 1000, UTC).isoformat()
    wait_for(page, lambda: read_drawn(page, MEASURED, DAY, 96) == ask(site, kind="measured", prior=stopped))


def test_on_a_phone_time_travel_plays_by_touch(phone, site):
    show_days(phone, 1, "2025-04-01")
    slider = phone.get_by_role("slider", name="As known at")
    travel_to(phone, "2025-04-01T12:00")
    noon = int(slider.input_value())
    phone.get_by_role("button", name="Play").tap()
    wait_for(phone, lambda: int(slider.input_value()) > noon)
    phone.get_by_role("button", name="Pause").tap()
    stopped = datetime.fromtimestamp(int(slider.input_value()) / 1000, UTC).isoformat()
    wait_for(phone, lambda: read_drawn(phone, MEASURED, DAY, 96) == ask(site, kind="measured", prior=stopped))
    phone.get_by_role("button", name="Now", exact=True).tap()
    wait_for(phone, lambda: read_drawn(phone, MEASURED, DAY, 96) == ask(site, kind="measured"))


def test_a_gap_is_drawn_as_a_gap(page, site):
    show_days(page, 1, "2025-03-27")
    day = START + timedelta(days=10, hours=1)
    values = read_drawn(page, MEASURED, day, 96)
    first = (GAP[0] - day) // timedelta(minutes=15)
    count = (GAP[1] - GAP[0]) // timedelta(minutes=15)
    assert [place for place, value in enumerate(values) if value is None] == list(range(first, first + count))
    assert values == ask(site, start=day, kind="measured")


def test_a_day_on_which_clocks_change_has_the_hours_it_has(page, site):
    show_days(page, 2, "2025-03-30")
    day = datetime(2025, 3, 29, 23, tzinfo=UTC)
    told = ask(site, start=day, hours=23, sensor="Roof", kind="measured")
    assert (len(told), read_drawn(page, MEASURED, day, 92)) == (92, told)
    low, high = page.evaluate("document.getElementById('chart').layout.xaxis.range")
    assert high - low == 23 * 3600 * 1000


def test_what_is_shown_can_be_downloaded_and_asked_of_the_api(page, site):
    show_days(page, 1, "2025-04-01")
    travel_to(page, "2025-04-02T12:00")
    told = ask(site, kind="measured", prior="2025-04-02T10:00Z")
    wait_for(page, lambda: read_drawn(page, MEASURED, DAY, 96) == told)
    wait_for(page, lambda: "prior" in page.locator("#call").inner_text())
    words = shlex.split(page.locator("#call").inner_text().replace("\\\n", " "))
    assert words[0] == "curl"
    fields = dict(
        words[place + 1].split("=", 1) for place, word in enumerate(words) if word == "--data-urlencode"
    )
    [url] = [word for word in words if word.startswith("http")]
    assert site.get(url.removeprefix(site.url), **fields)["values"] == told
    with page.expect_download() as download:
        page.get_by_role("link", name="Download what is shown as CSV").click()
    assert download.value.suggested_filename.endswith(".csv")
    lines = csv.DictReader(download.value.path().read_text("utf-8-sig").splitlines())
    assert [float(line["value"]) for line in lines if line["kind"] == "measured"] == told


@pytest.mark.parametrize(("sensor", "words"), [(5, "Nothing is known"), (7, "day_ahead"), (8, "temperature")])
def test_every_kind_of_sensor_has_its_page(page, sensor, words):
    page.goto(f"/sensors/{sensor}")
    expect(page.get_by_text(words).first).to_be_visible()
    if sensor != 5:
        wait_for_chart(page)
