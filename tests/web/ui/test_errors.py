"""What goes wrong is a page for people with a browser, and JSON for everybody else."""

import pytest

from tests.conftest import WorldClient
from tests.web.ui.browsing import Person

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_an_unknown_page_is_told_in_a_page_with_the_way_out(client: WorldClient) -> None:
    person = Person(client)
    page = person.go("/no/such/page", 404)
    assert "There is no such page" in page.text
    assert "/" in page.links
    assert "default-src 'self'" in person.answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/api/nothing", "/schema/nothing", "/static/nothing.css"])
def test_below_the_api_and_the_files_it_stays_json(client: WorldClient, path: str) -> None:
    answer = client.http.get(path, headers=BROWSER)
    assert answer.status_code == 404
    assert answer.json()["status"] == "NOT_FOUND"


def test_programs_get_json_wherever_they_ask(client: WorldClient) -> None:
    for accept in ("*/*", "application/json"):
        assert client.http.get("/nothing", headers={"Accept": accept}).json()["status"] == "NOT_FOUND"


def test_a_wrong_method_is_told_with_the_right_ones(client: WorldClient) -> None:
    answer = client.http.delete("/login", headers=BROWSER)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")
    assert "<h1>" in answer.text


def test_a_form_of_an_earlier_session_is_refused_in_words(client: WorldClient) -> None:
    person = Person(client)
    person.log_in("ann@plug.example", "ann's password")
    answer = client.http.post("/logout", data={"form_token": "old"}, headers=BROWSER)
    assert answer.status_code == 403
    assert "page of an earlier session" in answer.text
