"""Posted values: from JSON to arrays of finite numbers.

Layer: wire. Imports NumPy. Groups and positions are counted from 1, and messages say so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from struct import pack
from typing import Any

import numpy as np

from gridlore.domain.errors import ValuesError
from gridlore.domain.timing import FloatArray
from gridlore.wire.bodies import Fields
from gridlore.wire.fields import either, place
from gridlore.wire.quoting import ABSENT, shown

Reader = Callable[[object, int], FloatArray]
"""Makes an array, shape (n,), of what a group holds as its values; the number says which group."""

MAX_LENGTH = 400
"""Characters in a number written as a string."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def read_values(message: Fields, groups: Sequence[Fields], read: Reader) -> list[FloatArray]:
    """The values of each group: its own, or those stated outside the groups.

    Parameters
    ----------
    groups : sequence of Fields
        Each group's own fields; of a message without groups, the message.
    read : Reader
        `copy_floats` after the direct way of decoding, `check_numbers` after the patient one.

    Raises
    ------
    ValuesError
        They are missing, no finite numbers, or stated twice.
    """
    if len(groups) == 1 and groups[0] is message:
        return [read(either(message, "value", ValuesError), 1)]
    outer = either(message, "value", ValuesError)
    shared: FloatArray | None = None
    arrays = []
    for number, group in enumerate(groups, 1):
        own = either(group, "value", ValuesError, number)
        if own is not ABSENT or outer is ABSENT:
            arrays.append(read(own, number))
            continue
        if shared is None:
            shared = read(outer, number)
        arrays.append(shared)
    if outer is not ABSENT and shared is None:
        raise ValuesError(
            "It is ambiguous which values are meant: the message has values outside its groups, and every "
            "group has values of its own. Leave out the ones or the others."
        )
    return arrays


def copy_floats(values: object, group: int) -> FloatArray:
    """An array of what the direct way of decoding left: a float, or a list of floats."""
    numbers = values if isinstance(values, list) else [values]
    if not numbers or values is ABSENT:
        raise _no_values(values, group)
    return np.frombuffer(
        pack(f"{len(numbers)}d", *numbers)
    )  # faster than `np.fromiter`, of many twice as fast


def check_numbers(values: object, group: int) -> FloatArray:
    """An array of any JSON value that is a number or text of one, or a list of these.

    >>> check_numbers(["1", 2, 3.5], 1)
    array([1. , 2. , 3.5])
    """
    numbers = values if isinstance(values, list) else [values]
    if not numbers or values is ABSENT:
        raise _no_values(values, group)
    if all(map(_is_number, numbers)):
        try:
            array = np.fromiter(map(float, numbers), np.float64, len(numbers))
        except OverflowError:
            array = np.array([np.inf])
        if np.isfinite(array).all():
            return array
    position, number = next((i, number) for i, number in enumerate(numbers, 1) if not _is_finite(number))
    raise ValuesError(
        "Values should be finite numbers, one for each interval (where nothing is known, post what lies "
        f"before and after apart); value {position} of group {group} (both counted from 1) is "
        f"{shown(number)}."
    )


def _no_values(values: object, group: int) -> ValuesError:
    return ValuesError(f"Each group should have at least one value; {place(group)} has {shown(values)}.")


def _is_number(number: object) -> bool:
    """Whether it is a number, or the text of one; it may still be beyond the range of floats."""
    if isinstance(number, str):
        return len(number) <= MAX_LENGTH and _NUMBER.fullmatch(number) is not None
    return isinstance(number, int | float) and not isinstance(number, bool)


def _is_finite(number: Any) -> bool:
    try:
        return _is_number(number) and math.isfinite(float(number))
    except OverflowError:
        return False
