"""A small drawing of the last day of a sensor: steps for values, shades for gaps.

Layer: web. Numbers for an inline SVG of 160 by 36; the template writes it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridlore.domain.resampling import downsample
from gridlore.domain.timing import FloatArray

WIDTH, HEIGHT = 160, 36
MARGIN = 2.5
MAX_STEPS = 96
"""More steps than this cannot be told apart; they are drawn as means."""


@dataclass(frozen=True, slots=True)
class Sparkline:
    """``path``: what is known, as steps. ``area``: what lies between these and zero, or the edge that is
    nearest to it. ``gaps``: left edge and width of each run of unknown events. ``zero``: height of the zero
    line, None when it is out of sight."""

    path: str
    area: str
    gaps: tuple[tuple[float, float], ...]
    zero: float | None


def draw_sparkline(values: FloatArray) -> Sparkline:
    """The drawing of equidistant values, shape (n,) with n at least 1, NaN where unknown.

    >>> draw_sparkline(np.array([0.0, 1.0, np.nan, 1.0]))
    Sparkline(path='M0 33.5H40V2.5H80M120 2.5H160', area='M0 33.5H40V2.5H80V36H0ZM120 2.5H160V36H120Z', \
gaps=((80.0, 40.0),), zero=None)
    """
    unknown = np.isnan(values)
    gaps = tuple(
        (round(first * WIDTH / values.size, 1), round(max((last - first) * WIDTH / values.size, 1), 1))
        for first, last in _runs(unknown)
    )
    if unknown.all():
        return Sparkline("", "", gaps, None)
    steps = downsample(values, -(-values.size // MAX_STEPS))
    low, high = float(np.nanmin(steps)), float(np.nanmax(steps))
    span = high / 2 - low / 2  # halves: the difference itself may overflow
    shares = np.full(steps.size, 0.5) if span == 0 else (steps / 2 - low / 2) / span
    heights = np.round(HEIGHT - MARGIN - shares * (HEIGHT - 2 * MARGIN), 1)
    known = ~np.isnan(steps)
    runs = [
        (_left(first, steps.size), _draw_run(heights[first:last], first, steps.size))
        for first, last in _runs(known)
    ]
    zero: float | None = None
    base: float = 0 if high <= 0 and low < 0 else HEIGHT
    if low < 0 < high:
        zero = base = round(HEIGHT - MARGIN + low / 2 / span * (HEIGHT - 2 * MARGIN), 1)
    path = "".join(run for _, run in runs)
    area = "".join(f"{run}V{base:g}H{left}Z" for left, run in runs)
    return Sparkline(path, area, gaps, zero)


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and one past the last index of each run of true."""
    edges = np.flatnonzero(np.diff(flags, prepend=False, append=False)).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _draw_run(heights: FloatArray, first: int, count: int) -> str:
    """Steps from the left edge of step ``first`` of ``count``; equal neighbours are one."""
    parts = []
    before: float | None = None
    for index, height in enumerate(heights.tolist(), start=first):
        left = _left(index, count)
        if before is None:
            parts.append(f"M{left} {height:g}")
        elif height != before:
            parts.append(f"H{left}V{height:g}")
        before = height
    parts.append(f"H{_left(first + heights.size, count)}")
    return "".join(parts)


def _left(index: int, count: int) -> str:
    """The left edge of step ``index`` of ``count``."""
    return f"{round(index * WIDTH / count, 1):g}"
