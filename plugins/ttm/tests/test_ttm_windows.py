"""What the model reads: one length, standardised channels, what was not measured is masked."""

from __future__ import annotations

import numpy as np
import pytest

from chronotick.plugin.gaps import unbroken
from chronotick.testing import walk
from chronotick_ttm.windows import Windows, anchored_windows, resolution, windows

RAMP = np.arange(8.0)[np.newaxis]


def standard(values: np.ndarray) -> np.ndarray:
    return (values - np.nanmean(values)) / np.nanstd(values)


def window_of(
    values: np.ndarray,
    length: int,
    covariates: dict[str, np.ndarray] | None = None,
    channels: tuple[str, ...] = (),
) -> Windows:
    """Of series that end together."""
    (group,) = unbroken(values, length)
    return windows(group, covariates or {}, channels)


def test_short_contexts_are_padded_at_their_old_end_and_masked():
    window = window_of(standard(RAMP), 10)
    np.testing.assert_array_equal(window.observed[0, :, 0], np.arange(10) >= 2)
    np.testing.assert_array_equal(window.past[0, :2, 0], 0.0)
    np.testing.assert_allclose(window.past[0, 2:, 0], standard(RAMP)[0], rtol=1e-6)
    assert window.past.dtype == np.float32


def test_gaps_are_straight_lines_and_masked():
    """The mask keeps them out of mean and spread only: the layers read what stands there."""
    values = RAMP.copy()
    values[0, [0, 3, 4]] = np.nan
    window = window_of(values, 8)
    np.testing.assert_array_equal(~window.observed[0, :, 0], np.isnan(values[0]))
    np.testing.assert_allclose(window.past[0, :, 0], [0.0, *RAMP[0, 1:]], rtol=1e-6)


def test_windows_end_with_the_last_measurement_and_covariates_with_them():
    values = RAMP.copy()
    values[0, 6:] = np.nan
    window = window_of(values, 8, {"a": RAMP}, ("a",))
    np.testing.assert_allclose(window.past[0, :, 0], [0.0, 0.0, *RAMP[0, :6]], rtol=1e-6)
    np.testing.assert_allclose(window.past[0, 2:, 1], standard(RAMP[:, :6])[0], rtol=1e-6)
    np.testing.assert_array_equal(window.observed[0, :, 1], np.arange(8) >= 2)


def test_covariates_follow_in_the_order_asked_for_and_others_do_not():
    covariates = {"b": RAMP[:, ::-1], "a": 300.0 + 1e-6 * RAMP, "unused": RAMP}
    window = window_of(walk(8), 8, covariates, ("a", "b"))
    assert window.past.shape == (1, 8, 3)
    np.testing.assert_allclose(window.past[0, :, 1], standard(RAMP)[0], atol=1e-3)
    np.testing.assert_allclose(window.past[0, :, 2], standard(RAMP)[0, ::-1], rtol=1e-6)


def test_each_series_has_its_own_covariates():
    values = walk(8, series=2)
    values[0, -1] = np.nan
    _, last = unbroken(values, 8)
    window = windows(last, {"a": np.concatenate([RAMP, RAMP[:, ::-1]])}, ("a",))
    np.testing.assert_allclose(window.past[0, :, 1], standard(RAMP)[0, ::-1], rtol=1e-6)


def test_gaps_and_infinities_of_a_covariate_are_masked():
    covariate = RAMP.copy()
    covariate[0, :3] = np.nan, np.inf, -np.inf
    window = window_of(walk(8), 8, {"a": covariate}, ("a",))
    np.testing.assert_array_equal(window.observed[0, :, 1], np.arange(8) >= 3)
    np.testing.assert_array_equal(window.past[0, :3, 1], 0.0)
    assert np.isfinite(window.past).all()


@pytest.mark.parametrize("covariates", [{}, {"a": np.full((1, 8), np.nan)}])
def test_covariates_that_nobody_measured_are_masked_throughout(covariates: dict):
    window = window_of(walk(8), 8, covariates, ("a",))
    assert not window.observed[0, :, 1].any()
    np.testing.assert_array_equal(window.past[0, :, 1], 0.0)


def test_constant_covariates_are_zero():
    """Rounding errors of a mean would otherwise be blown up to a signal."""
    window = window_of(walk(512), 512, {"a": np.full((1, 512), 54321.1)}, ("a",))
    np.testing.assert_array_equal(window.past[0, :, 1], 0.0)
    assert window.observed[0, :, 1].all()


@pytest.mark.parametrize(
    ("step_s", "vocabulary", "token"),
    [(60.0, 10, 1), (3600.0, 10, 7), (1.0, 10, 0), (64.0, 10, 0), (604800.0, 5, 0)],
)
def test_resolutions_have_the_librarys_tokens(step_s: float, vocabulary: int, token: int):
    assert resolution(step_s, vocabulary) == token


def test_gaps_of_anchored_contexts_are_lines_and_the_outermost_values_are_held():
    """What is told before the residuals is none of them: no line leads from there."""
    told, nan = np.arange(32.0), np.nan
    values = np.array([[*told, nan, 1, nan, 3, nan], [*told, 5, 4, 3, 2, 1]])
    window = anchored_windows(values)
    np.testing.assert_array_equal(window.past[:, :32, 0], [told, told])
    np.testing.assert_array_equal(window.past[:, 32:, 0], [[1, 1, 2, 3, 3], [5, 4, 3, 2, 1]])
    np.testing.assert_array_equal(window.observed[..., 0], np.isfinite(values))
    assert window.past.dtype == np.float32
