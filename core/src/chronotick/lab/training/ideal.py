"""A filter that knows the world: about the best that measurements allow.

It knows the oscillator's parameters, the distribution of the queues, the shortest delays and when
regular cycles turn; not when load changes, nor how long a cycle takes, nor any noise. It is a
Rao-Blackwellised particle filter (Doucet, de Freitas, Murphy and Russell, "Rao-Blackwellised
particle filtering for dynamic Bayesian networks", UAI 2000): chance that is not normal is drawn by
particles, and given that, everything else is linear and normal, so that a Kalman filter for each
particle is exact. The state is ``[x, y, f, L, o...]``: offset, random-walk frequency, frequency due
to load, its level, and relaxations whose sum is flicker noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chronotick.lab.environment import Cycle
from chronotick.lab.network import PathModel
from chronotick.lab.oscillator import OscillatorModel
from chronotick.lab.training.waves import gained_turns
from chronotick.ntp.measurement import Measurement

PARTICLES = 400  # with a covariance each, where there is load
CHEAP_PARTICLES = 3000  # with one for all
FLICKER_RATIO = 8.0
FLICKER_TIMES_S = 20.0 * FLICKER_RATIO ** np.arange(
    6
)  # faster ones are white, slower ones a random walk
UNKNOWN_FREQUENCY = 1e-4
FLOOR_S = 3e-7  # of a measurement's noise: rounding, and what is not in the model
REJUVENATION = 0.03  # of a cycle's jitter: copies of a particle must not stay the same
X, Y, F, L, FIRST_RELAXATION = range(5)

Vector = NDArray[np.float64]


class Ideal:
    """The filter.

    Args:
        oscillator: the true one; regular cycles left out.
        paths: to the servers.
        rng: chance of the particles.
    """

    def __init__(
        self, oscillator: OscillatorModel, paths: Sequence[PathModel], rng: np.random.Generator
    ) -> None:
        self._model, self._paths, self._rng = oscillator, paths, rng
        self._load = oscillator.load
        self._count = PARTICLES if self._load else CHEAP_PARTICLES
        self._cycles = [_Turning(cycle, self._count, rng) for cycle in oscillator.cycles]
        # The same sum as in `chronotick.lab.fluctuations.FlickerFM`, of fewer terms.
        self._relaxing = oscillator.flicker_fm**2 / (2 * np.log(2)) * np.log(FLICKER_RATIO)
        size = FIRST_RELAXATION + len(FLICKER_TIMES_S)
        variances = np.full(size, self._relaxing)
        variances[[X, Y]] = 1.0, UNKNOWN_FREQUENCY**2
        variances[[F, L]] = self._level_variance
        self._states = np.zeros((self._count, size))
        self._covariances = np.diag(variances)[np.newaxis].repeat(self._covariance_count, axis=0)
        self._covariances[:, F, L] = self._covariances[:, L, F] = self._level_variance
        self._logs = np.zeros(self._count)
        self._at_s: float | None = None

    def take(self, measurement: Measurement, server: int, at_s: float, offset_s: float) -> None:
        """Learn from a measurement of a server: its offset beyond what is known."""
        if self._at_s is None:
            self._states[:, X] = offset_s
        else:
            self._advance(at_s - self._at_s)
        self._at_s = at_s
        mean_s, variance = _noise(measurement, self._paths[server])
        total = self._covariances[:, X, X] + variance
        surprise = offset_s - mean_s - self._states[:, X]
        gain = self._covariances[:, X] / total[:, np.newaxis]
        self._states += gain * surprise[:, np.newaxis]
        self._covariances -= gain[:, :, np.newaxis] * self._covariances[:, X][:, np.newaxis, :]
        self._logs -= (surprise**2 / total + np.log(total)) / 2
        self._logs -= self._logs.max()
        if 1.0 / np.sum(self._weights**2) < self._count / 2:
            self._choose()

    def expect(self, at_s: float, horizons_s: Sequence[float]) -> Vector:
        """Mean offset at ascending horizons after an instant."""
        assert self._at_s is not None  # noqa: S101 - it has measurements
        spans_s = np.array(horizons_s) + (at_s - self._at_s)
        mean = self._weights @ self._states
        expected: Vector = mean[X] + mean[Y] * spans_s
        for time_s, relaxed in zip(FLICKER_TIMES_S, mean[FIRST_RELAXATION:], strict=True):
            expected += relaxed * time_s * -np.expm1(-spans_s / time_s)
        if self._load:
            warms, holds = 1 / self._load.thermal_constant_s, 1 / self._load.mean_hold_s
            lasting = mean[L] * warms / (warms - holds)
            expected += lasting * -np.expm1(-holds * spans_s) / holds
            expected += (mean[F] - lasting) * -np.expm1(-warms * spans_s) / warms
        for turning in self._cycles:
            expected += turning.ahead(spans_s, self._weights)
        return expected

    @property
    def _level_variance(self) -> float:
        return self._load.amplitude**2 / 3 if self._load else 0.0

    @property
    def _covariance_count(self) -> int:
        return self._count if self._load else 1

    @property
    def _weights(self) -> Vector:
        weights = np.exp(self._logs)
        normalised: Vector = weights / weights.sum()
        return normalised

    def _advance(self, span_s: float) -> None:
        for turning in self._cycles:
            self._states[:, X] += turning.advance(span_s)
        if self._load is None:
            self._move(np.array([span_s]))
            return
        # One change of level at most between two measurements, anywhere between them.
        changes = self._rng.random(self._count) < -np.expm1(-span_s / self._load.mean_hold_s)
        before_s = np.where(changes, self._rng.random(self._count) * span_s, span_s)
        self._move(before_s)
        self._states[changes, L] = 0.0
        self._covariances[changes, L, :] = self._covariances[changes, :, L] = 0.0
        self._covariances[changes, L, L] = self._level_variance
        self._move(span_s - before_s)

    def _move(self, spans_s: Vector) -> None:
        matrix = self._transition(spans_s)
        self._states = (
            np.einsum("nij,nj->ni", matrix, self._states)
            if len(spans_s) > 1
            else (self._states @ matrix[0].T)
        )
        self._covariances = matrix @ self._covariances @ matrix.transpose(0, 2, 1)
        self._covariances += self._gained(spans_s)

    def _transition(self, spans_s: Vector) -> Vector:
        size = self._states.shape[1]
        matrix = np.zeros((len(spans_s), size, size))
        matrix[:, range(size), range(size)] = 1.0
        matrix[:, X, Y] = spans_s
        if self._load:
            constant_s = self._load.thermal_constant_s
            lost = -np.expm1(-spans_s / constant_s)
            matrix[:, F, F], matrix[:, F, L] = 1.0 - lost, lost
            matrix[:, X, F], matrix[:, X, L] = constant_s * lost, spans_s - constant_s * lost
        for place, time_s in enumerate(FLICKER_TIMES_S, start=FIRST_RELAXATION):
            lost = -np.expm1(-spans_s / time_s)
            matrix[:, place, place], matrix[:, X, place] = 1.0 - lost, time_s * lost
        return matrix

    def _gained(self, spans_s: Vector) -> Vector:
        wander, size = self._model.wander**2, self._states.shape[1]
        gained = np.zeros((len(spans_s), size, size))
        gained[:, X, X] = wander * spans_s**3 / 3 + self._model.white_fm**2 * spans_s
        gained[:, X, Y] = gained[:, Y, X] = wander * spans_s**2 / 2
        gained[:, Y, Y] = wander * spans_s
        for place, time_s in enumerate(FLICKER_TIMES_S, start=FIRST_RELAXATION):
            steps = spans_s / time_s
            left = np.exp(-steps)
            offset = np.maximum(2 * steps - 3 + 4 * left - left**2, 0.0)
            gained[:, X, X] += self._relaxing * time_s**2 * offset
            cross = self._relaxing * time_s * (1 - left) ** 2
            gained[:, X, place] = gained[:, place, X] = cross
            gained[:, place, place] = -self._relaxing * np.expm1(-2 * steps)
        return gained

    def _choose(self) -> None:
        """Go on with the likely particles (systematic resampling)."""
        places = (np.arange(self._count) + self._rng.random()) / self._count
        chosen = np.searchsorted(np.cumsum(self._weights), places).clip(0, self._count - 1)
        self._states, self._logs = self._states[chosen].copy(), np.zeros(self._count)
        if self._load:
            self._covariances = self._covariances[chosen].copy()
        for turning in self._cycles:
            turning.choose(chosen)


class _Turning:
    """An irregular cycle, at another place in each particle."""

    def __init__(self, cycle: Cycle, count: int, rng: np.random.Generator) -> None:
        self._cycle, self._rng = cycle, rng
        self._length_s = np.full(count, cycle.period_s)
        self._into_s = rng.random(count) * cycle.period_s

    def advance(self, span_s: float) -> Vector:
        """Go on; return what the offset gains."""
        gained, self._into_s, self._length_s = gained_turns(
            self._cycle, self._into_s, self._length_s, span_s, self._rng
        )
        return gained

    def ahead(self, spans_s: Vector, weights: Vector) -> Vector:
        """Mean of what the offset gains in ascending spans; each particle has one future."""
        into_s, length_s, total, expected, before_s = self._into_s, self._length_s, 0.0, [], 0.0
        for span_s in spans_s:
            gained, into_s, length_s = gained_turns(
                self._cycle, into_s, length_s, span_s - before_s, self._rng
            )
            total, before_s = total + float(weights @ gained), span_s
            expected.append(total)
        return np.array(expected)

    def choose(self, chosen: NDArray[np.intp]) -> None:
        """Keep some, several times; copies get slightly other lengths."""
        share = self._into_s[chosen] / self._length_s[chosen]
        spread = REJUVENATION * self._cycle.jitter * self._rng.standard_normal(len(chosen))
        self._length_s = self._length_s[chosen] * (1.0 + spread)
        self._into_s = share * self._length_s


def _noise(measurement: Measurement, path: PathModel) -> tuple[float, float]:
    """Mean and variance of a measurement's error, given its delay.

    Gamma distributed queues of the same scale share an excess delay by a beta distribution; where
    there are bursts a large excess is that of one way.
    """
    legs = (path.forward, path.backward)
    minimum_s = sum(leg.minimum_s for leg in legs)
    excess_s = max(measurement.delay_ns * 1e-9 - minimum_s, 0.0)
    out, back = (leg.queue.shape for leg in legs)
    both = out + back
    mean_s = excess_s * (out - back) / both / 2
    variance = excess_s**2 * out * back / both**2 / (both + 1)
    usual_s = sum(leg.queue.shape * leg.queue.scale_s for leg in legs)
    if path.forward.bursts and excess_s > 3 * usual_s:
        mean_s, variance = 0.0, excess_s**2 / 4
    return mean_s, variance + FLOOR_S**2
