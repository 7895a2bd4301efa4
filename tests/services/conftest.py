"""What the tests of world files need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gridlore.bootstrap import connect_store
from gridlore.store.interface import Store
from tests.services.applying import Hashes


@pytest.fixture
def sqlite_store(sqlite_databases: Any) -> Iterator[Store]:
    """An empty embedded store, for what no store can make a difference to."""
    opened = connect_store(
        sqlite_databases.settings(sqlite_databases.create(sqlite_databases.template(None)))
    )
    yield opened
    opened.close()


@pytest.fixture
def hashes() -> Hashes:
    return Hashes()
