"""A line of the table: what was measured, what it is compared with, the ratio and the verdict.

Pure: no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median


class Verdict(StrEnum):
    """Whether the median ratio is on the right side of the target."""

    REACHED = "reached"
    MISSED = "missed"
    NONE = "–"


@dataclass(frozen=True, slots=True)
class Target:
    """The ratio to reach: at least ``ratio``, or at most when ``at_least`` is False."""

    ratio: float
    at_least: bool

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.ratio:g}"

    def judge(self, ratio: float) -> Verdict:
        """Whether a ratio reaches it.

        >>> Target(3, at_least=False).judge(2.9), Target(10, at_least=True).judge(9.9)
        (<Verdict.REACHED: 'reached'>, <Verdict.MISSED: 'missed'>)
        """
        good = ratio >= self.ratio if self.at_least else ratio <= self.ratio
        return Verdict.REACHED if good else Verdict.MISSED


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest of some figures."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        """The spread of at least one figure."""
        return cls(median(figures), min(figures), max(figures))


@dataclass(frozen=True, slots=True)
class Row:
    """What came out for one line of the table.

    Parameters
    ----------
    name : str
        As in ``works.WORKS``.
    store : str
        ``sqlite``, ``postgres``; ``machine`` for what concerns neither.
    measured, baseline : sequence of float
        A figure per round, in ``unit``; round i of one was measured right beside round i of the other.
        No ``baseline``: the figure stands for itself.
    compared_with : str
        What the baseline is.
    target : Target, optional
        The ratio measured / baseline to reach.
    memory : float, optional
        Resident memory of the server's process after the work. [MiB]
    note : str
        What differs from what the name promises.
    facts : dict
        What else is worth keeping, for the JSON.
    """

    name: str
    store: str
    unit: str
    measured: Sequence[float]
    baseline: Sequence[float] = ()
    compared_with: str = ""
    target: Target | None = None
    memory: float | None = None
    note: str = ""
    facts: dict[str, object] = field(default_factory=dict)

    @property
    def ratios(self) -> list[float]:
        """measured / baseline, a figure per round; empty without baseline."""
        if not self.baseline:
            return []
        return [own / other for own, other in zip(self.measured, self.baseline, strict=True)]

    @property
    def ratio(self) -> Spread | None:
        """Median, least and greatest ratio."""
        ratios = self.ratios
        return Spread.of(ratios) if ratios else None

    @property
    def verdict(self) -> Verdict:
        """Whether the median ratio reaches the target."""
        ratio = self.ratio
        return Verdict.NONE if self.target is None or ratio is None else self.target.judge(ratio.median)
