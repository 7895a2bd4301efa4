"""Logging in and out, in the browser."""

import pytest

from tests.browser.harness import HANNA, PASSWORDS, expect, wait_for


def test_logging_in_leads_to_the_page_that_was_asked_for(open_page, site):
    page = open_page(None)
    page.goto("/login?next=/docs")
    page.get_by_label("E-mail").fill(HANNA)
    page.get_by_label("Password").fill(PASSWORDS[HANNA])
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{site.url}/docs")


def test_a_wrong_password_is_told_and_the_e_mail_kept(open_page, watch):
    watch.expect(401)
    page = open_page(None)
    page.goto("/login")
    page.get_by_label("E-mail").fill(HANNA)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("No active user has this e-mail and password.")).to_be_visible()
    assert page.get_by_label("E-mail").input_value() == HANNA


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_are_those_the_user_prefers(page, scheme):
    page.goto("/")
    red = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]")
    assert (int(red) < 128) == (scheme == "dark")


def test_a_page_that_asks_another_host_fails_its_test(open_page, watch):
    for bypass, told in (
        (False, "Content Security Policy"),
        (True, "request to another host: http://192.0.2.1/"),
    ):
        page = open_page(bypass_csp=bypass)
        page.goto("/")
        page.evaluate("fetch('http://192.0.2.1/', {signal: AbortSignal.timeout(100)}).catch(() => 0)")
        assert any(told in problem for problem in watch.problems)
        watch.problems.clear()


def test_a_page_with_an_error_fails_its_test(page, watch):
    page.goto("/")
    page.evaluate("setTimeout(() => { console.error('oh'); throw new Error('no'); })")
    wait_for(page, lambda: len(watch.problems) == 2)
    watch.problems.clear()
