"""What every row is measured with: databases, servers, and taking turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeVar

from benchmarks.databases import EMAIL, PASSWORD, Databases
from benchmarks.extent import Extent
from benchmarks.servers import Cores, Server, serve_gridlore

T = TypeVar("T")


@dataclass
class Workbench:
    """Where rows of one store are measured.

    ``bare`` is the server with the empty handler; ``postgres`` the URI of a PostgreSQL server, for the
    baseline that needs one whatever store is measured; ``tell`` takes what is being done now.
    """

    extent: Extent
    cores: Cores
    folder: Path
    databases: Databases
    bare: Server
    postgres: str
    tell: Callable[[str], None]

    def __post_init__(self) -> None:
        self._numbers = count(1)

    @property
    def store(self) -> str:
        """The store measured here."""
        return self.databases.kind

    @contextmanager
    def serve(self, database: str | None = None) -> Iterator[Server]:
        """A server of Gridlore, somebody logged in, on a database; on a fresh one if none is given."""
        name = database or self.databases.create()
        log = self.folder / f"{self.store}_{next(self._numbers)}.log"
        try:
            with serve_gridlore(self.databases.environment(name), self.cores, log) as server:
                server.database = name
                server.log_in(EMAIL, PASSWORD)
                yield server
        finally:
            if database is None:
                self.databases.drop(name)

    def take_turns(
        self, what: str, measure: Callable[[int], T], compare: Callable[[int], T], *, times: int = 1
    ) -> tuple[Sequence[T], Sequence[T]]:
        """What came of each round of ``measure`` and ``compare``, called by turns with the round's number.

        ``times``: as many times the usual rounds, for rounds that are short.
        """
        measured, compared = [], []
        rounds = self.extent.rounds * times
        for number in range(rounds):
            self.tell(f"{what}, round {number + 1} of {rounds}")
            measured.append(measure(number))
            compared.append(compare(number))
        return measured, compared
