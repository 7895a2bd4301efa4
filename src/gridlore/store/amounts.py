"""How much one question may bring into memory.

Layer: store. A message of a hundred bytes can state a value for two million events, and another of them every
minute: what is asked for is bounded by events, what is known about them by nothing.
"""

from __future__ import annotations

from gridlore.domain.beliefs import MAX_BLOCK_VALUES
from gridlore.domain.errors import PeriodError

MAX_READ_BYTES = 64 * 1024 * 1024
"""Values that one question may bring into memory, where they and what is made of them take several times as
much. [bytes]"""

MAX_READ_ROWS = MAX_READ_BYTES // (8 * MAX_BLOCK_VALUES)
"""So many blocks are never too many, however long."""


def check_amount(size: int) -> None:
    """Bound what is read; ``size`` is the length of values. [bytes]

    Raises
    ------
    PeriodError
        It is too much.
    """
    if size > MAX_READ_BYTES:
        raise PeriodError(
            "More is known about these events than can be gone through at once "
            f"({MAX_READ_BYTES // 2**20} MiB of values). Take a shorter duration, or fewer sensors at a time."
        )
