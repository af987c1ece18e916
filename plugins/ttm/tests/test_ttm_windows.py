"""What the model reads: one length, standardised channels, zeros under a mask."""

from __future__ import annotations

import numpy as np
import pytest

from chronotick.testing import batch_of, walk
from chronotick_ttm.windows import resolution, windows

RAMP = np.arange(8.0)[np.newaxis]


def standard(values: np.ndarray) -> np.ndarray:
    return (values - np.nanmean(values)) / np.nanstd(values)


def test_short_contexts_are_padded_at_their_old_end_and_masked():
    window = windows(batch_of(RAMP), (), 10)
    np.testing.assert_array_equal(window.observed[0, :, 0], np.arange(10) >= 2)
    np.testing.assert_array_equal(window.past[0, :2, 0], 0.0)
    np.testing.assert_allclose(window.past[0, 2:, 0], standard(RAMP)[0], rtol=1e-6)
    assert window.past.dtype == np.float32


def test_of_long_contexts_only_the_newest_count():
    """For the scale too: what was long ago does not matter."""
    values = np.concatenate([np.full((1, 100), 1e3), RAMP], axis=1)
    window = windows(batch_of(values), (), 8)
    np.testing.assert_allclose(window.past[0, :, 0], standard(RAMP)[0], rtol=1e-6)
    assert window.observed.all()


def test_gaps_are_the_mean_and_masked():
    values = RAMP.copy()
    values[0, [0, 3, 7]] = np.nan
    window = windows(batch_of(values), (), 8)
    np.testing.assert_array_equal(~window.observed[0, :, 0], np.isnan(values[0]))
    np.testing.assert_array_equal(window.past[0, [0, 3, 7], 0], 0.0)
    assert abs(window.past[0, window.observed[0, :, 0], 0].mean()) < 1e-6


def test_forecasts_find_their_way_back():
    values = walk(64, series=2)
    window = windows(batch_of(values), (), 64)
    back = window.residual.restore(window.past[:, :, 0])
    np.testing.assert_allclose(back, values, atol=1e-6 * values.std())


def test_series_without_measurements_is_refused_by_number():
    values = walk(8, series=2)
    values[1] = np.nan
    with pytest.raises(ValueError, match=r"series \[1\] hold no measurement"):
        windows(batch_of(values), (), 8)


def test_covariates_follow_in_the_order_asked_for_and_others_do_not():
    covariates = {"b": RAMP[:, ::-1], "a": 300.0 + 1e-6 * RAMP, "unused": RAMP}
    window = windows(batch_of(walk(8), covariates), ("a", "b"), 8)
    assert window.past.shape == (1, 8, 3)
    np.testing.assert_allclose(window.past[0, :, 1], standard(RAMP)[0], atol=1e-3)
    np.testing.assert_allclose(window.past[0, :, 2], standard(RAMP)[0, ::-1], rtol=1e-6)


def test_gaps_and_infinities_of_a_covariate_are_masked():
    covariate = RAMP.copy()
    covariate[0, :3] = np.nan, np.inf, -np.inf
    window = windows(batch_of(walk(8), {"a": covariate}), ("a",), 8)
    np.testing.assert_array_equal(window.observed[0, :, 1], np.arange(8) >= 3)
    np.testing.assert_array_equal(window.past[0, :3, 1], 0.0)
    assert np.isfinite(window.past).all()


@pytest.mark.parametrize("covariates", [{}, {"a": np.full((1, 8), np.nan)}])
def test_covariates_that_nobody_measured_are_masked_throughout(covariates: dict):
    window = windows(batch_of(walk(8), covariates), ("a",), 8)
    assert not window.observed[0, :, 1].any()
    np.testing.assert_array_equal(window.past[0, :, 1], 0.0)


def test_constant_covariates_are_zero():
    """Rounding errors of a mean would otherwise be blown up to a signal."""
    window = windows(batch_of(walk(512), {"a": np.full((1, 512), 54321.1)}), ("a",), 512)
    np.testing.assert_array_equal(window.past[0, :, 1], 0.0)
    assert window.observed[0, :, 1].all()


@pytest.mark.parametrize(
    ("step_s", "vocabulary", "token"),
    [(60.0, 10, 1), (3600.0, 10, 7), (1.0, 10, 0), (64.0, 10, 0), (604800.0, 5, 0)],
)
def test_resolutions_have_the_librarys_tokens(step_s: float, vocabulary: int, token: int):
    assert resolution(step_s, vocabulary) == token
