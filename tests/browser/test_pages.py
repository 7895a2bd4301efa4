"""Every page, light and dark, wide and narrow: accessible by axe-core's rules, and no wider than a phone.

With GRIDLORE_TEST_SCREENSHOTS=FOLDER a picture of each is kept there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.browser.harness import ADMIN, DESKTOP, HANNA, PHONE, Page, wait_for, wait_for_chart

AXE = find_spec("axe_playwright_python")

RUN_AXE = """async (rules) => {
  const options = {resultTypes: ["violations"], ...(rules ? {runOnly: {type: "rule", values: rules}} : {})};
  const found = await axe.run({exclude: [["#swagger-ui"]]}, options);
  const grave = found.violations.filter(({impact}) => impact === "serious" || impact === "critical");
  const tell = (nodes) => nodes.slice(0, 5).map(({target}) => target.join(" ")).join(", ");
  return grave.map(({id, help, nodes}) => `${id}: ${help}: ${tell(nodes)}`);
}"""

WIDER = """() => {
  const wide = document.documentElement.clientWidth;
  const reach = (at) => at.getBoundingClientRect().right;
  const clipped = (at) => at.parentElement && (
    getComputedStyle(at.parentElement).overflowX !== "visible" || clipped(at.parentElement));
  const cut = [...document.querySelectorAll(".table")].filter((at) => at.scrollWidth > at.clientWidth + 1)
    .map((at) => `${at.ariaLabel ?? at.className} is cut: ${at.scrollWidth} in ${at.clientWidth}`);
  return document.documentElement.scrollWidth <= wide ? cut : [...document.querySelectorAll("body *")]
    .filter((at) => reach(at) > wide + 1 && !clipped(at))
    .map((at) => `${at.tagName} ${at.id} ${at.className} reaches to ${Math.round(reach(at))} of ${wide}`);
}"""


@dataclass(frozen=True)
class View:
    """A page to look at: where it is, who sees it, what is done there first, and which answer is right."""

    name: str
    path: str
    user: str | None = HANNA
    act: Callable[[Page], None] | None = None
    code: int = 200


def upload(text: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        file = {"name": "a file of ours.csv", "mimeType": "text/csv", "buffer": text.encode()}
        page.get_by_label("File").set_input_files(file)
        submit(page, "Read the file")

    return act


def submit(page: Page, button: str) -> None:
    """Send a form, and wait for the page that answers it: what is asked of this one would be lost."""
    with page.expect_navigation():
        page.get_by_role("button", name=button).click()


def store(page: Page) -> None:
    upload("time;kW\n2025-02-01 00:00;1\n2025-02-01 00:15;x\n2025-02-01 00:30;3")(page)
    submit(page, "Leave out")


def press(button: str) -> Callable[[Page], None]:
    return lambda page: submit(page, button)


def settle(page: Page) -> None:
    page.wait_for_load_state("networkidle")


def see_chart(page: Page) -> None:
    wait_for_chart(page)
    settle(page)


def travel(page: Page) -> None:
    wait_for_chart(page)
    page.locator("#prior").fill("2025-04-01T12:00")
    page.locator("#prior").dispatch_event("change")
    wait_for(page, lambda: page.locator("#moment").is_visible())


def review_account(page: Page) -> None:
    page.get_by_label("Name").fill("A bakery with a name that is rather long for a bakery, and has a comma")
    submit(page, "Review the account")


def mistake(page: Page) -> None:
    page.get_by_label("Resolution").fill("now and then")
    submit(page, "Review the sensor")


GOOD = "time;value;issued\n2025-02-01 00:00;1;2025-01-31\n2025-02-01 00:15;2;2025-01-31"
BAD = "time;kW\n" + "\n".join(f"0{day}/02/2025 00:00;{'x' if day % 2 else 1}" for day in range(1, 10))

VIEWS = [
    View("home", "/", None),
    View("login", "/login", None),
    View("docs", "/docs", act=settle),
    View("overview", "/"),
    View("overview-nothing-found", "/?q=no+such+sensor"),
    View("sensor", "/sensors/1", act=see_chart),
    View("sensor-then", "/sensors/1?first=2025-04-01&last=2025-04-02", act=travel),
    View("sensor-long-name", "/sensors/4", act=see_chart),
    View("sensor-nothing-known", "/sensors/5"),
    View("market", "/sensors/7", act=see_chart),
    View("weather", "/sensors/8", act=see_chart),
    View("upload", "/sensors/4/upload"),
    View("upload-check", "/sensors/12/upload", act=upload(GOOD)),
    View("upload-problems", "/sensors/12/upload", act=upload(BAD)),
    View("upload-refused", "/sensors/12/upload", act=upload(" "), code=400),
    View("upload-receipt", "/sensors/12/upload", act=store),
    View("profile", "/profile"),
    View("profile-token", "/profile", act=press("Get a token")),
    View("no-such-page", "/no/such/page", code=404),
    View("administration", "/administration", ADMIN),
    View("administration-changes", "/administration/changes", ADMIN),
    View("accounts", "/administration/accounts", ADMIN),
    View("account", "/administration/accounts/2", ADMIN),
    View("account-new", "/administration/accounts/new", ADMIN),
    View("account-confirm", "/administration/accounts/new", ADMIN, act=review_account),
    View("users", "/administration/users", ADMIN),
    View("user", "/administration/users/4", ADMIN),
    View("user-new", "/administration/users/new", ADMIN),
    View("user-link", "/administration/users/4", ADMIN, act=press("Make a link to set a password")),
    View("sensors", "/administration/sensors", ADMIN),
    View("sensors-nothing-found", "/administration/sensors?q=zzz", ADMIN),
    View("sensor-edit", "/administration/sensors/4", ADMIN),
    View("sensor-new", "/administration/sensors/new", ADMIN),
    View("sensor-mistake", "/administration/sensors/new", ADMIN, act=mistake, code=422),
    View("invitation-ended", "/invitation/nonsense", None, code=410),
]


def find_wider(page: Page) -> list[str]:
    """What makes the page wider than the screen, once what follows its size by script has done so."""
    found = page.evaluate(WIDER)
    for _ in range(20):
        if not found:
            break
        page.wait_for_timeout(50)
        found = page.evaluate(WIDER)
    return found


@pytest.fixture(scope="module")
def axe() -> str:
    """axe-core, as one script."""
    if AXE is None or AXE.origin is None:
        pytest.skip("accessibility is checked with axe-core: pip install axe-playwright-python")
    return Path(AXE.origin).with_name("axe.min.js").read_text("utf-8")


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_a_page_is_accessible_and_fits_a_phone(view, open_page, watch, axe, screenshot):
    if view.code >= 400:
        watch.expect(view.code)
    page = open_page(view.user)
    answer = page.goto(view.path)
    if view.act is None:
        assert answer.status == view.code
    else:
        view.act(page)
    page.evaluate(axe)
    problems = []
    for scheme, rules in (("light", None), ("dark", ["color-contrast", "link-in-text-block"])):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # no colours on their way
        page.set_viewport_size(DESKTOP)
        problems += [f"{scheme}: {found}" for found in page.evaluate(RUN_AXE, rules)]
        screenshot(page, f"{view.name}-wide-{scheme}")
        page.set_viewport_size(PHONE)
        problems += [f"phone: {found}" for found in find_wider(page)]
        screenshot(page, f"{view.name}-phone-{scheme}")
    assert not problems, "\n".join(problems)


def test_a_page_that_is_hard_to_use_is_found(page, axe):
    page.goto("/")
    page.evaluate("""() => {
      const add = (hard) => document.querySelector("main").insertAdjacentHTML("beforeend", hard);
      add(`<p style="color: #bbb; background: #ccc">faint words</p>`);
      add(`<input><p style="width: 500px">wide</p>`);
    }""")
    page.evaluate(axe)
    page.set_viewport_size(PHONE)
    found = " ".join(page.evaluate(RUN_AXE, None))
    assert "color-contrast" in found
    assert "label" in found
    assert "reaches to" in " ".join(page.evaluate(WIDER))
