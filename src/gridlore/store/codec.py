"""Arrays to bytes and back, without a Python object per value.

Layer: store. SQLite keeps little-endian float64 or int64 in BLOBs. PostgreSQL's binary arrays are a
header of five int32 (dimensions, has-null flag, element oid, length, lower bound), then per element
its length (8) and its big-endian bytes.
Source: PostgreSQL, src/backend/utils/adt/arrayfuncs.c, array_send and array_recv.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

from gridlore.domain.timing import FloatArray, IntArray

_HEADER = struct.Struct(">5i")
_FLOAT8, _INT8 = 701, 20
_FLOAT8_ARRAY, _INT8_ARRAY = 1022, 1016
_FLOAT_ELEMENT = np.dtype([("length", ">i4"), ("value", ">f8")])
_INT_ELEMENT = np.dtype([("length", ">i4"), ("value", ">i8")])


def floats_to_blob(values: FloatArray) -> bytes:
    """Little-endian float64 bytes of an array of shape (n,)."""
    return values.astype("<f8", copy=False).tobytes()


def floats_from_blobs(blobs: Sequence[bytes]) -> list[FloatArray]:
    """The arrays, read-only, that each of some such bytes holds, made together."""
    joined = np.frombuffer(b"".join(blobs), "<f8")
    ends = list(accumulate([len(blob) // 8 for blob in blobs]))
    return [joined[first:last] for first, last in pairwise((0, *ends))]


def integers_to_blob(values: IntArray) -> bytes:
    """Little-endian int64 bytes of an array of shape (n,)."""
    return values.astype("<i8", copy=False).tobytes()


def integers_from_blob(blob: bytes) -> IntArray:
    """The array of shape (n,), read-only, that such bytes hold."""
    return np.frombuffer(blob, "<i8")


def floats_to_array(values: FloatArray) -> bytes:
    """A float8[] in PostgreSQL's binary form."""
    elements = np.empty(values.size, _FLOAT_ELEMENT)
    elements["length"] = 8
    elements["value"] = values
    return _HEADER.pack(1, 0, _FLOAT8, values.size, 1) + elements.tobytes()


def integers_to_array(values: IntArray) -> bytes:
    """A bigint[] in PostgreSQL's binary form."""
    elements = np.empty(values.size, _INT_ELEMENT)
    elements["length"] = 8
    elements["value"] = values
    return _HEADER.pack(1, 0, _INT8, values.size, 1) + elements.tobytes()


class ElementsLoader(Loader):
    """An array's elements as they came; ``floats_from_elements`` makes arrays of many at once."""

    format = Format.BINARY

    def load(self, data: Buffer) -> bytes:
        return bytes(data[_HEADER.size :])


def floats_from_elements(elements: Sequence[bytes]) -> list[FloatArray]:
    """The float64 array that each of some float8[] held, converted together."""
    joined = np.frombuffer(b"".join(elements), _FLOAT_ELEMENT)["value"].astype(np.float64)
    ends = list(accumulate([len(one) // _FLOAT_ELEMENT.itemsize for one in elements]))
    return [joined[first:last] for first, last in pairwise((0, *ends))]


def integers_from_elements(elements: bytes) -> IntArray:
    """The int64 array that a bigint[] held."""
    return np.frombuffer(elements, _INT_ELEMENT)["value"].astype(np.int64)


def register_arrays(context: AdaptContext) -> None:
    """Teach a psycopg connection to receive arrays as they come, in binary."""
    context.adapters.register_loader(_FLOAT8_ARRAY, ElementsLoader)
    context.adapters.register_loader(_INT8_ARRAY, ElementsLoader)
