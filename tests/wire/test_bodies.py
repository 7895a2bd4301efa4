"""Bytes to fields: what is no JSON object is refused, and both ways of decoding agree."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridlore.domain.commands import PostCommand
from gridlore.domain.errors import BodyTooLargeError, GridloreError, MessageError, ValuesLimitError
from gridlore.wire.bodies import MAX_ITEMS, decode_directly, decode_patiently
from gridlore.wire.endpoints import GET_METER_DATA, POST_METER_DATA, Endpoint
from gridlore.wire.messages import read_get, read_post
from gridlore.wire.posts import make_command
from gridlore.wire.values import check_numbers, copy_floats

from .examples import POSTS, START, UNITS, message_of, post_of

DEEP = 100_000


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"   ", "not JSON"),
        (b'{"type":', "not JSON"),
        (b"{'type': 1}", "not JSON"),
        (b'{"type": 1,}', "not JSON"),
        (b'{"type": 1} {}', "not JSON"),
        (b'{"type": 01}', "not JSON"),
        (b'{"type": "a\nb"}', "not JSON"),
        (b"[1]", "got a list"),
        (b"5", "got 5"),
        (b"null", "got null"),
        (b'"text"', "got 'text'"),
        (b'{"type": "\xff"}', "byte 11 is no UTF-8"),
        (b'{"foo": "\xed\xa0\x80"}', "no UTF-8"),
        ('{"type": 1}'.encode("utf-16"), "no UTF-8"),
        (b'{"connection": "\\ud800"}', "surrogate"),
        (b'{"foo": ["\\uDFFF"]}', "surrogate"),
        (b'{"\\udc00\\ud800": 1}', "surrogate"),
        (b'{"values": [NaN]}', "NaN is no JSON number"),
        (b'{"values": [1, Infinity]}', "Infinity is no JSON number"),
        (b'{"foo": -Infinity}', "-Infinity is no JSON number"),
        (b"[" * DEEP + b"]" * DEEP, "too deeply"),
        (b'{"foo": ' + b"[" * DEEP + b"]" * DEEP + b"}", "too deeply"),
        (b'{"start": ' * DEEP + b"1" + b"}" * DEEP, "too deeply"),
    ],
    ids=lambda value: str(value[:30]),
)
def test_what_is_no_json_object_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(MessageError) as caught:
        read_post(POST_METER_DATA, body, UNITS)
    assert words in caught.value.message


def test_the_last_of_two_equal_keys_counts() -> None:
    body = post_of(POST_METER_DATA)[:-1] + b', "values": ["x"], "values": [7]}'
    assert read_post(POST_METER_DATA, body, UNITS).groups[0].values.tolist() == [7]


def test_a_byte_order_mark_is_passed_over() -> None:
    assert read_post(POST_METER_DATA, b"\xef\xbb\xbf" + post_of(POST_METER_DATA), UNITS).unit == "MW"


def test_pairs_of_surrogates_are_characters() -> None:
    body = post_of(POST_METER_DATA, {"connection"})[:-1] + b', "connection": "\\ud83d\\ude97"}'
    assert read_post(POST_METER_DATA, body, UNITS).groups[0].addresses == ("🚗",)


def test_plain_messages_are_decoded_directly() -> None:
    for endpoint in POSTS.values():
        fields = decode_directly(post_of(endpoint), endpoint.noun)
        assert fields == message_of(endpoint)
        groups = [{endpoint.noun: "A", "values": [1.5]}, {f"{endpoint.noun}s": ["B"], "value": 2}]
        body = post_of(endpoint, {endpoint.noun, "values"}, groups=groups)
        assert decode_directly(body, endpoint.noun) == json.loads(body)


def test_a_message_that_lists_too_much_is_refused_before_it_takes_memory() -> None:
    body = b'{"foo": [' + b"[]," * (MAX_ITEMS + 1) + b"[]]}"
    with pytest.raises(ValuesLimitError, match=f"at most {MAX_ITEMS} items"):
        read_post(POST_METER_DATA, body, UNITS, max_values=1000)
    with pytest.raises(BodyTooLargeError, match=f"at most {MAX_ITEMS} items"):
        read_get(GET_METER_DATA, [], body)


def test_as_many_values_as_a_setting_allows_are_read() -> None:
    values = post_of(POST_METER_DATA, {"values"})[:-1] + b', "values": [' + b"1," * (MAX_ITEMS + 1) + b"1]}"
    command = read_post(POST_METER_DATA, values, UNITS, max_values=MAX_ITEMS + 2)
    assert command.groups[0].values.size == MAX_ITEMS + 2


# ---------------------------------------------------------------- both ways agree


def outcome(make: Callable[[], PostCommand]) -> object:
    """What came out, in a form that compares: the command's parts, or the complaint."""
    try:
        command = make()
    except GridloreError as error:
        return type(error), error.message
    groups = tuple((group.addresses, group.values.tobytes()) for group in command.groups)
    return command.kind, command.unit, groups, command.start, command.end, command.timing


