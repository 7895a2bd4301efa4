"""Errors of forecasts against measurements."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridlore.domain.quality import NO_ERRORS, measure_errors

MAYBE = st.one_of(st.none(), st.floats(-1e6, 1e6))
NAN = float("nan")


def array(values: list[float | None]) -> np.ndarray:
    return np.array([NAN if value is None else value for value in values])


@given(st.lists(st.tuples(MAYBE, MAYBE), max_size=30))
def test_errors_are_those_that_a_loop_finds(pairs: list[tuple[float | None, float | None]]) -> None:
    errors = [ahead - after for ahead, after in pairs if ahead is not None and after is not None]
    found = measure_errors(array([ahead for ahead, _ in pairs]), array([after for _, after in pairs]))
    assert found.count == len(errors)
    if errors:
        count = len(errors)
        assert found.mae == pytest.approx(sum(map(abs, errors)) / count, abs=1e-9)
        assert found.rmse == pytest.approx(math.sqrt(sum(error**2 for error in errors) / count), abs=1e-9)
        assert found.bias == pytest.approx(sum(errors) / count, abs=1e-9)


def test_where_nothing_is_known_of_both_nothing_is_said() -> None:
    assert measure_errors(np.array([1.0, NAN]), np.array([NAN, 2.0])) is NO_ERRORS
    assert measure_errors(np.array([]), np.array([])) is NO_ERRORS


def test_too_much_forecast_is_a_positive_bias() -> None:
    assert measure_errors(np.array([3.0, 3.0]), np.array([1.0, 2.0])).bias == 1.5


def test_a_forecast_that_was_right_has_no_error() -> None:
    errors = measure_errors(np.array([5.0, -2.0]), np.array([5.0, -2.0]))
    assert (errors.count, errors.mae, errors.rmse, errors.bias) == (2, 0.0, 0.0, 0.0)


def test_the_largest_values_give_finite_errors() -> None:
    errors = measure_errors(np.array([1.7e308, 1.7e308, 1.0]), np.array([-1.7e308, 1.6e308, 1.0]))
    assert all(map(math.isfinite, (errors.mae, errors.rmse, errors.bias)))
    assert errors.rmse >= errors.mae
