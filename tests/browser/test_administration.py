"""An administrator adds an account, a user and a sensor; the user comes in by the link, and works."""

from __future__ import annotations

from tests.browser.harness import ADMIN, PHONE, expect


def confirm(page, button="Create"):
    page.get_by_role("button", name=button, exact=True).click()


def test_an_account_a_user_and_a_sensor_are_added_and_the_user_comes_in_by_the_link(admin_page, open_page):
    page = admin_page
    page.goto("/")
    page.get_by_role("link", name="Administration").click()
    page.get_by_role("link", name="Add an account").click()
    page.get_by_label("Name").fill("Lakeside Bakery")
    page.get_by_label("Prosumer").check()
    page.get_by_role("button", name="Review the account").click()
    expect(page.get_by_role("heading", name="Create account Lakeside Bakery?")).to_be_visible()
    confirm(page)
    expect(page.get_by_role("status")).to_contain_text("Done")

    page.goto("/administration/users/new")
    page.get_by_label("E-mail").fill("bea@bakery.example")
    page.get_by_label("Account", exact=True).select_option("Lakeside Bakery")
    page.get_by_role("button", name="Review the user").click()
    confirm(page)
    link = page.get_by_label("Link to set a password").inner_text()

    page.goto("/administration/sensors/new")
    page.get_by_label("Name").fill("Oven")
    page.get_by_label("Owner").fill("bea@bakery.example")
    page.get_by_label("Resolution").fill("PT15M")
    page.get_by_label("Time zone").fill("Europe/Amsterdam")
    page.get_by_role("button", name="Review the sensor").click()
    confirm(page)
    expect(page.get_by_role("status")).to_contain_text("Done")
    page.goto("/administration/changes")
    for word in ("Lakeside Bakery", "bea@bakery.example", "Oven"):
        expect(page.get_by_role("row").filter(has_text=word).first).to_be_visible()

    guest = open_page(None)
    guest.goto(link)
    for field in ("New password", "Once more"):
        guest.get_by_label(field).fill("bread before dawn")
    guest.get_by_role("button", name="Set the password").click()
    if guest.get_by_label("E-mail").count():
        guest.get_by_label("E-mail").fill("bea@bakery.example")
        guest.get_by_label("Password").fill("bread before dawn")
        guest.get_by_role("button", name="Log in").click()
    guest.goto("/")
    guest.get_by_role("link", name="Oven").click()
    expect(guest.get_by_text("Nothing is known about this sensor yet.")).to_be_visible()
    expect(guest.get_by_role("link", name="Cold store")).to_have_count(0)


def test_a_user_who_is_deactivated_is_out(admin_page, open_page, site, watch):
    watch.expect(401)
    page = admin_page
    page.goto("/administration/users/new")
    page.get_by_label("E-mail").fill("tom@harbour.example")
    page.get_by_label("Account", exact=True).select_option("Harbour Energy")
    page.get_by_role("button", name="Review the user").click()
    confirm(page)
    link = page.get_by_label("Link to set a password").inner_text()
    guest = open_page(None)
    guest.goto(link)
    for field in ("New password", "Once more"):
        guest.get_by_label(field).fill("tides and lighthouses")
    guest.get_by_role("button", name="Set the password").click()

    page.goto("/administration/users?q=tom")
    page.get_by_role("link", name="tom@harbour.example").click()
    page.get_by_label("Active").uncheck()
    page.get_by_role("button", name="Review the change").click()
    confirm(page, "Make this change")
    expect(page.get_by_role("status")).to_contain_text("Done")
    guest.goto("/")
    expect(guest.get_by_role("link", name="Log in").first).to_be_visible()
    guest.goto("/login")
    guest.get_by_label("E-mail").fill("tom@harbour.example")
    guest.get_by_label("Password").fill("tides and lighthouses")
    guest.get_by_role("button", name="Log in").click()
    expect(guest.get_by_text("No active user has this e-mail and password.")).to_be_visible()


def test_a_mistake_in_a_form_is_told_at_its_field(admin_page, watch):
    watch.expect(422)
    page = admin_page
    page.goto("/administration/sensors/new")
    page.get_by_label("Name").fill("Mill")
    page.get_by_label("Owner").fill("hanna@harbour.example")
    page.get_by_label("Resolution").fill("a quarter")
    page.get_by_role("button", name="Review the sensor").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Resolution")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Name")).to_have_value("Mill")


def test_a_change_can_be_made_on_a_phone(open_page):
    phone = open_page(ADMIN, viewport=PHONE, has_touch=True, is_mobile=True)
    phone.goto("/administration/sensors?q=turbine")
    phone.get_by_role("link", name="Wind turbine on the hill").click()
    phone.get_by_label("Name").fill("Wind turbine on the high hill")
    phone.get_by_role("button", name="Review the change").click()
    confirm(phone, "Make this change")
    expect(phone.get_by_role("status")).to_contain_text("Done")
