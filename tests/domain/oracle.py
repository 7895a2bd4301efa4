"""The rules of the API contract, one belief at a time: slow, obvious, and apart from the code it judges.

Layer: tests. Plain Python: a list of beliefs, loops and comparisons; no NumPy, no blocks, no grids.
Source: API contract, sections 5 (what was known when) and 6 (reading).
All times are microseconds since the epoch, all spans microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

TRUST = ("user", "scheduler", "forecaster", "script")
"""Kinds of sources, the most trusted first."""


@dataclass(frozen=True)
class Belief:
    """One source's one belief about one event."""

    source_id: int
    event_start: int
    belief_time: int
    value: float


@dataclass(frozen=True)
class Question:
    """Which beliefs about an event that ends at ``event_end`` count. None: no such condition."""

    event_start: int
    event_end: int
    prior: int | None = None
    min_horizon: int | None = None
    max_horizon: int | None = None

    def counts(self, belief: Belief) -> bool:
        """Whether this belief is about the event and passes all conditions."""
        horizon = self.event_end - belief.belief_time
        if belief.event_start != self.event_start:
            return False
        if self.prior is not None and belief.belief_time > self.prior:
            return False
        if self.min_horizon is not None and horizon < self.min_horizon:
            return False
        return self.max_horizon is None or horizon <= self.max_horizon


def most_recent(beliefs: Iterable[Belief], question: Question) -> Belief | None:
    """Of one source's beliefs that count, the one held last."""
    counting = [belief for belief in beliefs if question.counts(belief)]
    return max(counting, key=lambda belief: belief.belief_time, default=None)


def answer(
    beliefs: Sequence[Belief], question: Question, kinds: Mapping[int, str], own_source_id: int | None = None
) -> Belief | None:
    """The belief a reader is shown: the most trusted kind, then the most recent, then one's own, then
    the lower source id."""
    counting = [belief for belief in beliefs if question.counts(belief)]
    if not counting:
        return None
    return min(
        counting,
        key=lambda belief: (
            TRUST.index(kinds.get(belief.source_id, "user")),
            -belief.belief_time,
            belief.source_id != own_source_id,
            belief.source_id,
        ),
    )


def judge(beliefs: Iterable[Belief], posted: Belief, event_end: int) -> str:
    """What a posted belief is to its source: ``new``, ``unchanged`` or ``replaces``.

    Compared with the most recent belief of that source about that event up to the posted belief time:
    forecasts with forecasts, measurements with measurements.
    """
    measured = posted.belief_time >= event_end
    peers = [
        belief
        for belief in beliefs
        if belief.source_id == posted.source_id
        and belief.event_start == posted.event_start
        and (belief.belief_time >= event_end) == measured
        and belief.belief_time <= posted.belief_time
    ]
    if not peers:
        return "new"
    last = max(peers, key=lambda belief: belief.belief_time)
    if last.value == posted.value:
        return "unchanged"
    return "replaces" if last.belief_time == posted.belief_time else "new"


def belief_time_of(event_end: int, fixed: int | None, horizon: int | None) -> int:
    """When a posted value was known: the earlier of a fixed time and a horizon before the event's end."""
    stated = [] if fixed is None else [fixed]
    if horizon is not None:
        stated.append(event_end - horizon)
    return min(stated)
