from __future__ import annotations

import numpy as np
import pytest

from chronotick.clock.noise import Components
from chronotick.clock.posterior import posterior

SHARES = np.array([[0.2, 0.5, 0.3]])
MEANS_S = np.array([[-3e-4, 0.0, 2e-4]])
VARIANCES = np.array([[1e-9, 4e-9, 1e-8]])
OWN = np.array([3e-8])


def normal(values, variance):
    return np.exp(-0.5 * values**2 / variance) / np.sqrt(2 * np.pi * variance)


@pytest.mark.parametrize("residual_s", [0.0, 2e-4, -5e-4])
def test_moments_are_those_of_the_posterior_integrated(residual_s):
    errors = np.linspace(-2e-3, 2e-3, 40_001)  # of what was expected
    step = errors[1] - errors[0]
    away = residual_s - errors[:, np.newaxis] - MEANS_S
    density = normal(errors, OWN[0]) * (SHARES * normal(away, VARIANCES)).sum(axis=1)
    evidence = density.sum() * step
    mean = (errors * density).sum() * step / evidence
    variance = (errors**2 * density).sum() * step / evidence - mean**2
    found = posterior(np.array([residual_s]), OWN, Components(SHARES, MEANS_S, VARIANCES))
    assert OWN[0] * found.pull[0] == pytest.approx(mean, rel=1e-6, abs=1e-12)
    assert OWN[0] - OWN[0] ** 2 * found.shrink[0] == pytest.approx(variance, rel=1e-6)
    assert found.log_likelihood[0] == pytest.approx(np.log(evidence), rel=1e-9)
    parts = (SHARES * normal(residual_s - MEANS_S, OWN[0] + VARIANCES))[0]
    np.testing.assert_allclose(found.probabilities[0], parts / parts.sum())


def test_of_one_component_it_is_kalmans():
    one = Components(np.ones((1, 1)), np.zeros((1, 1)), np.full((1, 1), 1e-8))
    found = posterior(np.array([1e-4]), OWN, one)
    assert found.pull[0] == pytest.approx(1e-4 / 4e-8)
    assert found.shrink[0] == pytest.approx(1 / 4e-8)


def test_components_far_apart_do_not_underflow():
    apart = Components(np.full((1, 2), 0.5), np.array([[-1.0, 1.0]]), np.full((1, 2), 1e-18))
    found = posterior(np.array([0.3]), np.array([1e-18]), apart)
    np.testing.assert_allclose(found.probabilities, [[0.0, 1.0]], atol=1e-300)
    assert np.isfinite(found.log_likelihood).all()


def test_some_filters_can_be_overruled():
    both = Components(np.ones((2, 1)), np.zeros((2, 1)), np.full((2, 1), 1e-8))
    found = posterior(np.array([1e-4, 1e-2]), np.array([3e-8, 3e-8]), both)
    surprise = np.array([1e-4, 1e-2])
    overruled = found.overruled(np.array([False, True]), surprise, np.array([1.0, 1e-5]))
    np.testing.assert_allclose(overruled.pull, [found.pull[0], 1e3])
    np.testing.assert_allclose(overruled.shrink, [found.shrink[0], 1e5])
    assert overruled.log_likelihood is found.log_likelihood
