"""Windows that lie near one another, joined into one.

Layer: store.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gridlore.store.interface import Window


def join_windows(windows: Iterable[Window], near: int = 0) -> list[Window]:
    """The windows in order of sensor and start, those of one sensor and source joined that touch one another,
    or have at most ``near`` events between them.

    >>> [joined] = join_windows([Window(1, 60, 70, 10), Window(1, 0, 10, 10), Window(1, 30, 40, 10)], 2)
    >>> joined.start, joined.end
    (0, 70)
    """
    joined: list[Window] = []
    for window in sorted(
        windows, key=lambda one: (one.sensor_id, one.source_id or 0, one.resolution, one.start)
    ):
        last = joined[-1] if joined else None
        if (
            last is not None
            and (last.sensor_id, last.source_id) == (window.sensor_id, window.source_id)
            and last.resolution == window.resolution
            and last.end + near * window.resolution >= window.start
        ):
            joined[-1] = replace(last, end=max(last.end, window.end), known_until=_latest(last, window))
        else:
            joined.append(window)
    return joined


def _latest(one: Window, other: Window) -> int | None:
    """By when something must have been known for either window."""
    if one.known_until is None or other.known_until is None:
        return None
    return max(one.known_until, other.known_until)
