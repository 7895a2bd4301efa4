"""How far forecasts lay from what was measured.

Layer: domain. Imports NumPy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridlore.domain.timing import FloatArray

LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors over ``count`` events; an error is forecast minus measured.

    ``mae``: mean absolute error; ``rmse``: root of the mean squared error; ``bias``: mean error, positive
    when too much was forecast. In the sensor's unit; NaN when ``count`` is 0.
    """

    count: int
    mae: float
    rmse: float
    bias: float


NO_ERRORS = Errors(0, float("nan"), float("nan"), float("nan"))
"""Nothing can be said."""


def measure_errors(forecast: FloatArray, measured: FloatArray) -> Errors:
    """Errors over the events of which both are known.

    Parameters
    ----------
    forecast, measured : float64 array, shape (n,)
        In one unit; NaN where unknown. Errors too large to be written as a number count as the largest one.

    >>> measure_errors(np.array([1.0, 4.0, np.nan]), np.array([2.0, 2.0, 2.0]))
    Errors(count=2, mae=1.5, rmse=1.58..., bias=0.5)
    """
    known = ~(np.isnan(forecast) | np.isnan(measured))
    count = int(known.sum())
    if not count:
        return NO_ERRORS
    with np.errstate(over="ignore"):
        errors = np.clip(forecast[known] - measured[known], -LARGEST, LARGEST)
    largest = float(np.abs(errors).max())
    if largest == 0.0:
        return Errors(count, 0.0, 0.0, 0.0)
    shares = errors / largest  # so that neither squares nor sums overflow
    return Errors(
        count,
        float(np.abs(shares).mean()) * largest,
        float(np.sqrt(np.square(shares).mean())) * largest,
        float(shares.mean()) * largest,
    )
