"""The power-law noise of an oscillator's frequency, a block of grid steps at a time.

Each process keeps the little state that its process needs, so a simulation can go on for days.
It gives, per grid step, the *mean* fractional frequency over that step: the sum of means
times the step is then exactly the phase at the grid points.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

FLICKER_RATIO = 4.0
"""Ratio of neighbouring relaxation times. The ripple of the sum around 1/f is
``2/cosh(pi**2/ln(ratio))``: 0.3 %."""
FLICKER_FASTEST_STEPS = 1 / 1024
FLICKER_SLOWEST_S = 1e8
"""Three years: below 1/(2 pi FLICKER_SLOWEST_S) the flicker spectrum is flat."""


class Fluctuation(Protocol):
    """A process whose mean frequency is asked for step after step, never twice."""

    def advance(self, count: int) -> Floats:
        """Mean fractional frequency over each of the next `count` steps, shape ``(count,)``."""
        ...


class WhiteFM:
    """White frequency noise: the phase is a random walk, ``sigma_y(tau) = level / sqrt(tau)``.

    Args:
        level: Allan deviation at 1 s.
        step_s: grid step.
        rng: source of the noise.
    """

    def __init__(self, level: float, step_s: float, rng: np.random.Generator) -> None:
        self._deviation = float(level / np.sqrt(step_s))
        self._rng = rng

    def advance(self, count: int) -> Floats:
        """Independent normal means (see `Fluctuation`)."""
        return self._deviation * self._rng.standard_normal(count)


class RandomWalkFM:
    """Random-walk frequency noise: ``sigma_y(tau) = wander * sqrt(tau / 3)``.

    The continuous process, exactly discretised: end value and mean of a Wiener process over a step
    are jointly normal (Zucca and Tavella, "The clock model and its relationship with the Allan and
    related variances", IEEE Trans. UFFC 52(2), 2005).

    Args:
        wander: standard deviation of the change of frequency over one second (1/sqrt(s)).
        step_s: grid step.
        rng: source of the noise.
    """

    def __init__(self, wander: float, step_s: float, rng: np.random.Generator) -> None:
        self._deviation = float(wander * np.sqrt(step_s))
        self._rng = rng
        self._frequency = 0.0

    def advance(self, count: int) -> Floats:
        """Means of the walk over the steps (see `Fluctuation`)."""
        change = self._deviation * self._rng.standard_normal(count)
        bridge = self._deviation / np.sqrt(12) * self._rng.standard_normal(count)
        end: Floats = self._frequency + np.cumsum(change)
        self._frequency = float(end[-1])
        means: Floats = end - change / 2 + bridge
        return means


class FlickerFM:
    """Flicker frequency noise: ``sigma_y(tau) = floor`` at every tau.

    A sum of Ornstein-Uhlenbeck processes of equal variance whose relaxation times form a geometric
    series: the superposition of relaxations of Bernamont (1937) and van der Ziel (1950), with about
    as many state variables as Keshner shows to be needed ("1/f noise", Proc. IEEE 70(3), 1982).
    Kasdin's fractional integration (Proc. IEEE 83(5), 1995) has no finite state: every new value
    would need the whole past.

    One process of variance v and relaxation time T has the one-sided spectrum
    ``4 v T / (1 + (2 pi f T)^2)``; their sum over ``T = T0 r^i`` is ``v / (ln r) / f``, so
    ``v = h_-1 ln r``, and ``sigma_y^2 = 2 ln 2 h_-1`` (Riley, NIST SP 1065).

    Args:
        floor: Allan deviation.
        step_s: grid step.
        rng: source of the noise.
    """

    def __init__(self, floor: float, step_s: float, rng: np.random.Generator) -> None:
        times_s = _relaxation_times(step_s)
        variance = floor**2 / (2 * np.log(2)) * np.log(FLICKER_RATIO)
        steps = step_s / times_s
        self._decay = np.exp(-steps)
        self._end_sd = np.sqrt(-variance * np.expm1(-2 * steps))
        self._mean_of_start = -np.expm1(-steps) / steps
        self._mean_of_end = np.expm1(-steps) ** 2 / steps / -np.expm1(-2 * steps)
        self._mean_sd = np.sqrt(variance * _unexplained_variance(steps))
        self._rng = rng
        self._state = np.sqrt(variance) * rng.standard_normal(times_s.size)

    def advance(self, count: int) -> Floats:
        """Means of the sum of processes over the steps (see `Fluctuation`)."""
        shape = (count, self._state.size)
        innovation = self._end_sd * self._rng.standard_normal(shape)
        end = relax(self._decay, innovation, self._state)
        start = np.vstack([self._state, end[:-1]])
        self._state = end[-1]
        means: Floats = (
            self._mean_of_start * start
            + self._mean_of_end * innovation
            + self._mean_sd * self._rng.standard_normal(shape)
        ).sum(axis=1)
        return means


def _relaxation_times(step_s: float) -> Floats:
    """The relaxation times, from well below the step to years (s)."""
    fastest_s = FLICKER_FASTEST_STEPS * step_s
    count = int(np.ceil(np.log(FLICKER_SLOWEST_S / fastest_s) / np.log(FLICKER_RATIO)))
    return fastest_s * FLICKER_RATIO ** np.arange(count + 1, dtype=np.float64)


def _unexplained_variance(steps: Floats) -> Floats:
    """Variance of a unit process's mean over a step, given its values at both ends.

    Args:
        steps: length of the step in relaxation times.
    """
    decay = np.exp(-steps)
    given_start = 2 / steps * (1 - 2 * (1 - decay) / steps + (1 - decay**2) / (2 * steps))
    explained = (1 - decay) ** 4 / steps**2 / -np.expm1(-2 * steps)
    # A short step makes the difference of near equals above noise; then it is a Brownian bridge.
    return np.where(steps < 1e-3, steps / 6, given_start - explained)  # noqa: PLR2004 - see comment


def relax(decay: Floats, drive: Floats, start: Floats) -> Floats:
    """Solve ``x[k] = decay * x[k-1] + drive[k]`` for a whole block, by doubling.

    Args:
        decay: factor per step, shape ``(n,)``, each in [0, 1).
        drive: shape ``(count, n)``.
        start: value before the first step, shape ``(n,)``.

    Returns:
        The values after each step, shape ``(count, n)``.
    """
    values: Floats = drive.copy()
    values[0] += decay * start
    reach, factor = 1, decay
    while reach < len(values):
        values[reach:] += factor * values[:-reach]
        reach, factor = 2 * reach, factor * factor
    return values
