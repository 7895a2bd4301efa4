"""The form of an upload: nothing it says of itself is believed, and nobody can forge what is signed."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from gridlore.services.upload.document import Document, pack
from tests.conftest import WorldClient
from tests.web.ui.browsing import Person

WORLD = Path(__file__).with_name("two_houses.toml")
ROOF = "/sensors/1/upload"
TABLE = b"time;value\n2025-03-01 00:00;-1\n"


@pytest.fixture
def client(world_client: Callable[..., WorldClient]) -> WorldClient:
    return world_client(WORLD)


def form_token(ann: Person) -> str:
    return str(ann.form(ann.go(ROOF), ROOF).fields["form_token"])


def part(headers: str, content: bytes) -> bytes:
    return b"--XX\r\nContent-Disposition: form-data; " + headers.encode() + b"\r\n\r\n" + content + b"\r\n"


def send(ann: Person, *parts: bytes, kind: str = "multipart/form-data; boundary=XX") -> httpx.Response:
    body = b"".join(parts) + b"--XX--\r\n"
    return ann.client.http.post(ROOF, content=body, headers={"Content-Type": kind, "Accept": "text/html"})


FORM = "multipart/form-data; boundary=XX"
FILE = part('name="file"; filename="meter.csv"', TABLE)


def test_what_a_browser_sends_is_read_in_any_order_with_parts_that_nobody_asked_for(ann: Person) -> None:
    token = part('name="form_token"', form_token(ann).encode())
    other = part('name="more"', b"x" * 100_000)
    for parts in ((token, FILE), (FILE, token), (other, token, other, FILE, FILE)):
        answer = send(ann, *parts)
        assert (answer.status_code, "1 in MW, every 15 min" in answer.text) == (200, True), answer.text


@pytest.mark.parametrize(
    "charset", ["punycode", "nonsense", "utf-7", "idna", "zlib", "unicode_escape", "undefined"]
)
@pytest.mark.parametrize("content", [b"x" * 400_000 + b"-" + b"a" * 400_000, b"+2AA-", b"\xff\xff"])
def test_no_codec_of_the_clients_choice_is_used(ann: Person, charset: str, content: bytes) -> None:
    began = time.process_time()
    answer = send(
        ann, part(f'name="form_token"\r\nContent-Type: text/plain; charset={charset}', content), FILE
    )
    assert answer.status_code == 403, answer.text
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("parts", "kind", "code"),
    [
        ((), FORM, 403),
        ((FILE,), FORM, 403),
        ((FILE,), "multipart/form-data", 400),
        ((FILE,), "multipart/form-data; boundary=", 400),
        ((FILE,), "text/csv", 403),
        ((part('name="a"', b"1"),) * 3000, FORM, 400),
        (
            (b"--XX\r\nContent-Disposition: form-data; name=\xff\r\n\r\n\r\n",),
            "multipart/form-data; boundary=XX",
            400,
        ),
        ((b"no form at all",), FORM, 400),
        ((part('name="a"\r\n folded', b"1"), FILE), FORM, 400),
        ((part('name="form_token"; filename="x"', b"1"),), FORM, 403),
    ],
)
def test_what_is_no_form_of_ours_is_refused(
    ann: Person, parts: tuple[bytes, ...], kind: str, code: int
) -> None:
    assert send(ann, *parts, kind=kind).status_code == code


def test_a_form_that_is_cut_off_is_told_so(ann: Person) -> None:
    token = part('name="form_token"', form_token(ann).encode())
    body = (token + FILE)[:-20]
    answer = ann.client.http.post(
        ROOF, content=body, headers={"Content-Type": "multipart/form-data; boundary=XX"}
    )
    assert (answer.status_code, "did not arrive whole" in answer.text) == (400, True)


def test_a_forms_token_signs_no_file(ann: Person) -> None:
    """A page gives a token for whatever session it is asked with, so it must open nothing but forms."""
    token = form_token(ann)
    packed = pack(Document("forged.csv", "time;value\n2025-03-01 00:00;-1\n"))
    digest = hashlib.sha256(packed.encode()).hexdigest()
    http = ann.client.http
    session = http.cookies["gridlore_session"]
    http.cookies.clear()
    page = http.get("/login", headers={"Cookie": f"gridlore_session={session}/upload/1/{digest}"})
    (signature,) = set(re.findall(r'name="form_token" value="([^"]+)"', page.text))
    http.cookies["gridlore_session"] = session
    fields = {"form_token": token, "file": packed, "signature": signature, "step": "look"}
    answer = http.post(f"{ROOF}/check", data=fields)
    assert (answer.status_code, "choose it again" in answer.text) == (400, True), answer.text
