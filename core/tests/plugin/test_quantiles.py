"""Reading quantiles at other levels than a model's own."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.plugin import at_levels
from chronotick.plugin.quantiles import median_and_quantiles

NINE = [tenth / 10 for tenth in range(1, 10)]


def normal(levels: list[float]):
    return np.array([NormalDist(2.0, 3.0).inv_cdf(level) for level in levels])


def test_native_levels_come_back_exactly():
    native = np.arange(2 * 4 * 9.0).reshape(2, 4, 9)
    np.testing.assert_array_equal(at_levels(native, NINE, NINE), native)


def test_tails_of_a_normal_distribution_are_found_again():
    wanted = [0.001, 0.01, 0.05, 0.95, 0.99, 0.999]
    np.testing.assert_allclose(at_levels(normal(NINE), NINE, wanted), normal(wanted), rtol=1e-12)


def test_between_levels_the_quantile_is_linear():
    assert at_levels(np.array([0.0, 1.0, 3.0]), [0.25, 0.5, 0.75], [0.625]) == pytest.approx(2.0)


def test_crossing_quantiles_are_sorted():
    crossing = np.array([3.0, 1.0, 2.0])
    found = at_levels(crossing, [0.25, 0.5, 0.75], [0.25, 0.5, 0.75])
    np.testing.assert_array_equal(found, [1.0, 2.0, 3.0])


def test_median_alone_has_no_tails_to_extend():
    np.testing.assert_array_equal(at_levels(np.array([7.0]), [0.5], [0.1, 0.5, 0.9]), [7.0] * 3)


@pytest.mark.parametrize("levels", [[0.0], [1.0], [-0.1], [float("nan")]])
def test_impossible_levels_are_refused(levels: list[float]):
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        at_levels(normal(NINE), NINE, levels)


@pytest.mark.parametrize("native", [[0.5, 0.4], [0.6, 0.7], [0.1, 0.2], [0.0, 1.0]])
def test_native_levels_must_straddle_the_median(native: list[float]):
    with pytest.raises(ValueError, match="native levels must ascend around"):
        at_levels(np.zeros(2), native, [0.5])


def test_levels_may_come_in_any_order():
    np.testing.assert_array_equal(
        at_levels(normal(NINE), NINE, [0.9, 0.05, 0.5]),
        at_levels(normal(NINE), NINE, [0.05, 0.5, 0.9])[[2, 0, 1]],
    )


@given(
    st.lists(st.floats(-1e-3, 1e-3), min_size=9, max_size=9),
    st.lists(st.floats(0.0001, 0.9999), min_size=1, max_size=20),
)
def test_result_never_decreases(native: list[float], levels: list[float]):
    found = at_levels(np.array(native), NINE, sorted(levels))
    assert np.all(np.diff(found) >= 0)


def test_forecast_of_quantiles_has_the_median_as_its_centre():
    native = np.arange(2 * 4 * 9.0).reshape(2, 4, 9)
    forecast = median_and_quantiles(lambda levels: at_levels(native, NINE, levels), [0.1, 0.9])
    np.testing.assert_array_equal(forecast.mean, native[:, :, 4])
    np.testing.assert_array_equal(forecast.quantiles, native[:, :, [0, 8]])
