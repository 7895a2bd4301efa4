"""What goes wrong is a page for people with a browser, and JSON for everybody else."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from gridlore.domain.errors import OverloadError
from gridlore.web.threads import Threads
from gridlore.web.ui.rendering import PAGE_HEADERS
from tests.conftest import WorldClient
from tests.web.ui.browsing import Page, Person

WORLD = Path(__file__).with_name("grid.toml")
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


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", "GET"),
        ("/logout", "POST"),
        ("/profile", "GET"),
        ("/profile/token", "POST"),
        ("/profile/keys/glk_abc/revoke", "POST"),
        ("/sensors/1", "GET"),
        ("/sensors/1/upload", "GET, POST"),
        ("/administration/users/new", "GET, POST"),
        ("/administration/users/1", "GET, POST"),
        ("/administration/passwords/1", "POST"),
        ("/invitation/abc", "GET, POST"),
        ("/static/site.css", "GET"),
    ],
)
def test_pages_name_the_methods_they_are_served_for(client: WorldClient, path: str, allowed: str) -> None:
    answer = client.http.delete(path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
    assert answer.json()["message"].startswith(f"{path} is served for {allowed}; got DELETE.")


def test_a_form_of_an_earlier_session_is_refused_in_words(client: WorldClient) -> None:
    person = Person(client)
    person.log_in("ann@plug.example", "ann's password")
    answer = client.http.post("/logout", data={"form_token": "old"}, headers=BROWSER)
    assert answer.status_code == 403
    assert "page of an earlier session" in answer.text


def test_who_is_turned_away_at_the_door_gets_a_page_in_a_browser_and_else_json(
    world_client: Callable[..., WorldClient],
) -> None:
    client = world_client(WORLD, REQUESTS_PER_ADDRESS="1")

    def turned_away(path: str, accept: str) -> httpx.Response:
        for _ in range(100):
            answer = client.http.get(path, headers={"Accept": accept}, follow_redirects=False)
            if answer.status_code == 429:
                assert 1 <= int(answer.headers["Retry-After"]) <= 10
                return answer
        raise AssertionError("a hundred requests were let pass")

    for path in ("/", "/sensors/1?first=2025-01-01", "/nothing"):
        answer = turned_away(path, BROWSER["Accept"])
        page = Page(answer.text)
        assert "1 per second from one address" in page.text
        assert "" in page.links, "the way to the same page"
        assert answer.headers["Content-Type"].startswith("text/html")
        assert answer.headers.get_list("Content-Security-Policy") == [PAGE_HEADERS["Content-Security-Policy"]]
    for path, accept in (("/", "*/*"), ("/api/", BROWSER["Accept"]), ("/static/no.css", BROWSER["Accept"])):
        assert turned_away(path, accept).json()["status"] == "TOO_MANY_REQUESTS"


def test_who_is_to_come_again_hears_when_from_scripts_and_forms_too(
    world_client: Callable[..., WorldClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person(world_client(WORLD, LOGIN_ATTEMPTS="5"))
    assert {person.log_in("cleo@meter.example", "a guess") for _ in range(6)} == {401, 429}
    assert int(person.answer.headers["Retry-After"]) > 0
    assert person.answer.headers["Cache-Control"] == "no-store"
    assert person.log_in("ann@plug.example", "ann's password") == 303

    async def have_no_time(*_: object) -> None:
        raise OverloadError("Too busy.")

    monkeypatch.setattr(Threads, "run_for", have_no_time)
    for path in ("series.json", "data.csv", "quality.json"):
        answer = person.client.http.get(f"/sensors/1/{path}?start=2024-05-01&end=2024-05-02")
        assert (answer.status_code, answer.json()["message"]) == (503, "Too busy.")
        assert int(answer.headers["Retry-After"]) > 0
