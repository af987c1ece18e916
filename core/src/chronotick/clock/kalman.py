"""Kalman filter over [offset, frequency, one bias per source].

State equation: Zucca and Tavella 2005 (white and random-walk FM), exact discretisation.
Measurement equation: ``z = offset + bias[source] + noise``, the noise from the excess delay
(:mod:`chronotick.clock.noise`), the bias constant with a prior proportional to the route's minimum
delay. With one source the bias cannot be told from the offset, and the offset's variance keeps it.

Robust update: an innovation beyond five sigma has its noise inflated until it lies at three;
several such in a row mean that the clock has changed, not the network.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chronotick.clock.estimator import Innovation
from chronotick.clock.noise import DelayNoise
from chronotick.clock.state import ClockState
from chronotick.ntp.measurement import Measurement

GATE = 5.0  # normalised innovation beyond which a measurement is not believed outright
INFLATE_TO = 3.0  # where its noise is inflated to put it
REACQUIRE_AFTER = 4  # outliers in a row, on one side, that mean the clock itself has changed
WHITE_PSD = 1e-18  # s²/s; Allan deviation 1e-9 at 1 s, a good crystal
REACQUIRE_FREQUENCY = 2e-5  # 1 sigma of what a frequency jump may have been
MAX_DISORDER_NS = 60_000_000_000
SNAPSHOT_VERSION = 1

Vector = NDArray[np.float64]


class KalmanFilter:
    """The estimator of a single wander; parameters as in ``clock`` of the configuration.

    Args:
        wander: random-walk FM, 1/sqrt(s).
        max_frequency_error: 1 sigma of the frequency before anything is known of it.
    """

    def __init__(self, wander: float, max_frequency_error: float) -> None:
        self._wander_psd = wander**2
        self._prior_frequency = max_frequency_error
        self._noise: dict[str, DelayNoise] = {}
        self._sources: list[str] = []
        self._base_ns = 0  # offsets in the state are seconds relative to this
        self._raw_ns: int | None = None
        self._x: Vector = np.zeros(2)
        self._p: Vector = np.zeros((2, 2))
        self._outliers = 0

    @property
    def newest_raw_ns(self) -> int | None:
        """RAW time of the newest measurement taken; ``None`` before the first."""
        return self._raw_ns

    def update(self, measurement: Measurement) -> Innovation:
        """Take one measurement; see :class:`chronotick.clock.estimator.Estimator`.

        Exchanges with several servers end out of order by their delays; the state is carried back
        for a measurement a little older than the newest one.

        Raises:
            ValueError: it is older than the newest measurement by more than a minute.
        """
        if self._raw_ns is None:
            self._start(measurement)
        self._advance(measurement.raw_ns)
        noise = self._noise.setdefault(measurement.source, DelayNoise())
        noise.add(measurement)
        index = self._index(measurement.source, noise)
        innovation = self._innovation(measurement, index, noise.variance(measurement))
        self._correct(index, innovation)
        return innovation

    def state(self, raw_ns: int) -> ClockState | None:
        """Return the state carried forward to ``raw_ns``; ``None`` before the first measurement."""
        if self._raw_ns is None:
            return None
        age = (raw_ns - self._raw_ns) * 1e-9
        p = _carried(self._p[:2, :2], age, WHITE_PSD, self._wander_psd)
        # Base and growth are added as integers: seconds since boot times nanoseconds exceed 2^53.
        offset_s = float(self._x[0] + self._x[1] * age)
        return ClockState(
            raw_ns=raw_ns,
            offset_ns=self._base_ns + round(offset_s * 1e9),
            frequency=float(self._x[1]),
            var_offset=float(p[0, 0]),
            cov=float(p[0, 1]),
            var_frequency=float(p[1, 1]),
            white_psd=WHITE_PSD,
            wander_psd=self._wander_psd,
        )

    def noise_s(self, measurement: Measurement) -> float:
        """Standard uncertainty in s of a measurement's offset, without its route's bias."""
        noise = self._noise.get(measurement.source) or DelayNoise()
        return float(noise.variance(measurement) ** 0.5)

    def bias_s(self, source: str) -> float:
        """Estimated constant error in s of a source; 0 for one never seen."""
        if source not in self._sources:
            return 0.0
        return float(self._x[2 + self._sources.index(source)])

    def drop(self, source: str) -> None:
        """Forget a source that is gone; what it taught about offset and frequency stays."""
        if source not in self._sources:
            return
        index = 2 + self._sources.index(source)
        self._x = np.delete(self._x, index)
        self._p = np.delete(np.delete(self._p, index, axis=0), index, axis=1)
        self._sources.remove(source)
        del self._noise[source]

    def snapshot(self) -> dict[str, Any]:
        """Return everything needed to go on after a restart, as JSON types."""
        return {
            "version": SNAPSHOT_VERSION,
            "raw_ns": self._raw_ns,
            "base_ns": self._base_ns,
            "sources": list(self._sources),
            "x": self._x.tolist(),
            "p": self._p.tolist(),
            "delays": {source: noise.snapshot() for source, noise in self._noise.items()},
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take up a snapshot.

        Raises:
            ValueError: it is not a snapshot of this version of the filter, or damaged.
        """
        if snapshot.get("version") != SNAPSHOT_VERSION:
            raise ValueError("the saved state of the clock is of another version")
        try:
            sources = [str(source) for source in snapshot["sources"]]
            x = np.asarray(snapshot["x"], dtype=float)
            p = np.asarray(snapshot["p"], dtype=float)
            raw_ns, base_ns = int(snapshot["raw_ns"]), int(snapshot["base_ns"])
            noise = {s: DelayNoise.restored(snapshot["delays"][s]) for s in sources}
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"the saved state of the clock is damaged: {error!r}") from error
        size = 2 + len(sources)
        if x.shape != (size,) or p.shape != (size, size) or not np.isfinite([*x, *p.flat]).all():
            raise ValueError("the saved state of the clock is damaged: its numbers do not fit")
        self._sources, self._x, self._p = sources, x, p
        self._raw_ns, self._base_ns, self._noise = raw_ns, base_ns, noise

    def _start(self, measurement: Measurement) -> None:
        self._raw_ns, self._base_ns = measurement.raw_ns, measurement.offset_ns
        # Nothing is known of the offset but that the first measurement lies in its own bound.
        sigma = max(measurement.root_distance_ns * 1e-9, 1e-6)
        self._p = np.diag([sigma**2, self._prior_frequency**2])

    def _advance(self, raw_ns: int) -> None:
        if self._raw_ns is None or raw_ns < self._raw_ns - MAX_DISORDER_NS:
            raise ValueError("a measurement is more than a minute older than the newest one")
        age = (raw_ns - self._raw_ns) * 1e-9
        self._x[0] += self._x[1] * age
        transition = np.eye(len(self._x))
        transition[0, 1] = age
        self._p = transition @ self._p @ transition.T
        self._p[:2, :2] += _gained(age, WHITE_PSD, self._wander_psd)
        self._raw_ns = raw_ns

    def _index(self, source: str, noise: DelayNoise) -> int:
        """Position of a source's bias in the state; a new source adds one."""
        if source not in self._sources:
            self._sources.append(source)
            self._x = np.append(self._x, 0.0)
            size = len(self._x)
            grown = np.zeros((size, size))
            grown[:-1, :-1] = self._p
            grown[-1, -1] = noise.bias_sigma_s**2
            self._p = grown
        return 2 + self._sources.index(source)

    def _innovation(self, measurement: Measurement, index: int, noise: float) -> Innovation:
        measured = (measurement.offset_ns - self._base_ns) * 1e-9
        residual = float(measured - self._x[0] - self._x[index])
        own = float(self._p[0, 0] + 2 * self._p[0, index] + self._p[index, index])
        if residual**2 <= GATE**2 * (own + noise):
            self._outliers = 0
            return Innovation(residual_s=residual, variance=own + noise, noise_variance=noise)
        side = 1 if residual > 0 else -1
        self._outliers = self._outliers + side if self._outliers * side > 0 else side
        if abs(self._outliers) < REACQUIRE_AFTER:
            variance = max((residual / INFLATE_TO) ** 2, own + noise)
            return Innovation(
                residual_s=residual,
                variance=own + noise,
                noise_variance=variance - own,
                outlier=True,
            )
        self._outliers = 0
        self._p[0, 0] += residual**2
        self._p[1, 1] += REACQUIRE_FREQUENCY**2
        return Innovation(
            residual_s=residual,
            variance=own + residual**2 + noise,
            noise_variance=noise,
            outlier=True,
            reacquired=True,
        )

    def _correct(self, index: int, innovation: Innovation) -> None:
        observed = np.zeros(len(self._x))
        observed[0] = observed[index] = 1.0
        gain = self._p @ observed
        variance = float(observed @ gain) + innovation.noise_variance
        gain /= variance
        self._x += gain * innovation.residual_s
        # Joseph form: stays symmetric and positive through millions of updates.
        keep = np.eye(len(self._x)) - np.outer(gain, observed)
        self._p = keep @ self._p @ keep.T + np.outer(gain, gain) * innovation.noise_variance


def _gained(age_s: float, white_psd: float, wander_psd: float) -> Vector:
    """Process noise of ``age_s`` seconds, back or forth (Zucca and Tavella 2005, eq. 18)."""
    span = abs(age_s)
    shared = wander_psd * age_s * span / 2
    return np.array(
        [[white_psd * span + wander_psd * span**3 / 3, shared], [shared, wander_psd * span]]
    )


def _carried(p: Vector, age_s: float, white_psd: float, wander_psd: float) -> Vector:
    transition = np.array([[1.0, age_s], [0.0, 1.0]])
    carried: Vector = transition @ p @ transition.T + _gained(age_s, white_psd, wander_psd)
    return carried
