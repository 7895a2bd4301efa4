"""Uploading a file without JavaScript: choose it, look at what it says, store it, and who may."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Event, Semaphore
from typing import Any
from unittest.mock import Mock

import pytest
from openpyxl import Workbook

from gridlore.bootstrap import connect_store
from gridlore.domain.errors import StoreRefusalError
from gridlore.store.attempts import write
from gridlore.store.interface import Store, WriteTransaction
from tests.conftest import WorldClient, wait_for
from tests.web.ui.administering import recorded
from tests.web.ui.browsing import Page, Person

WORLD = Path(__file__).with_name("two_houses.toml")
ROOF, CAR, MARKET = "/sensors/1/upload", "/sensors/2/upload", "/sensors/3/upload"


@pytest.fixture
def client(world_client: Callable[..., WorldClient]) -> WorldClient:
    return world_client(WORLD)


def quarter_hours(count: int = 40, **changed: str) -> str:
    """A table in which row n, counted from 1 as spreadsheets do, can be given another value."""
    lines = ["time;value"]
    lines += [f"2025-03-01 {i // 4:02}:{i % 4 * 15:02};{-i / 100}" for i in range(count)]
    for row, value in changed.items():
        number = int(row.removeprefix("row")) - 1
        lines[number] = lines[number].split(";")[0] + ";" + value
    return "\n".join(lines)


def upload(person: Person, path: str, data: str | bytes, code: int = 200, name: str = "meter.csv") -> Page:
    """Choose a file and send it."""
    form = person.form(person.go(path), path)
    content = data.encode() if isinstance(data, str) else data
    fields = {name: value for name, value in form.fields.items() if name != "file"}
    person.answer = person.client.http.post(form.action, data=fields, files={"file": (name, content)})
    assert person.answer.status_code == code, person.answer.text
    return Page(person.answer.text)


def check(person: Person, page: Page, path: str = ROOF, code: int = 200, **changed: str | None) -> Page:
    """Press a button of the second step."""
    fields: dict[str, str | None] = {"known": "end", "step": "look", **changed}
    return person.send(person.form(page, f"{path}/check"), code, **fields)


def stored(client: WorldClient, user: str = "ann", **fields: Any) -> list[float | None]:
    """What the API knows of the roof on that morning."""
    period = {"start": "2025-03-01T00:00:00+01:00", "duration": "PT2H30M"}
    answer = client.get(user, "getPrognosis", connection="Roof", unit="MW", **{**period, **fields})
    assert answer.status_code == 200, answer.text
    values: list[float | None] = answer.json()["values"]
    return values


def test_a_file_is_looked_at_then_stored_and_the_receipt_leads_to_the_sensor(ann, client):
    page = upload(ann, ROOF, quarter_hours())
    assert "40 in MW, every 15 min" in page.text
    assert "Sat 1 Mar 2025 00:00 +01:00 to Sat 1 Mar 2025 10:00 +01:00" in page.text
    assert stored(client) == []
    receipt = check(ann, page, step="store")
    assert "Stored 40 values Unchanged 0 Left out none Period Sat 1 Mar 2025 00:00 +01:00" in receipt.text
    assert "/sensors/1?first=2025-03-01&last=2025-03-01" in receipt.links
    assert stored(client) == [0, *[-i / 100 for i in range(1, 10)]]


def test_what_was_uploaded_is_on_the_record_before_the_receipt_is_shown(ann, client):
    check(ann, upload(ann, ROOF, quarter_hours()), step="store")
    (entry,) = recorded(client)
    assert (entry.action, entry.title) == ("import", "connection Roof")
    assert entry.after == {"file": "meter.csv", "stored": "40", "unchanged": "0"}


def test_the_same_file_again_is_no_news(ann):
    for told in ("Stored 40 values Unchanged 0", "Nothing new", "Stored 0 values Unchanged 40"):
        page = upload(ann, ROOF, quarter_hours())
        if told == "Nothing new":
            assert told in check(ann, page, step="store").text
        else:
            assert told in check(ann, page, step="store").text


def test_an_error_is_told_with_its_row_and_nothing_is_stored_until_the_row_is_left_out(ann, client):
    page = upload(ann, ROOF, quarter_hours(row17="abc"))
    assert 'row 17: "abc" is no number in column value' in page.text
    assert "Leave out 1 row and store 39 values" in page.text
    refused = check(ann, page, step="store", code=400)
    assert "Nothing was stored. 1 row cannot be read; correct the file, or leave them out." in refused.text
    assert stored(client) == []
    receipt = check(ann, page, step="store_rest")
    assert "Stored 39 values Unchanged 0 Left out 1 row" in receipt.text
    assert "Gaps 1 interval without a value" in receipt.text
    assert stored(client, start="2025-03-01T03:30:00+01:00", duration="PT45M") == [-0.14, None, -0.16]


def test_what_was_not_looked_at_is_not_stored(ann, client):
    page = upload(ann, ROOF, quarter_hours())
    again = check(ann, page, step="store", unit="kW", code=400)
    assert "the choices have changed. Look at what the file says now" in again.text
    assert stored(client) == []
    assert "Stored 40 values" in check(ann, again, step="store", unit="kW").text
    assert stored(client)[4] == -0.00004


@pytest.mark.parametrize(
    ("choice", "value", "problem"),
    [
        ("timezone", "Europe/Nowhere", "A time zone has a name of the IANA database"),
        ("first_row", "many", "For the first row of data a number from 1 to 41 was expected"),
        ("unit", "kg", "cannot be chosen here"),
        ("known", "time", "Say when the forecast was made."),
    ],
)
def test_a_choice_that_cannot_be_is_told_at_its_field_and_nothing_is_stored(
    ann, client, choice, value, problem
):
    page = upload(ann, ROOF, quarter_hours())
    assert problem in check(ann, page, **{choice: value}).text
    assert problem in check(ann, page, step="store", code=400, **{choice: value}).text
    assert stored(client) == []


def test_several_runs_are_stored_together_or_not_at_all(ann, client):
    before = upload(ann, ROOF, "t;v\n2025-03-01 02:00;-9")
    assert "Stored 1 value" in check(ann, before, step="store").text
    lines = quarter_hours(40, row5="")
    page = upload(ann, ROOF, lines)
    refused = check(ann, page, step="store", code=403)
    assert "Nothing was stored." in refused.text
    assert "measured, known now" in refused.text
    assert [value for value in stored(client) if value is not None] == [-9]


def test_corrections_are_known_now(ann, client):
    check(ann, upload(ann, ROOF, quarter_hours()), step="store")
    page = upload(ann, ROOF, quarter_hours(4, row3="-7", row5="-8"))
    page = check(ann, page, known="now")
    assert "Stored 2 values Unchanged 2" in check(ann, page, known="now", step="store").text
    assert stored(client)[:4] == [0, -7, -0.02, -8]
    assert stored(client, prior="2025-06-01T00:00:00Z")[:4] == [0, -0.01, -0.02, -0.03]


def test_forecasts_are_known_when_they_were_made(ann, client):
    made = {"known": "time", "belief_time": "2025-02-28T12:00"}
    page = check(ann, upload(ann, ROOF, quarter_hours(4)), **made)
    check(ann, page, step="store", **made)
    ahead = {"known": "horizon", "ahead": "6", "ahead_unit": "hours"}
    page = check(ann, upload(ann, ROOF, quarter_hours(4, row2="-5")), **ahead)
    check(ann, page, step="store", **ahead)
    quarters = {"start": "2025-03-01T00:00:00+01:00", "duration": "PT1H"}
    assert stored(client, **quarters) == [-5, -0.01, -0.02, -0.03]
    assert stored(client, prior="2025-02-28T11:00:00Z", **quarters)[0] == 0
    assert stored(client, prior="2025-02-28T10:59:00Z", **quarters) == []
    assert stored(client, horizon="PT7H", **quarters) == [0, -0.01, -0.02, -0.03]


def test_a_sheet_of_a_workbook_can_be_chosen(ann, client):
    workbook = Workbook()
    workbook.active.append(["nothing", "here"])
    sheet = workbook.create_sheet("Power <b>")
    sheet.append(["when", "what", "kW"])
    for minute in (0, 15, 30, 45):
        sheet.append([datetime(2025, 3, 1, 0, minute), "roof", -minute])
    file = io.BytesIO()
    workbook.save(file)
    page = upload(ann, ROOF, file.getvalue(), name="book.xlsx")
    page = check(ann, page, sheet="1")
    assert "4 in MW, every 15 min" in page.text
    assert "Stored 4 values" in check(ann, page, step="store").text
    assert stored(client, duration="PT1H") == [0, -0.015, -0.03, -0.045]


def test_prices_go_to_markets(ann, client):
    lines = "\n".join(["hour;ct", *[f"2025-03-01 {hour:02}:00;{hour / 100}" for hour in range(24)]])
    page = check(ann, upload(ann, MARKET, lines), MARKET, unit="EUR/kWh")
    assert "Stored 24 values" in check(ann, page, MARKET, unit="EUR/kWh", step="store").text
    query = {"sensor": "intraday", "start": "2025-03-01T02:00:00+01:00", "duration": "PT1H"}
    answer = client.request("zoe", "GET", "/api/gridlore/v1/data", query=query)
    assert answer.json()["values"] == [20]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "The file is empty."),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0d", "neither text nor an Excel workbook"),
        (b"PK\x03\x04rubbish", "looks like an Excel workbook, and is broken"),
        (b"\xd0\xcf\x11\xe0old", "old kind (.xls)"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_the_reason(ann, data, problem):
    assert problem in upload(ann, ROOF, data, code=400).text


def test_a_file_without_any_time_shows_what_is_in_it(ann):
    page = upload(ann, ROOF, "just some words\nand others")
    assert "There is nothing to store." in page.text


def test_no_file_at_all_is_told(ann):
    form = ann.form(ann.go(ROOF), ROOF)
    fields = {"form_token": form.fields["form_token"]}
    for files in ({"file": ("", b"")}, {"other": ("a", b"")}):
        ann.answer = ann.client.http.post(ROOF, data=fields, files=files)
        assert ann.answer.status_code == 400
        assert "Choose a file first." in ann.answer.text


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "multipart/form-data"}, {"Content-Type": "multipart/form-data; boundary=x"}]
)
def test_a_form_that_is_none_is_refused(ann, headers):
    answer = ann.client.http.post(ROOF, content=b"\x00 no form", headers=headers)
    assert answer.status_code in (400, 403)


def test_names_of_files_and_columns_are_text_only(ann):
    page = upload(ann, ROOF, "<i>t</i>;<script>v\n2025-03-01 00:00;<b>1", name="<img src=x>.csv")
    assert "<script>v" in page.text
    for tag in ("<i>", "<script>v", "<img", "<b>1"):
        assert tag not in ann.answer.text


def test_only_who_sees_a_sensor_can_upload_for_it(ann, client):
    page = upload(ann, ROOF, quarter_hours())
    form = ann.form(page, f"{ROOF}/check")
    ann.go(CAR, code=404)
    for path in (CAR, "/sensors/99/upload"):
        files = {"file": ("a.csv", quarter_hours().encode())}
        data = {"form_token": form.fields["form_token"]}
        assert client.http.post(path, data=data, files=files).status_code == 404
        assert client.http.post(f"{path}/check", data=form.fields).status_code == 404
    client.http.cookies.clear()
    ann.go(ROOF, code=303)
    assert ann.answer.headers["location"].startswith("/login?next=")
    assert client.http.post(f"{ROOF}/check", data=form.fields, follow_redirects=False).status_code == 303


def test_users_of_an_account_without_a_role_cannot_upload_as_they_cannot_post(world_client, tmp_path):
    world = (
        WORLD.read_text()
        + """
