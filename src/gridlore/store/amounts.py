"""How much one question may bring into memory, and go through.

Layer: store. A message of a hundred bytes can state a value for two million events, and another of them every
minute: what is asked for is bounded by events, what is known about them by nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from gridlore.domain.beliefs import MAX_BLOCK_VALUES
from gridlore.domain.errors import PeriodError
from gridlore.store.interface import Window

MAX_READ_BYTES = 64 * 1024 * 1024
"""What one question may bring into memory, where it and what is made of it take several times as much.
[bytes]"""

ROW_OVERHEAD = 256
"""What a block costs there at least, beside its values and their times. [bytes]"""

MAX_GONE_THROUGH = 5_000_000
"""Blocks that one question goes through at most, with those that are not what is asked for: some seconds.
What begins within ``MAX_BLOCK_VALUES`` events before a window is gone through, for each sensor."""

PASSED_OVER = 8
"""Values of a block beyond the events asked for are read and let go: of these, one byte in so many counts."""


def max_rows(windows: Sequence[Window]) -> int:
    """So many blocks are never too many, however long they are."""
    longest = max(window.max_values if window.whole else window.count for window in windows)
    beyond = 8 * MAX_BLOCK_VALUES // PASSED_OVER
    return MAX_READ_BYTES // (16 * min(longest, MAX_BLOCK_VALUES) + beyond + ROW_OVERHEAD)


def check_amount(size: int) -> None:
    """Bound what is read; ``size`` is the length of values and of their times, and what their blocks cost.
    [bytes]

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


def check_count(count: int) -> None:
    """Bound through how many blocks a question goes; raises ``too_many`` of them."""
    if count > MAX_GONE_THROUGH:
        raise too_many()


def too_many() -> PeriodError:
    """What is said of a question that would go through more blocks than it may."""
    return PeriodError(
        f"More than {MAX_GONE_THROUGH} statements were made about these events, or shortly before them, "
        "which is too many to go through at once. Take a shorter duration, or fewer sensors at a time; "
        "to send it, send it in parts."
    )
