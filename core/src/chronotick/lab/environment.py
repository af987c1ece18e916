"""What the surroundings do to an oscillator: temperature cycles, computing load, sudden steps."""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

import numpy as np
from pydantic import Field

from chronotick.lab.description import (
    Description,
    Interval,
    NonNegative,
    Positive,
    Probability,
    Signed,
)
from chronotick.lab.fluctuations import Floats, relax


class Cycle(Description):
    """A periodic change of frequency, as room temperature causes.

    Attributes:
        period_s: length of a cycle.
        amplitude: largest deviation of the frequency (s/s), either way.
        waveform: ``sine``; ``triangle``, as a thermostat makes it; ``sawtooth``, a slow rise and a
            sudden fall.
        jitter: standard deviation of a cycle's length, as a fraction of the period.
    """

    period_s: Interval
    amplitude: NonNegative
    waveform: Literal["sine", "triangle", "sawtooth"] = "sine"
    jitter: Probability = 0.0


def _sine(at: Floats) -> Floats:
    return np.asarray(np.sin(2 * np.pi * at))


def _triangle(at: Floats) -> Floats:
    return np.asarray(1 - 4 * np.abs(at - 0.5))


def _sawtooth(at: Floats) -> Floats:
    return 2 * at - 1


_WAVEFORMS = MappingProxyType({"sine": _sine, "triangle": _triangle, "sawtooth": _sawtooth})


class Cycling:
    """A `Cycle` going on; where in the cycle it starts is random."""

    def __init__(self, cycle: Cycle, step_s: float, rng: np.random.Generator) -> None:
        self._cycle = cycle
        self._step_s = step_s
        self._rng = rng
        self._elapsed_steps = 0
        first_s = -float(rng.random()) * cycle.period_s
        self._edges_s = [first_s, first_s + cycle.period_s]

    def advance(self, count: int) -> Floats:
        """Frequency in the middle of the steps, which are far shorter than a cycle."""
        steps = self._elapsed_steps + np.arange(count, dtype=np.float64)
        self._elapsed_steps += count
        shape = _WAVEFORMS[self._cycle.waveform]
        return self._cycle.amplitude * shape(self._fraction((steps + 0.5) * self._step_s))

    def _fraction(self, times_s: Floats) -> Floats:
        """How far the cycle under way is at each time, 0 to 1."""
        while self._edges_s[-1] <= times_s[-1]:
            self._edges_s.append(self._edges_s[-1] + self._length_s())
        edges = np.array(self._edges_s)
        cycle = np.searchsorted(edges, times_s, side="right") - 1
        self._edges_s = self._edges_s[int(cycle[-1]) :]
        return np.asarray((times_s - edges[cycle]) / (edges[cycle + 1] - edges[cycle]))

    def _length_s(self) -> float:
        length = self._cycle.period_s * (1 + self._cycle.jitter * self._rng.standard_normal())
        return float(max(length, self._cycle.period_s / 10))


class Step(Description):
    """A sudden change at a known time, which lasts.

    Attributes:
        at_s: seconds of the local clock since the start.
        phase_s: how far true time jumps ahead of the local clock. Positive is a local clock that
            stood still, as CLOCK_MONOTONIC_RAW does while a machine sleeps.
        frequency: change of the frequency (s/s).
    """

    at_s: NonNegative
    phase_s: Signed = 0.0
    frequency: float = Field(default=0.0, ge=-1e-2, le=1e-2)

    def phase_after_s(self, elapsed_s: float) -> float:
        """What the step has added to the phase `elapsed_s` after the start."""
        if elapsed_s < self.at_s:
            return 0.0
        return self.phase_s + self.frequency * (elapsed_s - self.at_s)


class Load(Description):
    """Heat from changing computing load: random levels, reached with a thermal constant.

    Attributes:
        amplitude: levels are uniform between minus and plus this (s/s).
        mean_hold_s: mean time between changes of level, exponentially distributed.
        thermal_constant_s: time constant of the approach to a new level.
    """

    amplitude: NonNegative
    mean_hold_s: Positive
    thermal_constant_s: Positive


class Loading:
    """A `Load` going on. Levels change at grid points."""

    def __init__(self, load: Load, step_s: float, rng: np.random.Generator) -> None:
        steps = step_s / load.thermal_constant_s
        self._decay = np.array([np.exp(-steps)])
        self._mean_of_start = -np.expm1(-steps) / steps
        self._change_probability = -np.expm1(-step_s / load.mean_hold_s)
        self._amplitude = load.amplitude
        self._rng = rng
        self._level = float(rng.uniform(-load.amplitude, load.amplitude))
        self._frequency = np.array([self._level])

    def advance(self, count: int) -> Floats:
        """Means of the relaxing frequency over the steps (see `Fluctuation`)."""
        levels = self._levels(count)
        end = relax(self._decay, ((1 - self._decay) * levels)[:, None], self._frequency)[:, 0]
        start = np.concatenate([self._frequency, end[:-1]])
        self._level, self._frequency = float(levels[-1]), end[-1:].copy()
        means: Floats = levels + self._mean_of_start * (start - levels)
        return means

    def _levels(self, count: int) -> Floats:
        changes = self._rng.random(count) < self._change_probability
        drawn = self._rng.uniform(-self._amplitude, self._amplitude, count)
        latest = np.maximum.accumulate(np.where(changes, np.arange(count), -1))
        return np.where(latest < 0, self._level, drawn[latest])
