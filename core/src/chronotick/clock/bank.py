"""A bank of Kalman filters, mixed by how well each has predicted lately.

No single wander fits all oscillators, nor one oscillator at all times: too small a one trusts a
frequency that has moved on, too large a one follows the noise. Each filter of the bank assumes
another; its weight is its predictive likelihood over the recent measurements (Bayesian model
averaging with exponential forgetting; Raftery, Karny and Ettler, "Online prediction under model
uncertainty via dynamic model averaging", Technometrics 52, 2010).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chronotick.clock.estimator import Innovation
from chronotick.clock.kalman import GATE, KalmanFilter
from chronotick.clock.state import ClockState
from chronotick.ntp.measurement import Measurement

FORGETTING = 0.98  # per measurement: a memory of fifty
SNAPSHOT_VERSION = 1


class KalmanBank:
    """An :class:`~chronotick.clock.estimator.Estimator` that need not be told the wander.

    Args:
        wanders: random-walk FM of each filter, 1/sqrt(s).
        max_frequency_error: 1 sigma of the frequency before anything is known of it.
    """

    def __init__(self, wanders: Sequence[float], max_frequency_error: float) -> None:
        self._filters = [KalmanFilter(wander, max_frequency_error) for wander in wanders]
        self._log_weights = np.zeros(len(wanders))

    @property
    def newest_raw_ns(self) -> int | None:
        """RAW time of the newest measurement taken; ``None`` before the first."""
        return self._filters[0].newest_raw_ns

    @property
    def weights(self) -> list[float]:
        """Share of each filter, in the order of ``wanders``."""
        shares = np.exp(self._log_weights - self._log_weights.max())
        return [float(share) for share in shares / shares.sum()]

    def update(self, measurement: Measurement) -> Innovation:
        """Take one measurement; the innovation is the mixture's.

        Raises:
            ValueError: it is older than the newest measurement by more than a minute.
        """
        innovations = [each.update(measurement) for each in self._filters]
        weights = self.weights
        likelihood = np.array([_log_likelihood(innovation) for innovation in innovations])
        self._log_weights = FORGETTING * self._log_weights + likelihood
        self._log_weights -= self._log_weights.max()
        heaviest = innovations[max(range(len(weights)), key=weights.__getitem__)]
        mean = sum(w * i.residual_s for w, i in zip(weights, innovations, strict=True))
        spread = sum(
            w * (i.variance + (i.residual_s - mean) ** 2)
            for w, i in zip(weights, innovations, strict=True)
        )
        return replace(heaviest, residual_s=mean, variance=spread)

    def state(self, raw_ns: int) -> ClockState | None:
        """Return the mixture carried forward to ``raw_ns``, as its first two moments."""
        states = [state for each in self._filters if (state := each.state(raw_ns)) is not None]
        return _mixed(states, self.weights) if states else None

    def noise_s(self, measurement: Measurement) -> float:
        """Standard uncertainty in s of a measurement's offset, without its route's bias."""
        return self._filters[0].noise_s(measurement)  # it depends on delays only

    def bias_s(self, source: str) -> float:
        """Estimated constant error in s of a source; 0 for one never seen."""
        pairs = zip(self.weights, self._filters, strict=True)
        return sum(weight * each.bias_s(source) for weight, each in pairs)

    def drop(self, source: str) -> None:
        """Forget a source that is gone."""
        for each in self._filters:
            each.drop(source)

    def snapshot(self) -> dict[str, Any]:
        """Return everything needed to go on after a restart, as JSON types."""
        return {
            "version": SNAPSHOT_VERSION,
            "log_weights": self._log_weights.tolist(),
            "filters": [each.snapshot() for each in self._filters],
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take up a snapshot.

        Raises:
            ValueError: it is of another bank, or damaged; the bank is not to be used then.
        """
        filters = snapshot.get("filters")
        if not isinstance(filters, list) or snapshot.get("version") != SNAPSHOT_VERSION:
            raise ValueError("the saved state of the clock is of another version")
        if len(filters) != len(self._filters):
            raise ValueError("the saved state of the clock is of a bank with other wanders")
        weights = np.asarray(snapshot.get("log_weights"), dtype=float)
        if weights.shape != self._log_weights.shape or not np.isfinite(weights).all():
            raise ValueError("the saved state of the clock is damaged: weights")
        for each, saved in zip(self._filters, filters, strict=True):
            each.restore(saved)
        self._log_weights = weights


def _log_likelihood(innovation: Innovation) -> float:
    """Gaussian, but beyond the filter's gate an outlier says no more against a filter."""
    square = min(innovation.normalised**2, GATE**2)
    return -0.5 * (math.log(innovation.variance) + square)


def _mixed(states: Sequence[ClockState], weights: Sequence[float]) -> ClockState:
    base = states[0].offset_ns
    w = np.array(weights)
    offsets = np.array([(s.offset_ns - base) * 1e-9 for s in states])
    frequencies = np.array([s.frequency for s in states])
    offset, frequency = float(w @ offsets), float(w @ frequencies)
    apart, astray = offsets - offset, frequencies - frequency
    return ClockState(
        raw_ns=states[0].raw_ns,
        offset_ns=base + round(offset * 1e9),
        frequency=frequency,
        var_offset=float(w @ (np.array([s.var_offset for s in states]) + apart**2)),
        cov=float(w @ (np.array([s.cov for s in states]) + apart * astray)),
        var_frequency=float(w @ (np.array([s.var_frequency for s in states]) + astray**2)),
        white_psd=float(w @ np.array([s.white_psd for s in states])),
        wander_psd=float(w @ np.array([s.wander_psd for s in states])),
    )
