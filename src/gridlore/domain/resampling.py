"""Coarser and finer: means of bins for reading, repeated values for posting.

Layer: domain. Imports NumPy only.
"""

from __future__ import annotations

import numpy as np

from gridlore.domain.timing import FloatArray

LARGEST = float(np.finfo(np.float64).max)
"""Shares of values this large are rounded, so that their sum can come out a hair beyond it."""


def downsample(values: FloatArray, factor: int) -> FloatArray:
    """Mean of the known values in each bin of ``factor`` consecutive values.

    Parameters
    ----------
    values : float64 array, shape (n,)
        NaN where unknown.
    factor : int
        Values per bin; the last bin may have fewer.

    Returns
    -------
    float64 array, shape (ceil(n / factor),)
        NaN for a bin in which nothing is known. Finite whenever the values are.

    >>> downsample(np.array([1.0, 2.0, np.nan, 4.0, 6.0]), 2)
    array([1.5, 4. , 6. ])
    """
    if factor == 1:
        return values
    bins = -(-values.size // factor)
    padded = np.full(bins * factor, np.nan)
    padded[: values.size] = values
    table = padded.reshape(bins, factor)
    known = ~np.isnan(table)
    counts = known.sum(axis=1)
    filled = np.where(known, table, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        means = filled.sum(axis=1) / np.where(counts, counts, 1)
        overflown = ~np.isfinite(means)
        if overflown.any():
            shares = filled[overflown] / counts[overflown, None]
            means[overflown] = np.clip(shares.sum(axis=1), -LARGEST, LARGEST)
    means[counts == 0] = np.nan
    result: FloatArray = means
    return result


def upsample(values: FloatArray, factor: int) -> FloatArray:
    """Each value repeated ``factor`` times, shape (n * factor,).

    >>> upsample(np.array([1.0, 2.0]), 2)
    array([1., 1., 2., 2.])
    """
    return values if factor == 1 else values.repeat(factor)
