"""The bootstrap by itself: clusters, paired draws, and the bounds of Efron and Tibshirani."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from chronotick.lab.scoring.resampling import bca, resampled


def mean(values: np.ndarray) -> np.ndarray:
    return values


@pytest.mark.parametrize("decimals", [0, 9])  # 0: many resamples equal the estimate
@pytest.mark.parametrize("seed", range(4))
def test_bca_bounds_are_those_of_scipy(seed: int, decimals: int):
    values = np.random.default_rng(seed).exponential(2.0, size=25).round(decimals)
    theirs = scipy.stats.bootstrap((values,), np.mean, n_resamples=999, rng=seed, method="BCa")
    left_out = np.array([np.delete(values, index).mean() for index in range(25)])
    drawn = theirs.bootstrap_distribution
    low, high = bca(np.array([values.mean()]), drawn[:, None], left_out[:, None])
    assert low.item() == pytest.approx(theirs.confidence_interval.low, rel=1e-12)
    assert high.item() == pytest.approx(theirs.confidence_interval.high, rel=1e-12)


def test_bca_stays_within_the_resamples_where_one_cluster_is_far_off():
    values = np.array([0.0, 0.0, 0.0, 0.0, 1e9])[:, None]
    for side in (values, -values):
        found = resampled(side, np.arange(5), mean, resamples=200, seed=0, method="bca")
        assert np.isfinite([found.lower, found.upper]).all()
        assert found.lower <= found.upper
        assert side.min() <= found.lower
        assert found.upper <= side.max()


def test_bca_where_all_resamples_lie_on_one_side():
    drawn = np.linspace(1.0, 2.0, 100)[:, None]
    low, high = bca(np.array([3.0]), drawn, np.array([[3.0], [3.1], [2.9]]))
    assert 1.0 <= low.item() <= high.item() <= 2.0


def test_bca_beyond_the_end_of_its_formula_is_the_outermost_resample():
    drawn = np.linspace(1.0, 2.0, 100_000)[:, None]
    left_out = np.zeros((1000, 1))
    left_out[0] = 1.0
    low, _ = bca(np.array([0.0]), drawn, left_out)
    assert low.item() == 1.0


def test_clusters_of_equal_size_are_resampled_like_their_means():
    rng = np.random.default_rng(5)
    values, clusters = rng.normal(size=(60, 2)), np.repeat(np.arange(12), 5)
    means = values.reshape(12, 5, 2).mean(axis=1)
    whole = resampled(values, clusters, mean, resamples=300, seed=1)
    small = resampled(means, np.arange(12), mean, resamples=300, seed=1)
    np.testing.assert_allclose(whole.lower, small.lower, atol=1e-14)
    np.testing.assert_allclose(whole.upper, small.upper, atol=1e-14)


def test_large_clusters_count_for_more():
    values = np.array([0.0, 0.0, 0.0, 3.0])[:, None]
    found = resampled(values, np.array([0, 0, 0, 1]), mean, resamples=500, seed=0)
    assert found.estimate.item() == 0.75
    assert (found.lower.item(), found.upper.item()) == (0.0, 3.0)


def test_all_columns_see_the_same_draws():
    values = np.random.default_rng(2).normal(size=(30, 1))
    found = resampled(
        np.hstack([values, values + 10]), np.arange(30), mean, resamples=200, seed=4, method="bca"
    )
    np.testing.assert_allclose(found.lower[1] - found.lower[0], 10, atol=1e-12)
    np.testing.assert_allclose(found.upper[1] - found.upper[0], 10, atol=1e-12)


def test_one_cluster_says_nothing_about_others():
    found = resampled(np.ones((5, 2)), np.zeros(5, dtype=np.int64), mean, resamples=100, seed=0)
    assert (found.estimate == 1).all()
    assert np.isnan(found.lower).all()
    assert np.isnan(found.upper).all()
