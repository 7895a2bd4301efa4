"""Cursors of paged answers: opaque texts that hold the place where the next page starts.

Layer: wire.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable

_NUMBERS = re.compile(rb"-?[0-9]{1,18}(?:,-?[0-9]{1,18})*")


def write_cursor(numbers: Iterable[int]) -> str:
    """An opaque text for a URL.

    >>> read_cursor(write_cursor((5, -3)), 2)
    (5, -3)
    """
    return base64.urlsafe_b64encode(",".join(map(str, numbers)).encode()).decode().rstrip("=")


def read_cursor(text: str, count: int) -> tuple[int, ...] | None:
    """The ``count`` numbers a cursor was made of; None when it is none of ours."""
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError):
        return None
    if not _NUMBERS.fullmatch(raw):
        return None
    numbers = tuple(int(number) for number in raw.split(b","))
    return numbers if len(numbers) == count else None
