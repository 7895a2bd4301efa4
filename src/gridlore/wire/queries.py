"""Fields of a GET request: those of its query string, and those of its JSON body.

Layer: wire.
"""

from __future__ import annotations

from collections.abc import Sequence

from gridlore.domain.errors import BodyTooLargeError
from gridlore.wire.bodies import MAX_ITEMS, Fields, check_items, decode_patiently, parse_json
from gridlore.wire.fields import plural

NOUNS = ("connection", "market", "sensor", "source")
"""Keys whose plural means the same."""


def merge_fields(query: Sequence[tuple[str, str]], body: bytes) -> Fields:
    """The fields of both; the query string wins, for singular and plural of one noun together.

    Parameters
    ----------
    query : sequence of (key, value)
        In order, decoded; a key there several times makes a list.
    body : bytes
        A JSON object, or nothing.

    Raises
    ------
    MessageError, BodyTooLargeError
        The body is something else, or holds too much.

    >>> merge_fields([("source", "4"), ("source", "5")], b'{"sources": [1], "unit": "MW"}')
    {'unit': 'MW', 'source': ['4', '5']}
    """
    stated = _read_query(query)
    if not body.strip():
        return stated
    check_items(body, MAX_ITEMS, BodyTooLargeError)
    fields = decode_patiently(body)
    for noun in NOUNS:
        if noun in stated or plural(noun) in stated:
            fields.pop(noun, None)
            fields.pop(plural(noun), None)
    return fields | stated


def _read_query(query: Sequence[tuple[str, str]]) -> Fields:
    texts: dict[str, list[object]] = {}
    for key, text in query:
        texts.setdefault(key, []).append(_read_text(text))
    return {key: values[0] if len(values) == 1 else values for key, values in texts.items()}


def _read_text(text: str) -> object:
    """A list or object when the text is JSON of one; any other text as it is, ``null`` and ``5`` too."""
    if not text.lstrip().startswith(("[", "{")):
        return text
    try:
        return parse_json(text)
    except (ValueError, RecursionError):
        return text
