"""What tests of the stores share."""

from collections.abc import Iterator

import pytest

from gridlore.store.interface import Store
from gridlore.store.writer import Writer
from tests.store.test_blocks import fill_directory


@pytest.fixture
def writer(store: Store) -> Iterator[Writer]:
    fill_directory(store)
    opened = Writer(store, max_queue_bytes=10_000_000)
    yield opened
    opened.close()
