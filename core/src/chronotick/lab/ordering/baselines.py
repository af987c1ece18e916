"""Baselines: what anybody would make of the same measurements, with intervals as honest as can be.

Each is a line per measurement, carried on until the next one arrives.

- Intervals of a confidence come from how far the method was off, measurement after measurement of
  the best source, when it had last seen that source a poll before (`Residuals`).
- The hard bound is that of the newest measurement of the best source: its root distance, grown
  with its age by what the daemon assumes of an oscillator: `clock.max_frequency_error_ppm` where no
  frequency is known, `clock.max_drift_ppm` where one is. An estimate elsewhere than at that
  measurement may be wrong by as much as the farther limit is away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from chronotick.config.schema import Clock
from chronotick.lab.ordering.estimates import Estimates
from chronotick.lab.ordering.measured import Measured, measured
from chronotick.lab.ordering.nodes import Node
from chronotick.lab.ordering.residuals import Residuals
from chronotick.lab.ordering.truetime import Instants, Vector

WINDOW_S = 1024.0  # that the straight line is fitted to, and before which residuals do not count
FEWEST = 3  # measurements of a line
UNKNOWN_FREQUENCY = Clock().max_frequency_error_ppm * 1e-6
KNOWN_FREQUENCY = Clock().max_drift_ppm * 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class _Lines:
    """A line after each of n measurements: ``offset_ns + rate * (local - at_ns)``."""

    at_ns: Instants
    offset_ns: Instants
    rate: Vector

    def carried(self, number: Instants, local_ns: Instants) -> Instants:
        change = self.rate[number] * (local_ns - self.at_ns[number])
        return self.offset_ns[number] + np.rint(change).astype(np.int64)


def last_offset(node: Node, local_ns: Instants, confidences: Sequence[float]) -> Estimates:
    """The newest measurement of the best source, held (a `Method`)."""
    return _estimates(node, local_ns, confidences, _held, UNKNOWN_FREQUENCY)


def straight_line(node: Node, local_ns: Instants, confidences: Sequence[float]) -> Estimates:
    """A line through the last `WINDOW_S` of all sources' measurements (a `Method`).

    Weighted least squares; weights are 1/(root distance)².
    """
    return _estimates(node, local_ns, confidences, _fitted, KNOWN_FREQUENCY)


def raw_clock(node: Node, local_ns: Instants, confidences: Sequence[float]) -> Estimates:
    """The local clock as it is (a `Method`).

    It is as wrong as the last offset says, and as that may be wrong itself.
    """
    known = last_offset(node, local_ns, confidences)
    half_ns = known.half_ns + np.abs(known.offset_ns)[:, np.newaxis]
    return Estimates(np.zeros_like(known.offset_ns), half_ns)


def _estimates(
    node: Node,
    local_ns: Instants,
    confidences: Sequence[float],
    fit: Callable[[Measured], _Lines],
    growth: float,
) -> Estimates:
    seen = measured(node.recording)
    lines = fit(seen)
    widths = _widths(seen, lines, confidences)
    newest = np.searchsorted(seen.arrived_ns, local_ns, side="right") - 1
    number = np.maximum(newest, 0)
    offset_ns = lines.carried(number, local_ns)
    best = seen.best[number]
    age_ns = local_ns - seen.local_ns[best]
    there_ns = seen.offset_ns[best] + lines.rate[number] * age_ns
    bound_ns = seen.bound_ns[best] + growth * np.abs(age_ns) + np.abs(offset_ns - there_ns)
    half_ns = np.column_stack([widths[number], bound_ns])
    half_ns[newest < 0] = np.inf
    return Estimates(np.where(newest < 0, 0, offset_ns), half_ns)


def _held(seen: Measured) -> _Lines:
    rate = np.zeros(len(seen.best))
    return _Lines(seen.local_ns[seen.best], seen.offset_ns[seen.best], rate)


def _fitted(seen: Measured) -> _Lines:
    held = _held(seen)
    at_ns, offset_ns, rate = held.at_ns.copy(), held.offset_ns.copy(), held.rate.copy()
    for number, window in enumerate(_windows(seen)):
        line = _line(seen, window)
        if line is not None:
            at_ns[number], offset_ns[number], rate[number] = line
    return _Lines(at_ns, offset_ns, rate)


def _windows(seen: Measured) -> Iterator[slice]:
    """Those measurements that a line is fitted to, at each measurement."""
    since_ns = seen.arrived_ns - round(WINDOW_S * 1e9)
    starts = np.searchsorted(seen.arrived_ns, since_ns, side="left")
    return (slice(int(start), number + 1) for number, start in enumerate(starts))


def _line(seen: Measured, window: slice) -> tuple[int, int, float] | None:
    """Middle, offset there and slope; ``None`` where nothing can be fitted."""
    local, offset = seen.local_ns[window], seen.offset_ns[window]
    if len(local) < FEWEST:
        return None
    weight = 1.0 / np.square(seen.root_ns[window])
    weight /= weight.sum()
    time, value = (local - local[-1]).astype(float), (offset - offset[-1]).astype(float)
    middle, mean = float(weight @ time), float(weight @ value)
    spread = float(weight @ np.square(time - middle))
    if spread <= 0.0:
        return None
    slope = float(weight @ ((time - middle) * (value - mean))) / spread
    return int(local[-1]) + round(middle), int(offset[-1]) + round(mean), slope


def _widths(seen: Measured, lines: _Lines, confidences: Sequence[float]) -> Vector:
    """Half-widths known after each measurement, [n, confidences]."""
    settled_ns = seen.local_ns[0] + round(WINDOW_S * 1e9)
    residuals, widths = Residuals(), np.empty((len(seen.best), len(confidences)))
    off = _misses(seen, lines)
    for number in range(len(widths)):
        if seen.local_ns[number] >= settled_ns and not np.isnan(off[number]):
            residuals.add(float(off[number]))
            widths[number] = residuals.half_widths(confidences)
        else:
            widths[number] = widths[number - 1] if number else np.inf
    return widths


def _misses(seen: Measured, lines: _Lines) -> Vector:
    """What lines made a poll earlier miss of the best source's measurements; NaN for others."""
    numbers = np.arange(len(seen.best))
    expected = np.concatenate([[-1], seen.best[:-1]])  # the best source's newest, before this one
    ours = (seen.before >= 0) & (seen.before == expected)
    misses = np.full(len(numbers), np.nan)
    of = numbers[ours]
    predicted = lines.carried(seen.before[ours], seen.local_ns[of])
    misses[ours] = seen.offset_ns[of] - predicted
    return misses
