"""What a message may ask of the server before anything of it is looked up."""

from __future__ import annotations

import tracemalloc
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from gridlore.domain.commands import PostCommand, PostedGroup
from gridlore.domain.errors import ValuesLimitError
from gridlore.domain.sensors import SensorKind
from gridlore.domain.timing import HOUR
from gridlore.services.callers import Caller
from gridlore.services.ingest import Ingest


def test_sensors_are_counted_before_they_are_listed() -> None:
    nobody: Any = Mock()
    addresses = tuple(str(number) for number in range(3_000))
    groups = tuple(PostedGroup(addresses, np.ones(1)) for _ in range(3_000))
    command = PostCommand(SensorKind.CONNECTION, "MW", groups, 0, HOUR, None)
    caller = Caller(nobody, nobody)
    tracemalloc.start()
    try:
        with pytest.raises(ValuesLimitError, match="at most 20000 sensors; got 9000000"):
            Ingest(nobody, max_values=10).post(caller, [command], 0, lambda: caller)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000, "bytes"
    finally:
        tracemalloc.stop()
