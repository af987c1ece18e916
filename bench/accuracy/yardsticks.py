"""What else can be made of the same measurements: straight lines, and seeing the future."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from worlds import Truth

from chronotick.clock import ClockState, KalmanBank
from chronotick.lab.recordings import Recording
from chronotick.ntp import Measurement

Vector = NDArray[np.float64]
NS = 1_000_000_000
LINES_S = (512.0, 2048.0, 7200.0)
LEAST_EXCESS_S = 5e-6
MOST_OF_IT = 0.99


def line(
    recording: Recording, truth: Truth, window_s: float, without: Collection[str] = ()
) -> Vector:
    """Weighted straight line through the last ``window_s``; the weight is 1 / (excess / 2)²."""
    rows = [a for a in recording.arrivals if a.measurement.source not in without]
    arrived = np.array([recording.local_ns(a.raw_ns) / NS for a in rows])
    at = np.array([recording.local_ns(a.measurement.raw_ns) / NS for a in rows])
    offset = np.array([(a.measurement.offset_ns + recording.shift_ns) / NS for a in rows])
    weight = 1 / (_excess_s([a.measurement for a in rows]) / 2 + LEAST_EXCESS_S) ** 2
    estimates = np.full(len(truth.time_s), math.nan)
    for index, now in enumerate(truth.time_s):
        last = int(np.searchsorted(arrived, now, side="right"))
        first = int(np.searchsorted(arrived, now - window_s))
        if last - first >= 3:  # two points fit any line
            part = slice(first, last)
            estimates[index] = _fitted(at[part] - now, offset[part], weight[part])
    return estimates


def oracle(recording: Recording, truth: Truth, without: Collection[str] = ()) -> Vector:
    """The bank from both sides: what is to come is known as well as what was.

    A bank runs over the measurements as they came, another over them in reverse; at each instant
    the offsets and frequencies that both expect are combined by their covariances.
    """
    arrivals = [a for a in recording.arrivals if a.measurement.source not in without]
    measured = sorted((a.measurement for a in arrivals), key=lambda m: m.raw_ns)
    instants = [recording.raw_ns(round(time_s * NS)) for time_s in truth.time_s]
    last_ns = max(measured[-1].raw_ns, instants[-1])
    before = _states(measured, instants)
    reverse = [replace(m, raw_ns=last_ns - m.raw_ns) for m in reversed(measured)]
    after = _states(reverse, [last_ns - raw_ns for raw_ns in reversed(instants)])
    combined = map(_combined, before, reversed(after))
    return np.array([(offset_ns + recording.shift_ns) / NS for offset_ns in combined])


def _states(measurements: list[Measurement], instants: list[int]) -> list[ClockState | None]:
    bank, states, taken = KalmanBank(), [], 0
    for raw_ns in instants:
        while taken < len(measurements) and measurements[taken].raw_ns <= raw_ns:
            bank.update(measurements[taken])
            taken += 1
        states.append(bank.state(raw_ns))
    return states


def _combined(before: ClockState | None, after: ClockState | None) -> float:
    """Offset in ns from both sides; time runs the other way in the second."""
    if before is None or after is None:
        known = before or after
        return known.offset_ns if known else math.nan
    apart = np.array(
        [(after.offset_ns - before.offset_ns) / NS, -after.frequency - before.frequency]
    )
    one, other = _covariance(before, 1.0), _covariance(after, -1.0)
    gain = np.linalg.solve(one + other, one).T
    return before.offset_ns + float(gain[0] @ apart) * NS


def _covariance(state: ClockState, direction: float) -> Vector:
    """Of offset and frequency, without what both sides are wrong by: their routes.

    A bank that has just begun knows its offset by its frequency, or the other way round; of what
    it knows beyond that something must stay, or what is left is no covariance.
    """
    beyond = state.var_offset - state.cov**2 / state.var_frequency
    own = state.var_offset - min(state.var_route, MOST_OF_IT * beyond)
    cov = direction * state.cov
    return np.array([[own, cov], [cov, state.var_frequency]])


def _excess_s(measurements: list[Measurement]) -> Vector:
    """Delay above the least that its source ever shows: lines may know the future of that."""
    least: dict[str, int] = {}
    for m in measurements:
        least[m.source] = min(m.delay_ns, least.get(m.source, m.delay_ns))
    return np.array([(m.delay_ns - least[m.source]) / NS for m in measurements])


def _fitted(time_s: Vector, offset_s: Vector, weight: Vector) -> float:
    total = weight.sum()
    mean_time, mean = weight @ time_s / total, weight @ offset_s / total
    spread = weight @ (time_s - mean_time) ** 2
    slope = weight @ ((time_s - mean_time) * (offset_s - mean)) / spread if spread > 0 else 0.0
    return float(mean - slope * mean_time)
