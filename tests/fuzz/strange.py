"""Strange requests: the messages of the vectors, with things done to them that clients do, and some do not.

A message is changed as fields first, then as JSON text, then as HTTP; each change is drawn from a list.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote_from_bytes

from hypothesis import strategies as st

from tests.acceptance.test_vectors import ABSENT, Player, read_scenarios
from tests.fuzz.sending import Sent

Draw = Callable[[st.SearchStrategy[Any]], Any]

STRANGE = json.loads(
    Path(__file__).with_name("strange.json").read_text(),
    object_hook=lambda found: found["$repeat"][0] * found["$repeat"][1] if "$repeat" in found else found,
)
"""What to put into messages and requests; ``{"$repeat": [x, n]}`` is n times x, headers are Latin-1."""
NUMBERS, TEXTS, KEYS = STRANGE["numbers"], STRANGE["texts"], STRANGE["keys"]
DURATIONS, INSTANTS = STRANGE["durations"], STRANGE["instants"]
HEADERS = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in STRANGE["headers"]]
METHODS = [method.encode() for method in STRANGE["methods"]]
PATHS = [path.encode("latin-1") for path in STRANGE["paths"]]
TIMES = DURATIONS + INSTANTS
OF_FIELD = {
    **dict.fromkeys(("start", "prior", "end"), INSTANTS),
    **dict.fromkeys(("duration", "horizon", "resolution"), DURATIONS),
}
DEEDS = ("drop", "copy", "retype", "strange", "inside", "add", "rename", "wrap", "long")
RETYPED: list[Callable[[Any], Any]] = [str, lambda x: [x], lambda x: {"": x}, lambda x: [x, x]]
HTTP_DEEDS = ("header", "header", "header", "method", "path", "packing", "bytes", "cut", "chunks")


@dataclass
class Message:
    """A request before it becomes bytes."""

    method: str
    path: str
    user: str | None
    query: list[tuple[str, Any]] = field(default_factory=list)
    fields: list[tuple[str, Any]] | None = None


def read_messages() -> list[Message]:
    """Every message of the vectors about their common world, as its scenario sends it."""
    nobody = cast(Any, SimpleNamespace(token=lambda _: "no token"))
    found = []
    for parameters in read_scenarios():
        scenario, day = cast(tuple[dict[str, Any], date], parameters.values)
        if "world" in scenario:
            continue  # its users are strangers to the server that is tested
        player = Player(nobody, scenario, day)
        for step in scenario["steps"]:
            endpoint = step.get("post") or step.get("get")
            user = step.get("user", scenario.get("user", "vera"))
            query = player.fill(step.get("query", {}))
            pairs = list(query.items()) if isinstance(query, dict) else []
            body = player.fill(step.get("json", ABSENT))
            if endpoint is None:
                method, path = step["send"].split()
            else:
                method, path = ("POST" if "post" in step else "GET"), f"/api/v1_1/{endpoint}"
                given = player.message(step, endpoint)
                if "post" in step or step.get("in_body"):
                    body = given if body is ABSENT else body
                else:
                    pairs = [*given.items(), *pairs]
            if len(str(body)) < 20_000:
                fields = list(body.items()) if isinstance(body, dict) else None
                found.append(Message(method, path, user, pairs, fields))
    return found


MESSAGES = read_messages()

scalars = (
    st.sampled_from(NUMBERS)
    | st.sampled_from(TEXTS)
    | st.sampled_from(TIMES)
    | st.sampled_from([None, True, False, [], {}, [[]], [{}], {"": None}])
    | st.text(max_size=8)
    | st.floats(allow_nan=True)
    | st.integers()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=6,
)


def change_pairs(draw: Draw, pairs: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Fields, with one thing done to them."""
    pairs = list(pairs)
    deed = draw(st.sampled_from(DEEDS))
    if not pairs or deed == "add":
        return [*pairs, (draw(st.sampled_from(KEYS)), draw(values))]
    place = draw(st.integers(0, len(pairs) - 1))
    key, value = pairs[place]
    if deed == "drop":
        del pairs[place]
    elif deed == "copy":
        pairs.insert(draw(st.integers(0, len(pairs))), (key, draw(values) if draw(st.booleans()) else value))
    elif deed == "retype":
        pairs[place] = (
            key,
            draw(st.sampled_from(RETYPED))(value),
        )
    elif deed == "strange":
        pairs[place] = key, draw(st.sampled_from(OF_FIELD[key]) if key in OF_FIELD else values)
    elif deed == "inside":
        pairs[place] = key, change_inside(draw, value)
    elif deed == "rename":
        pairs[place] = draw(st.sampled_from(KEYS)), value
    elif deed == "wrap":
        for _ in range(draw(st.sampled_from([1, 2, 60, 250]))):
            value = [value]
        pairs[place] = key, value
    elif isinstance(value, list | dict):
        pairs[place] = key, [value] * draw(st.sampled_from([0, 2]))  # many of many would be too many for us
    else:
        pairs[place] = key, [value] * draw(st.sampled_from([0, 2, 97, 3000]))
    return pairs


