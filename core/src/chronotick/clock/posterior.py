"""What a measurement says to filters when its noise is a mixture of normals.

A filter expects a measurement with a normal distribution; with the mixture as its noise the
posterior is a mixture as well. Its first two moments are kept, and taken for a normal again
(assumed-density filtering; for any noise density the moments follow from its score, Masreliez,
"Approximate non-Gaussian filtering with linear state and observation relations", IEEE Trans. AC 20,
1975).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chronotick.clock.noise import Components

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Posterior:
    """What a measurement says to each filter.

    Attributes:
        pull: ``[K]`` by which the gain is multiplied to move the state, 1/s.
        shrink: ``[K]`` times the gain's outer product is taken off the covariance, 1/s².
        probabilities: ``[K, BINS]`` of the noise's components.
        log_likelihood: ``[K]``.
    """

    pull: Vector
    shrink: Vector
    probabilities: Vector
    log_likelihood: Vector

    def overruled(self, chosen: NDArray[np.bool_], surprise_s: Vector, total: Vector) -> Posterior:
        """For some filters, what a single normal would say.

        Args:
            chosen: ``[K]`` which.
            surprise_s: ``[K]`` measured minus expected.
            total: ``[K]`` its variance in s².
        """
        return replace(
            self,
            pull=np.where(chosen, surprise_s / total, self.pull),
            shrink=np.where(chosen, 1.0 / total, self.shrink),
        )


def posterior(residual: Vector, own: Vector, noise: Components) -> Posterior:
    """Match the first two moments of the posterior.

    Args:
        residual: ``[K]`` measured minus expected, in s, before the noise's own mean.
        own: ``[K]`` variance of what is expected, in s².
        noise: of the measurement.
    """
    total = own[:, np.newaxis] + noise.variances
    distance = residual[:, np.newaxis] - noise.means
    logs = np.log(noise.shares) - 0.5 * (distance**2 / total + np.log(total))
    highest = logs.max(axis=1, keepdims=True)
    probabilities = np.exp(logs - highest)
    sums = probabilities.sum(axis=1, keepdims=True)
    probabilities /= sums
    pulls = distance / total
    pull = (probabilities * pulls).sum(axis=1)
    shrink = (probabilities / total).sum(axis=1)
    shrink -= (probabilities * pulls**2).sum(axis=1) - pull**2
    log_likelihood = highest[:, 0] + np.log(sums[:, 0]) - 0.5 * np.log(2 * np.pi)
    return Posterior(pull, shrink, probabilities, log_likelihood)
