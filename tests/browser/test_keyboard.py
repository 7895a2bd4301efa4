"""Everything by keyboard alone: what has the focus is seen, and every step can be made."""

from __future__ import annotations

from pathlib import Path

from tests.browser.harness import HANNA, PASSWORDS, expect, wait_for, wait_for_chart

FOCUSED = """() => {
  const at = document.activeElement;
  const label = at.labels?.[0]?.innerText ?? "";
  return `${at.tagName} ${at.id} ${label} ${at.getAttribute("aria-label") ?? ""} ${at.innerText ?? ""}`;
}"""

SEEN = """() => {
  const at = document.activeElement, style = getComputedStyle(at);
  if (at.matches("body, main")) return true; // the beginning of the page, of its content
  if (at.type?.startsWith("date")) return true; // the browser colours the part that has the focus
  return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
}"""


def enter(page):
    """Press Enter, which leads to another page."""
    with page.expect_navigation():
        page.keyboard.press("Enter")


def tab_to(page, words, most=60, key="Tab"):
    """Press Tab until what has the focus speaks of these words; each stop on the way can be seen."""
    passed = []
    for _ in range(most):
        page.keyboard.press(key)
        focused = page.evaluate(FOCUSED)
        passed.append(focused)
        assert page.evaluate(SEEN), f"the focus is not seen on {focused}"
        if words in focused:
            return
    raise AssertionError(f"{words!r} is not reached by keyboard; passed {passed}")


def test_log_in_search_and_travel_in_time_by_keyboard(open_page):
    page = open_page(None)
    page.goto("/login")
    assert "E-mail" in page.evaluate(FOCUSED)
    page.keyboard.type(HANNA)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORDS[HANNA])
    page.keyboard.press("Enter")
    expect(page.get_by_label("Search sensors")).to_be_visible()
    tab_to(page, "Skip to the content", 1)
    page.keyboard.press("Enter")
    tab_to(page, "Search sensors", 2)
    page.keyboard.type("cold")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    tab_to(page, "Cold store")
    enter(page)
    wait_for_chart(page)
    tab_to(page, "Week")
    page.keyboard.press("Enter")
    wait_for_chart(page)
    tab_to(page, "As known at")
    before = int(page.locator("#slider").input_value())
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    wait_for(page, lambda: int(page.locator("#slider").input_value()) < before)
    page.keyboard.press("Escape")
    expect(page.locator("#present")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Space")
    expect(page.locator("#play")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Space")
    expect(page.locator("#play")).to_have_attribute("aria-pressed", "false")
    tab_to(page, "Log out", 80, "Shift+Tab")
    enter(page)
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_a_file_is_uploaded_by_keyboard(page, tmp_path: Path):
    file = tmp_path / "keys.csv"
    file.write_text("time;kW\n2025-02-01 00:00;1\n2025-02-01 00:15;x\n2025-02-01 00:30;3")
    page.on("filechooser", lambda _: None)  # asked for early: the browser takes a moment to heed it
    page.goto("/sensors/12/upload")
    tab_to(page, "File")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(file)
    tab_to(page, "Read the file")
    enter(page)
    expect(page.get_by_text('row 3: "x" is no number in column kW')).to_be_visible()
    tab_to(page, "measured, and known at the end")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="measured, and known now")).to_be_checked()
    expect(page.get_by_role("radio", name="measured, and known now")).to_be_focused()
    page.wait_for_load_state("networkidle")
    tab_to(page, "Leave out 1 row and store 2 values")
    enter(page)
    expect(page.get_by_role("heading", name="Stored")).to_be_visible()


def test_a_sensor_is_added_by_keyboard(admin_page):
    page = admin_page
    page.goto("/administration")
    tab_to(page, "Add a sensor")
    enter(page)
    tab_to(page, "Market")
    enter(page)
    expect(page.get_by_label("Unit")).to_be_visible()
    tab_to(page, "INPUT name")
    page.keyboard.type("balancing")
    tab_to(page, "Unit")
    page.keyboard.type("EUR/MWh")
    tab_to(page, "Resolution")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("PT15M")
    tab_to(page, "Review the sensor")
    enter(page)
    tab_to(page, "Create")
    enter(page)
    expect(page.get_by_role("status")).to_contain_text("Done")
