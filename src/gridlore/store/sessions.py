"""Sessions of PostgreSQL: how long each side waits for the other, and for what somebody else holds.

Layer: store.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

CONNECT_TIMEOUT = 5
"""How long to wait for a connection. [s]"""

CONNECTING = {
    "connect_timeout": CONNECT_TIMEOUT,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
"""A server that is gone without a word (a power cut, a broken line) is noticed after half a minute."""

BOUNDS = {
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "4",
}
"""What the database is told of each of our sessions. One that holds a sensor, and whose machine is frozen or
gone, would keep the writers of all others waiting."""

BOUNDS_FOR_BLOCKS = {**BOUNDS, "transaction_timeout": "60s"}
"""A transaction in a pipeline is never idle. PostgreSQL has this bound from 17 on."""


def set_bounds(bounds: Mapping[str, str], connection: psycopg.Connection[Any], _: object) -> None:
    """Have the database bound what a new session may wait, and may make others wait."""
    autocommit, connection.autocommit = connection.autocommit, True  # or it would go with a rollback
    connection.execute(
        "SELECT set_config(name, bound, false) FROM unnest(%s::text[], %s::text[]) AS wanted(name, bound) "
        "WHERE name IN (SELECT name FROM pg_settings)",
        (list(bounds), list(bounds.values())),
    )
    connection.autocommit = autocommit
