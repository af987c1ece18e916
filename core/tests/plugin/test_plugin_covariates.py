"""Covariates on a scale of their own, each series with those it has."""

from __future__ import annotations

import numpy as np

from chronotick.plugin.covariates import alike, past_covariates

RAMP = np.arange(8.0)


def test_covariates_are_standardised_in_float64():
    """A ramp of microkelvins around 300 K is 0 everywhere in float32."""
    (past,) = past_covariates({"cpu": 300.0 + 1e-6 * RAMP[np.newaxis]}, 1, 8)
    expected = (RAMP - RAMP.mean()) / RAMP.std()
    np.testing.assert_allclose(past["cpu"], expected, atol=1e-3)
    assert past["cpu"].dtype == np.float32


def test_only_the_last_steps_count():
    values = np.concatenate([[1e9], RAMP])[np.newaxis]
    (past,) = past_covariates({"cpu": values}, 1, 8)
    assert past["cpu"].shape == (8,)
    assert abs(past["cpu"].mean()) < 1e-6


def test_gaps_stay_gaps_and_infinities_become_some():
    values = RAMP[np.newaxis].copy()
    values[0, :3] = np.nan, np.inf, -np.inf
    (past,) = past_covariates({"cpu": values}, 1, 8)
    np.testing.assert_array_equal(np.isnan(past["cpu"]), np.arange(8) < 3)
    assert abs(np.nanstd(past["cpu"]) - 1.0) < 1e-6


def test_constants_are_zero():
    """Rounding errors of a mean would otherwise be blown up to a signal."""
    (past,) = past_covariates({"cpu": np.full((1, 1000), 54321.1)}, 1, 1000)
    np.testing.assert_array_equal(past["cpu"], np.zeros(1000))


def test_each_series_has_the_covariates_it_has_values_of():
    nothing = np.full(8, np.nan)
    past = past_covariates(
        {"cpu": np.stack([RAMP, nothing, RAMP]), "fan": np.stack([nothing, nothing, RAMP])}, 3, 8
    )
    assert [sorted(names) for names in past] == [["cpu"], [], ["cpu", "fan"]]
    assert alike(past) == [[0], [1], [2]]
    assert alike([past[0], past[1], past[0]]) == [[0, 2], [1]]
