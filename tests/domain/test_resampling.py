"""Coarser values are the means of what is known; finer ones are repeated."""

from __future__ import annotations

import math
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridlore.domain.resampling import downsample, upsample

NAN = float("nan")
KNOWN = st.floats(allow_nan=False, allow_infinity=False)
SERIES = st.lists(st.one_of(KNOWN, st.just(NAN)), min_size=1, max_size=40)
HUGE = st.floats(1.5e308, sys.float_info.max) | st.floats(-sys.float_info.max, -1.5e308)
FACTORS = st.integers(1, 9)


def exact_mean(values: list[float]) -> float:
    """Mean of the known values, by exact arithmetic; NaN of none."""
    known = [Fraction(value) for value in values if not math.isnan(value)]
    return float(sum(known) / len(known)) if known else NAN


@given(SERIES, FACTORS)
def test_each_bin_is_the_mean_of_its_known_values(values, factor):
    bins = [values[i : i + factor] for i in range(0, len(values), factor)]
    told = downsample(np.array(values), factor)
    assert told.shape == (len(bins),)
    for got, members in zip(told.tolist(), bins, strict=True):
        largest = max((abs(value) for value in members if not math.isnan(value)), default=0.0)
        assert got == pytest.approx(exact_mean(members), rel=1e-12, abs=1e-14 * largest, nan_ok=True)


@given(st.lists(HUGE, min_size=1, max_size=12), FACTORS)
def test_the_mean_of_huge_values_is_no_false_gap(values, factor):
    assert np.isfinite(downsample(np.array(values), factor)).all()


def test_a_mean_near_the_largest_number_is_right():
    assert downsample(np.array([1.7e308] * 4), 4).tolist() == pytest.approx([1.7e308])
    assert downsample(np.array([1.7e308, -1.7e308, 1.7e308, -1.7e308]), 4).tolist() == pytest.approx([0.0])


def test_a_gap_stays_a_gap_only_when_all_of_its_bin_is_unknown():
    assert np.array_equal(
        downsample(np.array([NAN, NAN, NAN, 4.0, 6.0]), 2), np.array([NAN, 4.0, 6.0]), equal_nan=True
    )


def test_downsampling_leaves_the_values_it_was_given_alone():
    values = np.array([1.0, NAN, 3.0])
    downsample(values, 2)
    assert np.array_equal(values, np.array([1.0, NAN, 3.0]), equal_nan=True)


@given(st.lists(KNOWN, min_size=1, max_size=20), FACTORS)
def test_upsampling_repeats_each_value(values, factor):
    assert upsample(np.array(values), factor).tolist() == [value for value in values for _ in range(factor)]


@given(st.lists(st.integers(-1000, 1000).map(float), min_size=1, max_size=20), FACTORS)
def test_downsampling_takes_back_upsampling(values, factor):
    assert downsample(upsample(np.array(values), factor), factor).tolist() == pytest.approx(values)
