"""Arrays to bytes and back, without a Python object per value: little-endian float64 or int64.

Layer: store.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np

from gridlore.domain.timing import FloatArray, IntArray


def pack_floats(values: FloatArray) -> bytes:
    """The bytes of an array of shape (n,)."""
    return values.astype("<f8", copy=False).tobytes()


def unpack_floats(packed: Sequence[bytes]) -> list[FloatArray]:
    """The arrays, read-only, that each of some such bytes holds, made together."""
    joined = np.frombuffer(b"".join(packed), "<f8")
    ends = list(accumulate([len(one) // 8 for one in packed]))
    return [joined[first:last] for first, last in pairwise((0, *ends))]


def pack_integers(values: IntArray) -> bytes:
    """The bytes of an array of shape (n,)."""
    return values.astype("<i8", copy=False).tobytes()


def unpack_integers(packed: bytes) -> IntArray:
    """The array of shape (n,), read-only, that such bytes hold."""
    return np.frombuffer(packed, "<i8")
