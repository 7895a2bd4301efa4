"""Blocks as columns: one array for each column of a table, as PostgreSQL takes them in binary.

Layer: store. One statement writes any number of rows, ``INSERT … SELECT * FROM unnest(…)``, and can be sent
in a pipeline, where COPY cannot. psycopg's own arrays take several microseconds an element.

Source: PostgreSQL, array_send and array_recv: dimensions, whether there are NULLs, type of the elements; of
each dimension its length and first index; then each element with its length, -1 for NULL.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

from gridlore.domain.beliefs import Block
from gridlore.store.relational import block_to_row

BIGINT, BYTEA = 20, 17
"""Source: PostgreSQL, pg_type.dat."""
_BIGINTS, _BYTEAS = 1016, 1001

_HEADER = struct.Struct(">iiIii")
_NUMBER = struct.Struct(">iq")
_LENGTH = struct.Struct(">i")
_NULL = _LENGTH.pack(-1)


class BigintArray(bytes):
    """An array of bigint, as it is sent."""


class ByteaArray(bytes):
    """An array of bytea, as it is sent."""


class _AsItIs(Dumper):
    format = Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return obj


class _BigintArrayDumper(_AsItIs):
    oid = _BIGINTS


class _ByteaArrayDumper(_AsItIs):
    oid = _BYTEAS


psycopg.adapters.register_dumper(BigintArray, _BigintArrayDumper)
psycopg.adapters.register_dumper(ByteaArray, _ByteaArrayDumper)


def blocks_to_columns(blocks: Sequence[Block]) -> Sequence[BigintArray | ByteaArray]:
    """The columns of some blocks, in the order of BLOCK_COLUMNS."""
    *numbers, times, values = zip(*map(block_to_row, blocks), strict=True)
    return [*map(pack_bigints, numbers), _pack_byteas(times), _pack_byteas(values)]


def pack_bigints(numbers: Iterable[int | None]) -> BigintArray:
    """An array of numbers that may be unknown."""
    cells = [_NULL if number is None else _NUMBER.pack(8, number) for number in numbers]
    return BigintArray(b"".join([_HEADER.pack(1, 1, BIGINT, len(cells), 1), *cells]))


def _pack_byteas(texts: Sequence[bytes | None]) -> ByteaArray:
    cells: list[bytes] = [_HEADER.pack(1, 1, BYTEA, len(texts), 1)]
    for text in texts:
        cells += (_NULL,) if text is None else (_LENGTH.pack(len(text)), text)
    return ByteaArray(b"".join(cells))