[[account]]
name = "Bystanders"
[[user]]
email = "nora@house.example"
account = "Bystanders"
password = "nora's password"
"""
    )
    (tmp_path / "world.toml").write_text(world)
    nora = Person(world_client(tmp_path / "world.toml"))
    nora.log_in("nora@house.example", "nora's password")
    nora.go(MARKET, code=404)
    nora.log_in("ann@house.example", "ann's password")
    nora.go(MARKET)


def test_a_form_of_another_session_or_another_site_is_refused(ann, client):
    form = ann.form(upload(ann, ROOF, quarter_hours()), f"{ROOF}/check")
    elsewhere = client.http.post(form.action, data=form.fields, headers={"Origin": "https://evil.example"})
    assert elsewhere.status_code == 403
    no_token = {**form.fields, "form_token": ""}
    assert client.http.post(form.action, data=no_token).status_code == 403
    data, files = {"form_token": "x"}, {"file": ("a.csv", b"a;1")}
    assert client.http.post(ROOF, data=data, files=files).status_code == 403
    assert stored(client) == []


def test_a_file_that_travels_cannot_be_exchanged_or_taken_to_another_sensor(ann, client):
    roof = ann.form(upload(ann, ROOF, quarter_hours()), f"{ROOF}/check")
    market = ann.form(upload(ann, MARKET, "t;v\n2025-03-01 00:00;1"), f"{MARKET}/check")
    for changed in (
        {"file": market.fields["file"]},
        {"signature": "x"},
        {"signature": market.fields["signature"]},
    ):
        answer = client.http.post(roof.action, data={**roof.fields, **changed, "step": "store"})
        assert answer.status_code == 400
        assert "Please choose it again" in answer.text
    assert client.http.post(market.action, data={**roof.fields, "step": "store"}).status_code == 400


def test_a_file_that_is_too_large_is_told_so(ann):
    assert (
        "at most 16 MiB can be uploaded" in upload(ann, ROOF, b"1;2\n" * (4 * 1024 * 1024 + 1), code=400).text
    )


def test_the_second_step_cannot_be_opened_directly(ann):
    ann.go(f"{ROOF}/check", code=303)
    assert ann.answer.headers["location"] == ROOF


def test_who_is_deactivated_while_a_file_waits_to_be_stored_stores_nothing(ann, client, monkeypatch):
    store, page = connect_store(client.settings), upload(ann, ROOF, quarter_hours())

    def deactivate_and_write(writing: Store, work: Callable[[WriteTransaction], Any]) -> Any:
        user = next(one for one in store.read_directory().users if one.email == "ann@house.example")
        with store.change_directory() as transaction:
            transaction.save_user(replace(user, active=False))
        wait_for(lambda: client.request("ann", "GET", "/api/gridlore/v1/sensors").status_code == 401)
        return write(writing, work)

    with monkeypatch.context() as patch:
        patch.setattr("gridlore.store.writer.write", deactivate_and_write)
        check(ann, page, step="store")
    assert ann.answer.url.path == "/login"
    assert not store.read_heads([1])[1].events_end
    store.close()


def test_what_cannot_be_stored_now_is_told_with_when_to_come_again(ann, client, monkeypatch):
    page = upload(ann, ROOF, quarter_hours())
    with monkeypatch.context() as patch:
        patch.setattr("gridlore.store.writer.write", Mock(side_effect=StoreRefusalError("Held up.")))
        refused = check(ann, page, step="store", code=503)
    assert "Held up." in refused.text
    assert int(ann.answer.headers["Retry-After"]) > 0
    assert "default-src" in ann.answer.headers["Content-Security-Policy"]


def test_the_limit_of_values_holds_for_an_upload_too(world_client):
    client = world_client(WORLD, MAX_VALUES_PER_MESSAGE="30")
    person = Person(client)
    person.log_in("ann@house.example", "ann's password")
    page = upload(person, ROOF, quarter_hours(40, row20=""))
    refused = check(person, page, step="store", code=413)
    assert "At most 30 values may be stored at once" in refused.text
    assert stored(client) == []


def test_pages_of_an_upload_carry_no_script_of_their_own(ann):
    upload(ann, ROOF, quarter_hours(row17="abc"))
    policy = ann.answer.headers["content-security-policy"]
    assert "script-src" not in policy and "default-src 'self'" in policy
    assert ann.answer.text.count("<script") == ann.answer.text.count('<script src="/static/')
    assert "onclick" not in json.dumps(ann.answer.text)


def test_workbooks_that_take_their_time_keep_neither_reads_nor_tables_waiting(ann, client, monkeypatch):
    held, asked = Event(), Semaphore(0)

    def read_at_leisure(_: bytes) -> dict[str, Any]:
        asked.release()
        held.wait(30)
        return {"problem": "It took too long."}

    monkeypatch.setattr("gridlore.services.upload.workbook._run_child", read_at_leisure)
    data = {"form_token": ann.form(ann.go(ROOF), ROOF).fields["form_token"]}
    with ThreadPoolExecutor(12) as others:
        sent = [
            others.submit(client.http.post, ROOF, data=data, files={"file": ("a.xlsx", b"PK\x03\x04")})
            for _ in range(12)
        ]
        try:
            assert asked.acquire(timeout=10)
            assert not asked.acquire(timeout=0.3), "two workbooks of one user are read at once"
            began = time.monotonic()
            assert stored(client) == []
            upload(ann, ROOF, quarter_hours())
            assert time.monotonic() - began < 5
        finally:
            held.set()
        assert [future.result().status_code for future in sent] == [400] * 12
