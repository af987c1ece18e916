"""Drifts that are forgotten: what each does to a clock, exactly.

A drift d of the frequency y is an Ornstein-Uhlenbeck process, ``dd = -d/T dt + w``: Singer's model
of a manoeuvring target's acceleration ("Estimating optimal tracking filter performance for manned
maneuvering targets", IEEE Trans. AES 6, 1970). What becomes of a drift of 1 after t seconds,

    d(t) = exp(-t/T),  y(t) = T (1 - d),  x(t) = T (t - y),

is also the answer to an impulse of the noise, so the covariance that the noise adds consists of the
integrals of the products of d, y and x. As ``x' = y`` and ``y' = d``, most of them need no new
function: the integral of x y is x²/2, that of y d is y²/2, and that of x d is x y less that of y².
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SERIES_BELOW = 0.02  # step over time constant, below which closed forms lose digits

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Drift:
    """One drift for each of K filters.

    Attributes:
        forgets: ``[K]`` 1/T, in 1/s.
        variance: ``[K]`` of the drift, in 1/s²; 0: there is none.
    """

    forgets: Vector
    variance: Vector

    def subset(self, chosen: NDArray[np.intp]) -> Drift:
        """The drifts of some of the filters."""
        return Drift(self.forgets[chosen], self.variance[chosen])

    def response(self, span_s: float) -> tuple[Vector, Vector, Vector]:
        """What is left of a drift of 1, and what it has done to the frequency and the offset."""
        lost = -np.expm1(-self.forgets * span_s)
        to_frequency = lost / self.forgets
        return 1.0 - lost, to_frequency, (span_s - to_frequency) / self.forgets

    def gained(self, span_s: float) -> Vector:
        """Covariance ``[K, 3, 3]`` of offset, frequency and drift that the noise adds."""
        left, y, x = self.response(span_s)
        yy = self._integrated_y(span_s, y, x)
        gained = np.empty((len(y), 3, 3))
        gained[:, 0, 0] = self._integrated_x(span_s, x)
        gained[:, 1, 1], gained[:, 2, 2] = yy, y * (1.0 + left) / 2
        gained[:, 0, 1] = gained[:, 1, 0] = x * x / 2
        gained[:, 0, 2] = gained[:, 2, 0] = x * y - yy
        gained[:, 1, 2] = gained[:, 2, 1] = y * y / 2
        gained *= (2 * self.variance * self.forgets)[:, np.newaxis, np.newaxis]
        return gained

    def offset_gained(self, span_s: float) -> Vector:
        """Variance ``[K]`` of the offset that the noise adds, in s²."""
        x = self.response(span_s)[2]
        gained: Vector = 2 * self.variance * self.forgets * self._integrated_x(span_s, x)
        return gained

    def _integrated_y(self, t: float, y: Vector, x: Vector) -> Vector:
        """Integral of y²; as a series where its terms would cancel."""
        s = self.forgets * t
        series = t**3 * (1 / 3 - s * (1 / 4 - s * (7 / 60 - s / 24)))
        return np.where(s < SERIES_BELOW, series, (x - y * y / 2) / self.forgets)

    def _integrated_x(self, t: float, x: Vector) -> Vector:
        """Integral of x²; as a series where its terms would cancel."""
        s = self.forgets * t
        x_integral = (t * t / 2 - x) / self.forgets
        ramp = (t**3 / 3 - t * x + x_integral) / self.forgets  # the integral of t x
        series = t**5 * (1 / 20 - s * (1 / 36 - s * (5 / 504 - s / 360)))
        return np.where(s < SERIES_BELOW, series, (ramp - x * x / 2) / self.forgets)
