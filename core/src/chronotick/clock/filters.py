"""The states of the bank's filters, side by side: one clock each, and the errors of its sources.

A filter's state is the clock's (:mod:`chronotick.clock.dynamics`), then *bias* b and *slope* a of
each source, whose measurement with the excess delay e is expected to be ``x + b + a e``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chronotick.clock.dynamics import FREQUENCY, OFFSET, STATES, Dynamics

PER_SOURCE = 2
NO_VARIANCE = 1e-24  # s²: what is expected is never known better than to a picosecond

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Expectation:
    """What each filter expects a source to measure.

    Attributes:
        mean_s: ``[K]``, in s.
        variance: ``[K]``, in s².
        gain: ``[K, n]``, its covariance with each state.
    """

    mean_s: Vector
    variance: Vector
    gain: Vector


class Filters:
    """Means ``x`` [K, n] and covariances ``p`` [K, n, n] of K filters.

    Args:
        dynamics: how the clock of each runs.
    """

    def __init__(self, dynamics: Dynamics) -> None:
        self._dynamics = dynamics
        self.x: Vector = np.zeros((len(dynamics), STATES))
        self.p: Vector = np.zeros((len(dynamics), STATES, STATES))

    @classmethod
    def restored(cls, dynamics: Dynamics, x: Vector, p: Vector) -> Filters:
        """Return what was saved.

        Raises:
            ValueError: a variance is negative.
        """
        if (np.diagonal(p, axis1=1, axis2=2) < 0).any():
            raise ValueError("a variance is negative")
        filters = cls(dynamics)
        filters.x, filters.p = x, p
        return filters

    def start(self, offset_sigma_s: float, frequency_sigma: float) -> None:
        """Begin with an offset of 0 and what is not known of it and of the frequency."""
        self.p = self._dynamics.prior(offset_sigma_s, frequency_sigma)

    def advance(self, age_s: float) -> None:
        """Carry the clocks by ``age_s`` seconds, back or forth."""
        step = self._dynamics.step(self.x[:, :STATES], age_s)
        matrix = step.transition()
        self.x[:, :STATES] = step.carried()
        rows = matrix @ self.p[:, :STATES]
        self.p[:, :STATES, STATES:] = rows[:, :, STATES:]
        self.p[:, STATES:, :STATES] = rows[:, :, STATES:].transpose(0, 2, 1)
        own = rows[:, :, :STATES] @ matrix.transpose(0, 2, 1) + self._dynamics.gained(age_s)
        self.p[:, :STATES, :STATES] = (own + own.transpose(0, 2, 1)) / 2  # for ever symmetric

    def add_source(self, bias_variance: float, slope_variance: float) -> None:
        """Add the states of one more source."""
        count, size = self.x.shape
        self.x = np.concatenate([self.x, np.zeros((count, PER_SOURCE))], axis=1)
        grown = np.zeros((count, size + PER_SOURCE, size + PER_SOURCE))
        grown[:, :size, :size] = self.p
        grown[:, size, size] = bias_variance
        grown[:, size + 1, size + 1] = slope_variance
        self.p = grown

    def remove_source(self, number: int) -> None:
        """Remove the states of the source of that number."""
        columns = [_bias(number), _bias(number) + 1]
        self.x = np.delete(self.x, columns, axis=1)
        self.p = np.delete(np.delete(self.p, columns, axis=1), columns, axis=2)

    def widen_bias(self, number: int, variance: float) -> None:
        """Know less of a source's bias."""
        bias = _bias(number)
        self.p[:, bias, bias] += variance

    def error_s(self, number: int, excess_s: float) -> Vector:
        """What each filter believes to be wrong with a source's measurement ``[K]``, in s."""
        bias = _bias(number)
        error: Vector = self.x[:, bias] + excess_s * self.x[:, bias + 1]
        return error

    def expectation(self, number: int, excess_s: float) -> Expectation:
        """What a source is expected to measure when the delay has that excess."""
        bias = _bias(number)
        gain = self.p[:, OFFSET] + self.p[:, bias] + excess_s * self.p[:, bias + 1]
        variance = gain[:, OFFSET] + gain[:, bias] + excess_s * gain[:, bias + 1]
        mean_s = self.x[:, OFFSET] + self.x[:, bias] + excess_s * self.x[:, bias + 1]
        return Expectation(mean_s, np.maximum(variance, NO_VARIANCE), gain)

    def correct(self, gain: Vector, pull: Vector, shrink: Vector) -> None:
        """Take in what a measurement said; see :class:`chronotick.clock.posterior.Posterior`."""
        self.x += gain * pull[:, np.newaxis]
        outer = gain[:, :, np.newaxis] * gain[:, np.newaxis, :]
        self.p -= shrink[:, np.newaxis, np.newaxis] * outer  # in this order exactly symmetric

    def open(
        self, chosen: NDArray[np.bool_], offset_variance: Vector, frequency_variance: float
    ) -> None:
        """Let some of the filters know less of the clock."""
        self.p[chosen, OFFSET, OFFSET] += offset_variance[chosen]
        self.p[chosen, FREQUENCY, FREQUENCY] += frequency_variance

    def offset_and_biases(self, chosen: NDArray[np.intp]) -> tuple[Vector, Vector]:
        """Means and covariances of the offset and, after it, the sources' biases."""
        places = np.array([OFFSET, *range(STATES, self.x.shape[1], PER_SOURCE)])
        return self.x[np.ix_(chosen, places)], self.p[np.ix_(chosen, places, places)]


def _bias(number: int) -> int:
    """Position of a source's bias in the state; its slope is the next."""
    return STATES + PER_SOURCE * number
