"""Mixtures: shares from logarithms, and the first two moments."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def shares(log_weights: Vector) -> Vector:
    """Return weights whose sum is 1, given their logarithms but for a common constant."""
    weights = np.exp(log_weights - log_weights.max())
    normalised: Vector = weights / weights.sum()
    return normalised


def joint(weights: Vector, means: Vector, covariances: Vector) -> tuple[Vector, Vector]:
    """Mean ``[n]`` and covariance ``[n, n]`` of a mixture.

    Args:
        weights: ``[M]``, their sum is 1.
        means: ``[M, n]``.
        covariances: ``[M, n, n]``.
    """
    mean: Vector = weights @ means
    apart = means - mean
    covariance: Vector = np.einsum("m,mij->ij", weights, covariances)
    covariance += np.einsum("m,mi,mj->ij", weights, apart, apart)
    return mean, covariance


def spread(weights: Vector, means: Vector) -> float:
    """Variance that is due to means ``[M]`` being apart."""
    return float(weights @ (means - weights @ means) ** 2)
