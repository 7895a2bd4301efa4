"""Uploading in the browser: an error in row 17 is named, the corrected file is stored and drawn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.browser.harness import expect, read_drawn, show_days, wait_for

MIDNIGHT = datetime(2025, 3, 28, 23, tzinfo=UTC)
"""In Amsterdam, on the eve of the day when clocks go forward."""


@pytest.fixture
def table(tmp_path: Path):
    """Writes a file of two days of quarter hours in kW; one row may hold something else."""

    def write(name: str = "meter.csv", wrong: str | None = None) -> Path:
        lines = ["Tijd;Vermogen (kW)"]
        for place in range(96 + 92):
            clock = MIDNIGHT + timedelta(minutes=15 * place, hours=1 if place < 96 + 8 else 2)
            lines.append(f"{clock:%d-%m-%Y %H:%M};{place + 0.5}".replace(".", ","))
        if wrong is not None:
            lines[16] = lines[16].split(";")[0] + ";" + wrong
        (tmp_path / name).write_text("\r\n".join(lines), "utf-8")
        return tmp_path / name

    return write


def choose(page, sensor, file):
    page.goto(f"/sensors/{sensor}/upload")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Read the file").click()
    expect(page.get_by_role("heading", name="Check and store")).to_be_visible()


def test_an_error_in_row_17_is_named_and_once_corrected_the_data_are_drawn(page, table):
    choose(page, 10, table(wrong="abc"))
    expect(page.get_by_text('row 17: "abc" is no number in column Vermogen (kW)')).to_be_visible()
    expect(page.get_by_text("187 in MW, every 15 min")).to_be_visible()
    page.get_by_role("link", name="Choose a corrected file").click()
    page.get_by_label("File").set_input_files(table())
    page.get_by_role("button", name="Read the file").click()
    page.get_by_role("button", name="Store 188 values").click()
    expect(page.get_by_role("heading", name="Stored")).to_be_visible()
    expect(page.get_by_text("Mon 31 Mar 2025 00:00 +02:00")).to_be_visible()
    page.get_by_role("link", name="See Meter to fill").click()
    expect(page.get_by_role("heading", name="Meter to fill", exact=True)).to_be_visible()
    show_days(page, 10, "2025-03-29", "2025-03-30")
    drawn = read_drawn(page, "hanna, measured", MIDNIGHT, 188)
    assert drawn == [(place + 0.5) / 1000 for place in range(188)]


def test_a_changed_choice_shows_at_once_what_the_file_says_then(page, table):
    choose(page, 11, table())
    expect(page.locator("#said")).to_contain_text("0.0005")
    page.get_by_label("Unit of the file").focus()
    page.get_by_label("Unit of the file").select_option("MW")
    expect(page.get_by_label("Unit of the file")).to_be_focused()
    expect(page.locator("#said tbody tr").first).to_contain_text("0.5MW")
    page.get_by_text("Dates, decimals, rows").click()
    page.get_by_label("Decimals follow a").select_option(".")
    expect(page.locator("#problems")).to_contain_text("188 rows cannot be stored")
    expect(page.get_by_label("Decimals follow a")).to_be_visible()
    page.get_by_label("Time zone").fill("Mars/Base")
    page.get_by_label("Time zone").press("Tab")
    expect(page.get_by_label("Time zone")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#timezone-wrong")).to_contain_text("IANA")


def test_when_a_forecast_was_made_can_be_typed(page, table):
    choose(page, 11, table())
    page.get_by_label("Forecast at").focus()
    page.keyboard.type("03282025")
    page.keyboard.press("Tab")
    page.keyboard.type("0900AM")
    assert page.get_by_label("Forecast at").input_value() == "2025-03-28T09:00"
    expect(page.get_by_role("radio", name="forecast, all at one time")).to_be_checked()
    expect(page.locator("#said[aria-busy]")).to_have_count(0)  # what was typed has been read
    page.get_by_role("button", name="Store 188 values").click()
    expect(page.get_by_role("heading", name="Stored")).to_be_visible()


def test_without_scripts_the_same_can_be_done(open_page, table):
    page = open_page(java_script_enabled=False)
    choose(page, 12, table(wrong=""))
    page.get_by_label("Unit of the file").select_option("W")
    page.get_by_role("button", name="Read it so").click()
    expect(page.locator("#said")).to_contain_text("1 interval without a value (1 of them empty cells)")
    page.get_by_role("button", name="Store 187 values").click()
    expect(page.get_by_role("heading", name="Stored")).to_be_visible()


def test_a_file_that_is_no_table_is_refused_on_the_page(page, watch, tmp_path):
    watch.expect(400)
    file = tmp_path / "photo.csv"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1000))
    page.goto("/sensors/10/upload")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Read the file").click()
    expect(page.get_by_role("alert").first).to_contain_text("neither text nor an Excel workbook")


def test_a_file_that_is_too_large_is_told_before_it_is_sent(page, tmp_path):
    file = tmp_path / "large.csv"
    file.write_bytes(b"1;2\n" * 4_200_000)
    page.goto("/sensors/10/upload")
    page.get_by_label("File").set_input_files(file)
    expect(page.locator("#file-wrong")).to_contain_text("at most 16 MiB")
    expect(page.get_by_role("button", name="Read the file")).to_be_disabled()


def test_a_file_can_be_dropped(page):
    page.goto("/sensors/10/upload")
    page.evaluate("""() => {
      const files = new DataTransfer();
      files.items.add(new File(["t;v\\n2025-01-01;1"], "dropped.csv"));
      const event = {dataTransfer: files, bubbles: true, cancelable: true};
      document.body.dispatchEvent(new DragEvent("drop", event));
    }""")
    wait_for(page, lambda: page.evaluate("document.getElementById('file').files[0]?.name") == "dropped.csv")
