"""The sensor page beyond the journeys: zooming, the line and the fan, clocks, quality, addresses, errors."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.browser.harness import expect, read_drawn, show_days, travel_to, wait_for, wait_for_chart

MEASURED, FORECAST = "hanna, measured", "forecast service, forecast"
FORECASTER = 3
DAY = datetime(2025, 3, 31, 22, tzinfo=UTC)
"""Midnight in Amsterdam."""
HOUR = 3_600_000

RANGE = "document.getElementById('chart').layout.xaxis.range"
FAINT = """() => document.getElementById("chart").data
  .filter(({opacity, y}) => opacity < 1 && y.some((value) => value !== null))
  .map(({name, opacity, x}) => [name, opacity, x[0]])"""


def ask(site, **query):
    """The values of the day that the API tells."""
    period = {"start": DAY.isoformat(), "duration": "P1D"}
    return site.get("/api/gridlore/v1/data", sensor="Cold store", **period, **query)["values"]


def hours_shown(page):
    low, high = page.evaluate(RANGE)
    return (high - low) / HOUR


def travelled(page):
    """The prior of the picture that is drawn, as the address keeps it."""
    found = re.search(r"prior=([^&]*)", page.url)
    return found and found[1].replace("%3A", ":")


def drag(page, start, end):
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, end[1], steps=3)
    page.mouse.move(*end, steps=3)
    page.mouse.up()


def test_a_long_period_is_drawn_coarsely_and_finely_once_zoomed_in(page):
    show_days(page, 1, "2025-04-01")
    expect(page.locator("#grain")).to_have_text("every 15 min")
    page.get_by_role("button", name="Year").click()
    expect(page.locator("#grain")).to_have_text("daily means")
    assert hours_shown(page) == 365 * 24
    assert page.evaluate("document.getElementById('chart').data.every(({x}) => x.length <= 2 * 366)")
    page.get_by_role("button", name="Month").click()
    expect(page.locator("#grain")).to_have_text("means of 30 min")
    page.get_by_role("button", name="Zoom in").click()
    expect(page.locator("#grain")).to_have_text("every 15 min")
    assert 14 * 24 < hours_shown(page) < 16 * 24


def test_what_is_dragged_over_is_zoomed_to_and_a_double_click_goes_back_to_the_week(page):
    show_days(page, 1, "2025-04-01")
    box = page.locator("#chart .nsewdrag").bounding_box()
    with page.expect_response(re.compile(r"series\.json\?.*start=2025-04-01T10")):
        drag(
            page,
            (box["x"] + box["width"] / 2, box["y"] + 90),
            (box["x"] + box["width"] * 0.75, box["y"] + 90),
        )
    wait_for_chart(page)
    assert hours_shown(page) == pytest.approx(6, abs=0.3)
    page.get_by_role("button", name="Drag the chart").click()
    before = page.evaluate(RANGE)
    with page.expect_response(re.compile(r"series\.json")):
        drag(page, (box["x"] + 100, box["y"] + 90), (box["x"] + 300, box["y"] + 90))
    wait_for_chart(page)
    after = page.evaluate(RANGE)
    assert after[0] < before[0]
    assert after[1] - after[0] == before[1] - before[0]
    page.locator("#chart .nsewdrag").dblclick()
    wait_for(page, lambda: hours_shown(page) == 7 * 24)
    expect(page.get_by_role("button", name="Week")).to_have_attribute("aria-pressed", "true")


def test_the_line_can_be_taken_hold_of_and_the_last_place_is_what_is_drawn(page, site):
    show_days(page, 1, "2025-04-01")
    travel_to(page, "2025-04-01T06:00")
    wait_for(page, lambda: travelled(page) == "2025-04-01T04:00:00Z")
    page.locator("#stage").scroll_into_view_if_needed()
    line = page.locator("#moment").bounding_box()
    across = page.locator("#chart .nsewdrag").bounding_box()["width"]
    at = (line["x"] + line["width"] / 2, line["y"] + 40)
    drag(page, at, (at[0] + across / 2, at[1]))
    wait_for(page, lambda: travelled(page) not in (None, "2025-04-01T04:00:00Z"))
    prior = travelled(page)
    assert abs(datetime.fromisoformat(prior) - datetime(2025, 4, 1, 16, tzinfo=UTC)) <= timedelta(minutes=15)
    told = ask(site, kind="measured", prior=prior)
    wait_for(page, lambda: read_drawn(page, MEASURED, DAY, 96) == told)
    assert read_drawn(page, FORECAST, DAY, 96) == ask(site, kind="forecast", source=FORECASTER, prior=prior)
    expect(page.locator("#moment span")).to_contain_text("as known Tue, 1 Apr 2025")


def test_what_came_afterwards_and_earlier_forecasts_are_faint_and_can_be_left_out(page):
    show_days(page, 1, "2025-04-01")
    assert page.evaluate(FAINT) == []
    travel_to(page, "2025-04-01T12:00")
    noon = datetime(2025, 4, 1, 10, tzinfo=UTC).timestamp() * 1000
    wait_for(page, lambda: {name for name, _, _ in page.evaluate(FAINT)} == {MEASURED, FORECAST})
    wait_for(page, lambda: len(page.evaluate(FAINT)) == 3)  # 6 and 12 hours back, and what was measured later
    faint = page.evaluate(FAINT)
    assert all(first >= noon - HOUR / 4 for _, _, first in faint), "only what was to come"
    assert len({opacity for name, opacity, _ in faint if name == FORECAST}) == 2
    page.get_by_label("what was measured afterwards").uncheck()
    assert {name for name, _, _ in page.evaluate(FAINT)} == {FORECAST}
    page.get_by_label("earlier forecasts").uncheck()
    assert page.evaluate(FAINT) == []


def test_after_quick_moves_the_picture_is_that_of_the_last(page, site):
    show_days(page, 1, "2025-04-01")
    slider = page.get_by_role("slider", name="As known at")
    slider.focus()
    for key in ["ArrowLeft"] * 40 + ["ArrowRight"] * 5 + ["ArrowLeft"] * 7:
        page.keyboard.press(key)
    prior = datetime.fromtimestamp(int(slider.input_value()) / 1000, UTC).isoformat()
    told = ask(site, kind="measured", prior=prior)
    wait_for(page, lambda: read_drawn(page, MEASURED, DAY, 96) == told)
    page.wait_for_load_state("networkidle")
    assert read_drawn(page, MEASURED, DAY, 96) == told
    assert read_drawn(page, FORECAST, DAY, 96) == ask(site, kind="forecast", source=FORECASTER, prior=prior)


def test_days_and_labels_are_those_of_the_chosen_clock(page):
    show_days(page, 1, "2025-03-30")
    assert hours_shown(page) == 23
    labels = "document.getElementById('chart').layout.xaxis.ticktext"
    assert "00:00<br>Sun 30 Mar" in page.evaluate(labels)
    with page.expect_response(re.compile(r"timezone=UTC")):
        page.get_by_label("Time zone").select_option("utc")
    wait_for(page, lambda: hours_shown(page) == 24)
    assert page.evaluate(RANGE)[0] == datetime(2025, 3, 30, tzinfo=UTC).timestamp() * 1000
    travel_to(page, "2025-03-30T12:00")
    wait_for(page, lambda: travelled(page) == "2025-03-30T12:00:00Z")
    expect(page.get_by_label("Time zone").locator("option").nth(1)).to_have_text("Europe/Amsterdam (mine)")


def test_an_address_leads_back_to_what_was_shown(page, site):
    show_days(page, 1, "2025-04-01")
    page.get_by_label("At least").fill("6")
    page.get_by_label("At least").press("Tab")
    travel_to(page, "2025-04-01T12:00")
    wait_for(page, lambda: travelled(page) == "2025-04-01T10:00:00Z" and "ahead=6" in page.url)
    page.reload()
    wait_for_chart(page)
    assert hours_shown(page) == 24
    asked = {"kind": "forecast", "source": FORECASTER, "prior": "2025-04-01T10:00:00Z", "horizon": "PT6H"}
    wait_for(page, lambda: read_drawn(page, FORECAST, DAY, 96) == ask(site, **asked))
    assert page.locator("#prior").input_value() == "2025-04-01T12:00"


def test_values_are_read_under_the_pointer_and_a_series_can_be_hidden(page, site):
    show_days(page, 1, "2025-04-01")
    box = page.locator("#chart .nsewdrag").bounding_box()
    page.mouse.move(box["x"] + box["width"] * (8 * 4 + 0.5) / 96, box["y"] + 100)
    expect(page.locator("#when")).to_contain_text("Tue, 1 Apr 2025 08:00–08:15")
    value = float(f"{ask(site, kind='measured')[32]:.4g}")
    expect(page.locator("#legend li").first).to_contain_text(f"{value:g} MW")
    page.locator("#legend li").first.get_by_role("checkbox").uncheck()
    assert read_drawn(page, MEASURED, DAY, 96) == [None] * 96
    assert None not in read_drawn(page, FORECAST, DAY, 96)


def test_the_errors_of_forecasts_are_those_of_the_values_the_api_gives(page, site):
    show_days(page, 1, "2025-04-01")
    measured = ask(site, kind="measured")
    table = page.get_by_role("region", name="Errors of forecast service")
    expect(table).to_be_visible()
    for ahead, horizon in (("1 h", "PT1H"), ("6 h", "PT6H"), ("24 h", "PT24H")):
        forecast = ask(site, kind="forecast", source=FORECASTER, horizon=horizon)
        errors = [said - was for said, was in zip(forecast, measured, strict=True)]
        mean = sum(map(abs, errors)) / 96
        root = (sum(error**2 for error in errors) / 96) ** 0.5
        row = table.get_by_role("row").filter(has=page.get_by_role("rowheader", name=ahead, exact=True))
        cells = [text.replace("−", "-") for text in row.get_by_role("cell").all_inner_texts()]
        assert [float(text) for text in cells[:3]] == pytest.approx(
            [mean, root, sum(errors) / 96], abs=5.1e-6
        )
        assert cells[3] == "96"
    expect(table.get_by_role("row").last).to_contain_text("none")
    page.get_by_role("button", name="Bias").click()
    expect(page.get_by_role("button", name="Bias")).to_be_focused()


def test_of_too_few_events_the_table_says_so(page):
    page.goto("/sensors/1?start=2025-04-01T00:00:00Z&end=2025-04-01T03:00:00Z")
    expect(page.get_by_text("Fewer than 30 events")).to_be_visible()


def test_a_market_without_measurements_says_that_nothing_can_be_judged(page):
    page.goto("/sensors/7")
    expect(page.get_by_text("Nothing was measured in this period")).to_be_visible()


def test_an_error_is_told_and_gone_when_it_works_again(page, watch):
    watch.expect(400)
    show_days(page, 1, "2025-04-01")
    refusal = {"message": "A request may read at most 5 event slots."}
    page.route("**/series.json*", lambda route: route.fulfill(status=400, json=refusal))
    page.get_by_role("button", name="Month").click()
    expect(page.get_by_role("alert")).to_have_text(refusal["message"])
    page.unroute("**/series.json*")
    page.get_by_role("button", name="Month").click()
    expect(page.get_by_role("alert")).to_be_hidden()


def test_the_api_call_is_copied(open_page):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    show_days(page, 1, "2025-04-01")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#call").text_content()