def assert_both_ways_agree(endpoint: Endpoint, body: bytes) -> bool:
    """Whether the direct way was open for this body; if so, both must say the same."""
    fields = decode_directly(body, endpoint.noun)
    if fields is None:
        return False
    direct = outcome(lambda: make_command(endpoint, fields, UNITS, copy_floats))
    patient = outcome(lambda: make_command(endpoint, decode_patiently(body), UNITS, check_numbers))
    assert direct == patient
    assert outcome(lambda: read_post(endpoint, body, UNITS)) == direct
    return True


numbers = st.one_of(
    st.integers(-(10**25), 10**25),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -0.0, 5e-324, 1e308, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**308]),
)
oddities = st.one_of(st.none(), st.booleans(), st.text(max_size=5), st.just("1.5"), st.just([]), st.just({}))
names = st.sampled_from(["A", "B", "Dach °1", "🚗"])
connections = names | st.lists(names, max_size=3) | oddities
values = numbers | st.lists(numbers, max_size=5) | st.lists(numbers | oddities, max_size=4) | oddities
times = st.sampled_from([START, "2024-02-29T06:00:00", "2024-02-29"])
spans = st.sampled_from(["PT1H", "P1M", "-PT1H", "R/PT6H", "R/P1M"])


def fields_of(group: bool) -> st.SearchStrategy[dict[str, Any]]:
    optional: dict[str, st.SearchStrategy[Any]] = {
        "connection": connections,
        "connections": connections,
        "market": connections,
        "sensor": connections,
        "value": values,
        "values": values,
        "unit": st.sampled_from(["MW", "EUR/MWh", "°C", "0C"]) | oddities,
        "start": times | oddities,
        "duration": spans | oddities,
        "horizon": spans | oddities,
        "prior": times | oddities,
        "foo": oddities
        | st.recursive(oddities, lambda inner: st.lists(inner) | st.dictionaries(names, inner)),
    }
    if group:
        return st.fixed_dictionaries({}, optional=optional)
    plain = {"values": st.lists(numbers, min_size=1, max_size=5), "start": st.just(START)}
    required = {"type": st.sampled_from([point.request_type for point in POSTS.values()])}
    groups = st.lists(fields_of(group=True), max_size=3) | oddities
    return st.fixed_dictionaries(
        required, optional=optional | plain | {"duration": st.just("PT1H"), "groups": groups}
    )


@settings(max_examples=300)
@given(st.sampled_from(sorted(POSTS)), fields_of(group=False), st.booleans())
def test_both_ways_agree_on_any_message(name: str, message: dict[str, Any], ascii_only: bool) -> None:
    assert_both_ways_agree(POSTS[name], json.dumps(message, ensure_ascii=ascii_only).encode())


@settings(max_examples=200)
@given(
    st.sampled_from(sorted(POSTS)),
    st.lists(st.lists(numbers, min_size=1, max_size=6), min_size=1, max_size=3),
    st.booleans(),
    st.booleans(),
)
def test_plain_messages_take_the_direct_way_and_keep_every_bit(
    name: str, arrays: list[list[float]], grouped: bool, ascii_only: bool
) -> None:
    endpoint = POSTS[name]
    if grouped:
        groups = [{endpoint.noun: f"S{n}", "values": array} for n, array in enumerate(arrays)]
        message = message_of(endpoint, {endpoint.noun, "values"}, groups=groups)
    else:
        arrays = arrays[:1]
        message = message_of(endpoint, values=arrays[0])
    body = json.dumps(message, ensure_ascii=ascii_only).encode()
    assert assert_both_ways_agree(endpoint, body)
    command = read_post(endpoint, body, UNITS)
    sent = [[float(number).hex() for number in array] for array in arrays]
    assert [[value.hex() for value in group.values.tolist()] for group in command.groups] == sent


@settings(max_examples=400)
@given(
    st.sampled_from(sorted(POSTS)),
    st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=3), st.integers(0, 3)), min_size=1, max_size=3),
    st.booleans(),
)
def test_both_ways_agree_on_damaged_bytes(
    name: str, damages: list[tuple[float, bytes, int]], escaped: bool
) -> None:
    endpoint = POSTS[name]
    message = message_of(endpoint, foo={"°\\u00e9": ["x\\n", 1.5e3, None, True, -0]}, groups=[{}])
    body = json.dumps(message, ensure_ascii=escaped).encode()
    for place, junk, cut in damages:
        at = int(place * len(body))
        body = body[:at] + junk + body[at + cut :]
    assert_both_ways_agree(endpoint, body)
