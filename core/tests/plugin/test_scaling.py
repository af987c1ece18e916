from __future__ import annotations

import numpy as np
import pytest

from chronotick.plugin.scaling import standardise


def test_measured_values_have_mean_0_and_deviation_1_and_gaps_stay_gaps():
    values = np.array([[1e-6, np.nan, 3e-6, 5e-6], [1.0, 2.0, 3.0, np.nan]])
    context = standardise(values, np.full(values.shape, 1e-7))
    np.testing.assert_array_equal(np.isnan(context.values), np.isnan(values))
    np.testing.assert_allclose(np.nanmean(context.values, axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(np.nanstd(context.values, axis=1), 1)


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 3)])
def test_restoring_undoes_it_for_forecasts_of_any_shape(shape: tuple[int, ...]):
    values = np.array([[1e-6, 2e-6, 4e-6], [-3.0, 5.0, 8.0]])
    context = standardise(values, np.full(values.shape, 1e-7))
    standard = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    restored = context.restore(standard)
    assert restored.dtype == np.float64
    shape_of_series = (2, *(1 for _ in shape[1:]))
    location, scale = (a.reshape(shape_of_series) for a in (context.location, context.scale))
    back = (restored - location) / scale
    np.testing.assert_allclose(back, standard, rtol=1e-6, atol=1e-6)


def test_a_constant_series_is_scaled_by_its_noise():
    context = standardise(np.full((1, 4), 7.0), np.full((1, 4), 2e-6))
    np.testing.assert_array_equal(context.values, 0)
    assert context.scale == pytest.approx([2e-6])


def test_gaps_do_not_count_as_measurements_without_noise():
    values = np.array([[7.0, np.nan, np.nan, np.nan]])
    noise = np.where(np.isnan(values), np.nan, 2e-6)
    assert standardise(values, noise).scale == pytest.approx([2e-6])


def test_without_noise_a_constant_series_still_has_a_scale():
    values = np.full((1, 4), 7.0)
    assert standardise(values, np.full((1, 4), np.nan)).scale[0] > 0


def test_series_without_measurements_are_named():
    values = np.array([[1.0, 2.0], [np.nan, np.nan]])
    with pytest.raises(ValueError, match=r"series \[1\] hold no measurement"):
        standardise(values, values)
