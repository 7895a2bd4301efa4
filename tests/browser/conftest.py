"""Pages in the system's Chromium, before a real server; a page that misbehaves fails its test.

``page`` (1280 × 800) and ``phone`` (360 × 740) are logged in as hanna, ``admin_page`` as the admin;
parametrize ``scheme`` with "dark" for the dark colours. ``watch.expect(404)`` allows an answer.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.harness import (
    ADMIN,
    ARGUMENTS,
    COOKIE,
    DESKTOP,
    HANNA,
    PASSWORDS,
    PATIENCE,
    PHONE,
    Browser,
    Page,
    Site,
    Watch,
    expect,
    find_chromium,
    find_missing,
    start_server,
    sync_playwright,
)
from tests.browser.series import fill

HERE = Path(__file__).parent
PageOpener = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = find_missing()
    if missing:
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=missing))


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running server with three weeks of data."""
    process, running = start_server(tmp_path_factory.mktemp("site"))
    try:
        fill(running.url, PASSWORDS)
        yield running
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium; it ends with this folder, because other tests cannot run a loop of their own beside it."""
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=find_chromium(), headless=True, args=list(ARGUMENTS)
        )
        yield chromium
        chromium.close()


@pytest.fixture
def scheme() -> str:
    """The colours the user prefers: "light" or "dark"."""
    return "light"


@pytest.fixture
def watch(site: Site) -> Iterator[Watch]:
    """What the pages of a test did wrong: the test fails if they did."""
    watching = Watch(site)
    yield watching
    complaints = watching.complaints()
    assert not complaints, "\n".join(complaints)


@pytest.fixture(scope="package")
def profiles(browser: Browser) -> Iterator[dict[str, Any]]:
    """What the browser keeps for each user and kind of device: charts come from its cache after the first."""
    kept: dict[str, Any] = {}
    yield kept
    for context in kept.values():
        context.close()


@pytest.fixture
def open_page(
    site: Site, browser: Browser, profiles: dict[str, Any], watch: Watch, scheme: str
) -> Iterator[PageOpener]:
    """Makes watched pages: of a user, or of nobody, with a viewport and what else a context may have."""
    pages, contexts = [], []

    def open_one(
        user: str | None = HANNA, viewport: dict[str, int] = DESKTOP, *, colours: str = scheme, **more: Any
    ) -> Page:
        options = {
            "base_url": site.url,
            "viewport": viewport,
            "color_scheme": colours,
            "locale": "en-GB",
            "timezone_id": "Europe/Amsterdam",
            **more,
        }
        context = profiles.get(f"{user} {options}") or browser.new_context(**options)
        context.set_default_timeout(PATIENCE * 1000)
        if user:
            profiles[f"{user} {options}"] = context
            context.add_cookies([{"name": COOKIE, "value": site.session(user), "url": site.url}])
        else:
            contexts.append(context)
        page = context.new_page()
        pages.append(page)
        watch.follow(page)
        return page

    yield open_one
    for page in pages:
        page.close()
    for context in contexts:
        context.close()


@pytest.fixture
def page(open_page: PageOpener) -> Page:
    """A desktop page, logged in as hanna."""
    return open_page()


@pytest.fixture
def phone(open_page: PageOpener) -> Page:
    """A phone's page, logged in as hanna."""
    return open_page(viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)


@pytest.fixture
def admin_page(open_page: PageOpener) -> Page:
    """A desktop page, logged in as the admin."""
    return open_page(ADMIN)


@pytest.fixture
def screenshot(request: pytest.FixtureRequest) -> Callable[[Page, str], None]:
    """Keeps a picture of a whole page in the folder of GRIDLORE_TEST_SCREENSHOTS, if that is set."""
    folder = os.environ.get("GRIDLORE_TEST_SCREENSHOTS")

    def take(page: Page, name: str) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(
                path=Path(folder) / f"{re.sub(r'[^a-z0-9]+', '-', name.lower())}.png", full_page=True
            )

    return take
