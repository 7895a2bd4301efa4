"""What year posts are compared with: binary COPY of one row per value, as fast as psycopg and PostgreSQL go.

The rows are encoded beforehand (as the bodies of the posts are), come in the order of the primary key, and
are copied in one transaction for each year, durably.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg

from benchmarks.messages import START, YEAR_SLOTS, make_values

CREATE = """
    CREATE TABLE one_row_per_value (
        sensor_id bigint, source_id bigint, event_start timestamptz, belief_time timestamptz,
        event_value float8 NOT NULL,
        PRIMARY KEY (sensor_id, source_id, event_start, belief_time)
    )
"""
COPY = "COPY one_row_per_value FROM STDIN (FORMAT BINARY)"

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
ROW = np.dtype(
    [
        ("fields", ">i2"),
        *(
            part
            for name in ("sensor_id", "source_id", "event_start", "belief_time")
            for part in ((f"{name}_length", ">i4"), (name, ">i8"))
        ),
        ("value_length", ">i4"),
        ("value", ">f8"),
    ]
)
"""PostgreSQL, documentation of COPY, "Binary Format"."""
POSTGRES_EPOCH = 946_684_800_000_000
"""2000-01-01T00:00Z. [µs since 1970]"""
SLOT = 15 * 60 * 1_000_000


def encode_year(sensor_id: int, seed: int) -> bytes:
    """The bytes to COPY for a year of one sensor."""
    rows = np.empty(YEAR_SLOTS, ROW)
    for name in ROW.names or ():
        if name.endswith("_length"):
            rows[name] = 8
    start = int(START.timestamp()) * 1_000_000 - POSTGRES_EPOCH
    rows["fields"] = 5
    rows["sensor_id"] = sensor_id
    rows["source_id"] = 1
    rows["event_start"] = start + SLOT * np.arange(YEAR_SLOTS)
    rows["belief_time"] = rows["event_start"] + SLOT
    rows["value"] = make_values(1, YEAR_SLOTS, seed)[0]
    return HEADER + rows.tobytes() + TRAILER


@dataclass
class CopyTable:
    """A table with a row for each value."""

    connection: psycopg.Connection[Any]
    sensors: int = 0

    def copy_years(self, count: int) -> float:
        """How long it takes to copy a year of each of ``count`` further sensors, durably. [s]"""
        encoded = [encode_year(self.sensors + number, seed=self.sensors + number) for number in range(count)]
        self.sensors += count
        start = time.perf_counter()
        for year in encoded:
            with self.connection.cursor() as cursor, cursor.copy(COPY) as copy:
                copy.write(year)
            self.connection.commit()
        return time.perf_counter() - start


@contextmanager
def open_copy_table(server: str) -> Iterator[CopyTable]:
    """An empty table in a database of its own, removed afterwards."""
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("CREATE DATABASE copy_baseline")
        try:
            with psycopg.connect(server.replace("/postgres?", "/copy_baseline?")) as connection:
                connection.execute(CREATE)
                connection.commit()
                yield CopyTable(connection)
        finally:
            admin.execute("DROP DATABASE copy_baseline WITH (FORCE)")
