"""How the clock goes on from an instant: the mixture of the bank's filters, carried forward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chronotick.clock.dynamics import COSINE, FREQUENCY, LOG_OMEGA, OFFSET, Dynamics, Step
from chronotick.clock.mixture import spread
from chronotick.clock.route import RouteEffect, no_routes

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Offset (s, from the course's base) and frequency at an instant, with their covariance."""

    offset_s: float
    frequency: float
    var_offset: float
    cov: float
    var_frequency: float


class Course:
    """A snapshot of M filters and their weights.

    Args:
        raw_ns: the instant.
        dynamics: of the filters.
        weights: ``[M]``, their sum is 1.
        states: ``[M, 6]``.
        covariances: ``[M, 6, 6]``.
        routes: what judging the routes changes.
    """

    def __init__(
        self,
        raw_ns: int,
        dynamics: Dynamics,
        weights: Vector,
        states: Vector,
        covariances: Vector,
        *,
        routes: RouteEffect | None = None,
    ) -> None:
        self.raw_ns = raw_ns
        self.wander_psd = float(weights @ dynamics.wander_psd)
        self._dynamics = dynamics
        self._weights = weights
        self._states = states
        self._covariances = covariances
        own = self._mean(covariances[:, OFFSET, OFFSET]) + spread(weights, states[:, OFFSET])
        self.routes = routes or no_routes(own)
        self._var_shift = self.routes.variance - own
        self._last: tuple[float, Step] | None = None

    def offset_s(self, raw_ns: int) -> float:
        """Expected offset in s at an instant."""
        return self._mean(self._step(self._age_s(raw_ns)).offsets()) + self.routes.shift_s

    def variance(self, raw_ns: int) -> float:
        """Variance of the offset in s² at an instant; never less than at the course's own."""
        return max(self._variance(self._age_s(raw_ns)), self.routes.variance)

    def path(self, raw_ns: NDArray[np.int64]) -> tuple[Vector, Vector]:
        """Offsets in s and their variances in s² at many instants, ten times as fast as one by one.

        Args:
            raw_ns: none before the course's own.
        """
        spans_s: Vector = np.multiply(raw_ns - self.raw_ns, 1e-9, dtype=np.float64)
        each: Any = spans_s[:, np.newaxis]  # elementwise, whatever the annotation says
        row = self._dynamics.offset_rows(self._states, spans_s)
        offsets = (row[..., :LOG_OMEGA] * self._states[:, :LOG_OMEGA]).sum(axis=-1)
        own = np.einsum("tmi,mij,tmj->tm", row, self._covariances, row, optimize=True)
        own += self._dynamics.offset_gained(each)
        mean = offsets @ self._weights
        apart = (offsets - mean[:, np.newaxis]) ** 2 @ self._weights
        variances = own @ self._weights + apart + self._var_shift
        return mean + self.routes.shift_s, np.maximum(variances, self.routes.variance)

    def moments(self, raw_ns: int) -> Moments:
        """Offset and frequency at an instant."""
        age_s = self._age_s(raw_ns)
        step = self._step(age_s)
        matrix, then = step.transition(), step.carried()
        own = matrix @ self._covariances @ matrix.transpose(0, 2, 1) + self._dynamics.gained(age_s)
        frequencies = then[:, FREQUENCY] + then[:, COSINE]
        offsets, own_offset = then[:, OFFSET], own[:, OFFSET]
        offset, frequency = self._mean(offsets), self._mean(frequencies)
        own_frequency = own[:, FREQUENCY] + own[:, COSINE]
        own_frequency = own_frequency[:, FREQUENCY] + own_frequency[:, COSINE]
        cov = own_offset[:, FREQUENCY] + own_offset[:, COSINE]
        return Moments(
            offset_s=offset + self.routes.shift_s,
            frequency=frequency,
            var_offset=max(self._mixed(offsets, own_offset[:, OFFSET]), self.routes.variance),
            cov=self._mean(cov + (offsets - offset) * (frequencies - frequency)),
            var_frequency=self._mean(own_frequency) + spread(self._weights, frequencies),
        )

    def _variance(self, age_s: float) -> float:
        step = self._step(age_s)
        row = step.offset_row()
        own = np.einsum("mi,mij,mj->m", row, self._covariances, row)
        own += self._dynamics.offset_gained(age_s)
        return self._mixed(step.offsets(), own)

    def _step(self, age_s: float) -> Step:
        """The filters' step to an instant: where the offset is asked for, its variance follows."""
        if self._last is None or self._last[0] != age_s:
            self._last = age_s, self._dynamics.step(self._states, age_s)
        return self._last[1]

    def _mixed(self, offsets: Vector, own: Vector) -> float:
        """Variance of the offset, given each filter's mean and variance."""
        return max(self._mean(own) + spread(self._weights, offsets) + self._var_shift, 0.0)

    def _mean(self, values: Vector) -> float:
        return float(self._weights @ values)

    def _age_s(self, raw_ns: int) -> float:
        return (raw_ns - self.raw_ns) * 1e-9
