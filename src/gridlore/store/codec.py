"""Arrays to bytes and back, without a Python object per value.

Layer: store. SQLite keeps little-endian float64 or int64 in BLOBs. PostgreSQL's binary arrays are a
header of five int32 (dimensions, has-null flag, element oid, length, lower bound), then per element
its length (8) and its big-endian bytes.
Source: PostgreSQL, src/backend/utils/adt/arrayfuncs.c, array_send and array_recv.
"""

from __future__ import annotations

import struct
from typing import ClassVar

import numpy as np
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Dumper, Loader
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


def floats_from_blob(blob: bytes) -> FloatArray:
    """The array of shape (n,), read-only, that such bytes hold."""
    return np.frombuffer(blob, "<f8")


def integers_to_blob(values: IntArray) -> bytes:
    """Little-endian int64 bytes of an array of shape (n,)."""
    return values.astype("<i8", copy=False).tobytes()


def integers_from_blob(blob: bytes) -> IntArray:
    """The array of shape (n,), read-only, that such bytes hold."""
    return np.frombuffer(blob, "<i8")


class _ArrayDumper(Dumper):
    format = Format.BINARY
    element: ClassVar[np.dtype[np.void]]
    element_oid: ClassVar[int]

    def dump(self, obj: FloatArray | IntArray) -> Buffer:
        elements = np.empty(obj.size, self.element)
        elements["length"] = 8
        elements["value"] = obj
        return _HEADER.pack(1, 0, self.element_oid, obj.size, 1) + elements.tobytes()


class FloatArrayDumper(_ArrayDumper):
    """NumPy float64 to float8[]."""

    oid = _FLOAT8_ARRAY
    element = _FLOAT_ELEMENT
    element_oid = _FLOAT8


class IntArrayDumper(_ArrayDumper):
    """NumPy int64 to bigint[]."""

    oid = _INT8_ARRAY
    element = _INT_ELEMENT
    element_oid = _INT8


class FloatArrayLoader(Loader):
    """float8[] to NumPy float64."""

    format = Format.BINARY

    def load(self, data: Buffer) -> FloatArray:
        return np.frombuffer(data, _FLOAT_ELEMENT, offset=_HEADER.size)["value"].astype(np.float64)


class IntArrayLoader(Loader):
    """bigint[] to NumPy int64."""

    format = Format.BINARY

    def load(self, data: Buffer) -> IntArray:
        return np.frombuffer(data, _INT_ELEMENT, offset=_HEADER.size)["value"].astype(np.int64)


def register_arrays(context: AdaptContext) -> None:
    """Teach a psycopg connection to COPY and receive NumPy arrays in binary."""
    context.adapters.register_dumper(None, FloatArrayDumper)
    context.adapters.register_dumper(None, IntArrayDumper)
    context.adapters.register_loader(_FLOAT8_ARRAY, FloatArrayLoader)
    context.adapters.register_loader(_INT8_ARRAY, IntArrayLoader)