def change_inside(draw: Draw, value: Any) -> Any:
    """A value with something in it replaced."""
    if isinstance(value, list) and value and draw(st.booleans()):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], change_inside(draw, value[place]), *value[place + 1 :]]
    if isinstance(value, dict) and value:
        return dict(change_pairs(draw, list(value.items())))
    if isinstance(value, str) and value and draw(st.booleans()):
        place = draw(st.integers(0, len(value)))
        return value[:place] + draw(st.text(max_size=2) | st.sampled_from(TEXTS)) + value[place + 1 :]
    return draw(values)


def to_json(draw: Draw, fields: list[tuple[str, Any]]) -> bytes:
    """The fields as JSON text, duplicate keys and all."""
    ascii_only = draw(st.booleans())
    inner = ", ".join(
        f"{json.dumps(key, ensure_ascii=ascii_only)}: {json.dumps(value, ensure_ascii=ascii_only)}"
        for key, value in fields
    )
    encoding = draw(st.sampled_from(["utf-8"] * 8 + ["utf-16", "utf-8-sig", "latin-1"]))
    return f"{{{inner}}}".encode(encoding, "surrogatepass" if encoding.startswith("utf") else "replace")


def to_query(pairs: list[tuple[str, Any]]) -> bytes:
    """The fields as a query string; a list is its key repeated, an object JSON."""
    parts = []
    for key, value in pairs:
        several = (
            value
            if isinstance(value, list) and not any(isinstance(x, list | dict) for x in value)
            else [value]
        )
        for one in several:
            text = one if isinstance(one, str) else json.dumps(one)
            parts.append(_quoted(key) + "=" + _quoted(text))
    return "&".join(parts).encode()


def _quoted(text: str) -> str:
    return quote_from_bytes(text.encode("utf-8", "surrogatepass"), safe=":/+,")


def change_bytes(draw: Draw, body: bytes) -> bytes:
    """A body with one thing done to its bytes."""
    place = draw(st.integers(0, len(body)))
    return cast(
        bytes,
        draw(
            st.sampled_from(
                [
                    body[:place],
                    body[:place] + bytes([draw(st.integers(0, 255))]) + body[place + 1 :],
                    body + body,
                    b"[" * 100_000,
                    b'{"a":' * 20_000,
                    b"[" + body + b"]",
                    b"",
                    body.replace(b": ", b": NaN, ", 1),
                    b"\x00" * 10,
                    draw(st.binary(max_size=40)),
                ]
            )
        ),
    )


def change_packing(draw: Draw, sent: Sent) -> Sent:
    """A request whose body says it is gzip: rightly, wrongly, or badly."""
    body = sent.body or b""
    packed = gzip.compress(body)
    place = draw(st.integers(0, len(packed) - 1))
    tried = draw(
        st.sampled_from(
            [
                packed,
                packed[:place],
                packed[:place] + b"\xff" + packed[place + 1 :],
                packed + b"garbage",
                packed + packed,
                gzip.compress(b" " * 3_000_000),
                zlib.compress(body),
                gzip.compress(packed),
                body,
                b"",
            ]
        )
    )
    return replace(sent, body=tried, headers=(*sent.headers, (b"Content-Encoding", b"gzip")))


def change_http(draw: Draw, sent: Sent) -> Sent:
    """A request with one thing done to its HTTP."""
    deed = draw(st.sampled_from(HTTP_DEEDS))
    if deed == "header":
        header = draw(st.sampled_from(HEADERS))
        kept = tuple(pair for pair in sent.headers if pair[0] != header[0] or draw(st.booleans()))
        return replace(sent, headers=(*kept, header))
    if deed == "method":
        return replace(sent, method=draw(st.sampled_from(METHODS)))
    if deed == "path":
        return replace(sent, target=draw(st.sampled_from(PATHS)))
    if deed == "packing":
        return change_packing(draw, sent)
    if deed == "bytes":
        return replace(sent, body=change_bytes(draw, sent.body or b""))
    if deed == "cut":
        return replace(sent, cut=draw(st.integers(1, len(sent.encode()))))
    body = sent.body or b""
    parts = [body[: len(body) // 2], body[len(body) // 2 :], b""]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part or not parts[-1])
    length = (b"Content-Length", b"%d" % len(chunks)) if draw(st.booleans()) else (b"X-None", b"")
    return replace(sent, body=chunks, headers=(*sent.headers, (b"Transfer-Encoding", b"chunked"), length))


@st.composite
def strange_requests(draw: Draw, token: Callable[[str], str]) -> Sent:
    """A message of the vectors, with none to four things done to it; ``token`` gives those of users."""
    message = draw(st.sampled_from(MESSAGES))
    query, fields = message.query, message.fields
    for _ in range(draw(st.integers(0, 3))):
        if fields is not None and (not query or draw(st.booleans())):
            fields = change_pairs(draw, fields)
        else:
            query = change_pairs(draw, query)
    if query and draw(st.integers(0, 7)) == 3:
        fields, query = [*query, *(fields or [])], query[: draw(st.integers(0, len(query)))]
    target = message.path.encode()
    if query:
        target += b"?" + to_query(query)
    headers = [(b"Content-Type", b"application/json")]
    if message.user is not None and draw(st.integers(0, 19)) != 7:
        headers.append((b"Authorization", token(message.user).encode()))
    sent = Sent(
        message.method.encode(), target, tuple(headers), None if fields is None else to_json(draw, fields)
    )
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        sent = change_http(draw, sent)
    return sent
