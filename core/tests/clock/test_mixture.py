from __future__ import annotations

import numpy as np
import pytest

from chronotick.clock.mixture import joint, shares, spread


def test_shares_are_those_of_any_logarithms_but_for_a_constant():
    for constant in (-5000.0, 0.0, 5000.0):
        assert shares(np.log([1.0, 3.0]) + constant) == pytest.approx([0.25, 0.75])


def test_moments_of_a_mixture_by_hand():
    weights, means = np.array([0.25, 0.75]), np.array([[0.0, 1.0], [4.0, 3.0]])
    covariances = np.array([np.eye(2), 3 * np.eye(2)])
    mean, covariance = joint(weights, means, covariances)
    assert mean == pytest.approx([3.0, 2.5])
    apart = np.array([4.0, 2.0])  # of the two means
    expected = 2.5 * np.eye(2) + 0.25 * 0.75 * np.outer(apart, apart)
    np.testing.assert_allclose(covariance, expected)
    assert spread(weights, means[:, 0]) == pytest.approx(3.0)
