"""What cycles add to a clock's offset, for many clocks at once."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from chronotick.lab.environment import Cycle

SHORTEST = 0.1  # of the period: no cycle is shorter, as in `chronotick.lab.environment.Cycling`
ROUNDING_S = 1e-9

Vector = NDArray[np.float64]


def _sine(at: Vector) -> Vector:
    return np.asarray((1 - np.cos(2 * np.pi * at)) / (2 * np.pi))


def _triangle(at: Vector) -> Vector:
    late = at - 0.5
    return np.where(late < 0, 2 * at**2 - at, late - 2 * late**2)


def _sawtooth(at: Vector) -> Vector:
    return at**2 - at


INTEGRALS = MappingProxyType({"sine": _sine, "triangle": _triangle, "sawtooth": _sawtooth})
"""Of the waveforms, from the begin of a cycle on, in its lengths."""


def gained_turns(
    cycle: Cycle, into_s: Vector, length_s: Vector, span_s: float, rng: np.random.Generator
) -> tuple[Vector, Vector, Vector]:
    """Let cycles go on.

    Args:
        cycle: what they have in common.
        into_s: how long the present one of each has lasted.
        length_s: how long it lasts in all.
        span_s: how long they go on.
        rng: lengths of further cycles.

    Returns:
        What the offset of each gains; then times into cycles and their lengths.
    """
    integral = INTEGRALS[cycle.waveform]
    into_s, length_s = into_s.copy(), length_s.copy()
    gained, left_s = np.zeros_like(into_s), np.full_like(into_s, span_s)
    while (left_s > 0).any():
        step_s = np.minimum(left_s, length_s - into_s)
        turned = integral((into_s + step_s) / length_s) - integral(into_s / length_s)
        gained += cycle.amplitude * length_s * turned
        into_s += step_s
        left_s -= step_s
        over = into_s >= length_s - ROUNDING_S
        if over.any():
            drawn = 1 + cycle.jitter * rng.standard_normal(int(over.sum()))
            into_s[over], length_s[over] = 0.0, cycle.period_s * np.maximum(drawn, SHORTEST)
    return gained, into_s, length_s
