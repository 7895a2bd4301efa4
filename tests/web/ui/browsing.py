"""A person with a browser that has no JavaScript: follows links, fills in forms, reads what is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx

from tests.conftest import WorldClient

VOID = frozenset("area br col hr img input link meta path rect wbr".split())


@dataclass
class Form:
    """A form of a page: where it goes, and what it would send."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """What of a page a person can use and read."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self._select = ""
        self._glue = False  # a place where a line may break stands within a word
        self.feed(html)
        assert not self.open, f"these elements are never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in VOID and tag != "option":
            self.open.append(tag)
        self._glue = tag == "wbr"
        if tag == "form":
            self.forms.append(Form(given["action"], given.get("method", "get")))
        elif tag == "a":
            self.links.append(given.get("href", ""))
        elif tag == "select":
            self._select = given.get("name", "")  # scripts have some without
        elif tag == "option" and "select" in self.open and "selected" in given:
            self.forms[-1].fields[self._select] = given.get("value", "\0")  # a text follows
        elif tag == "input" and "form" in self.open and "disabled" not in given and "name" in given:
            if given.get("type") != "checkbox":
                self.forms[-1].fields[given["name"]] = given.get("value", "")
            elif "checked" in given:
                self.forms[-1].fields[given["name"]] = given.get("value", "on")
        elif tag == "button" and given.get("name") == "seal":
            self.forms[-1].fields["seal"] = given["value"]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID and tag != "option":
            assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if data.strip():
            text = " ".join(data.split())
            self.texts += [self.texts.pop() + text] if self._glue else [text]
            self._glue = False
            if self._select and self.forms and self.forms[-1].fields.get(self._select) == "\0":
                self.forms[-1].fields[self._select] = data.strip()

    @property
    def text(self) -> str:
        """All that can be read."""
        return " ".join(self.texts)


@dataclass
class Person:
    """Uses the pages of an application."""

    client: WorldClient
    answer: httpx.Response = field(init=False)

    def log_in(self, email: str, password: str) -> int:
        """Begin a session; the answer's code."""
        self.client.http.cookies.clear()
        form = {"email": email, "password": password}
        self.answer = self.client.http.post("/login", data=form, follow_redirects=False)
        return self.answer.status_code

    def go(self, path: str, code: int = 200) -> Page:
        """Open a page."""
        headers = {"Accept": "text/html,application/xhtml+xml"}
        self.answer = self.client.http.get(path, headers=headers, follow_redirects=False)
        assert self.answer.status_code == code, self.answer.text
        return Page(self.answer.text)

    def send(self, form: Form, code: int = 200, **changed: str | None) -> Page:
        """Send a form with some fields changed (None: left out); a redirect is followed."""
        fields = {**form.fields, **changed}
        data = {name: value for name, value in fields.items() if value is not None}
        self.answer = self.client.http.post(form.action, data=data, follow_redirects=True)
        assert self.answer.status_code == code, self.answer.text
        return Page(self.answer.text)

    def form(self, page: Page, action: str) -> Form:
        """The form of a page that goes to this address."""
        (found,) = [form for form in page.forms if form.action == action]
        return found

    def change(self, path: str, **changed: str | None) -> Page:
        """Change fields of the form on the page at this address, and confirm what it would do."""
        confirmation = self.send(self.form(self.go(path), path.partition("?")[0]), **changed)
        return self.send(self.form(confirmation, path.partition("?")[0]))
