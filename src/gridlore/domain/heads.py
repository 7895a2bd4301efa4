"""What is known of a sensor without reading its blocks.

Layer: domain.
"""

from __future__ import annotations

from typing import NamedTuple


class Latest(NamedTuple):
    """A belief about the newest event of some sort."""

    event_start: int
    value: float
    belief_time: int
    source_id: int


class Head(NamedTuple):
    """What is known of a sensor without reading its blocks; also its lock and its sequence.

    ``events_start``, ``events_end``: span of the events anything is known about, None when nothing is.
    ``latest``: newest belief about the newest event; ``measured``: the same among beliefs held after
    the fact.
    """

    sensor_id: int
    next_seq: int = 1
    events_start: int | None = None
    events_end: int | None = None
    latest: Latest | None = None
    measured: Latest | None = None

    @property
    def grid(self) -> tuple[int, int] | None:
        """Resolution and offset of the events anything is known about [µs]; None when nothing is.

        The newest event is the one that ends last.
        """
        if self.latest is None or self.events_end is None:
            return None
        resolution = self.events_end - self.latest.event_start
        return resolution, self.latest.event_start % resolution
