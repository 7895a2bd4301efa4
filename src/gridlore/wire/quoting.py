"""How to show in an error what a client sent: short, printable, in JSON's words.

Layer: wire.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Final, Literal

MAX_SHOWN = 60
"""Characters of a client's text that an error repeats."""


class Absence(Enum):
    """The type of ABSENT."""

    ABSENT = "absent"


ABSENT: Final[Literal[Absence.ABSENT]] = Absence.ABSENT
"""What a message holds under a key it does not have; ``None`` is JSON's null, which is something."""


def shown(value: object) -> str:
    """A value as an error repeats it.

    >>> shown("foo"), shown(None), shown([1, 2]), shown({}), shown(True), shown(1e999), shown(ABSENT)
    ("'foo'", 'null', 'a list', 'an object', 'true', 'a number out of range', 'nothing')
    """
    match value:
        case Absence.ABSENT:
            text = "nothing"
        case None:
            text = "null"
        case bool():
            text = "true" if value else "false"
        case list():
            text = "a list" if value else "an empty list"
        case dict():
            text = "an object"
        case float() if math.isinf(value):
            text = "a number out of range"
        case str():
            text = repr(value if len(value) <= MAX_SHOWN else value[: MAX_SHOWN - 1] + "…")
        case _:
            text = repr(value)
            text = text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
    return text
