"""A straight line through the newest samples, its length chosen by its own skill."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

WINDOWS = (8, 16, 32, 64, 128, 256, 512)  # measured samples a line may be fitted to

Vector = NDArray[np.floating[Any]]
Places = NDArray[np.intp]


def line(values: Vector, noise: Vector, ahead: Vector) -> Vector:
    """Forecast one series.

    The number of samples is the one whose lines, fitted at earlier instants of the series, would
    have forecast the quarter of that number that followed best (weighted mean square).

    Args:
        values: evenly sampled, NaN where nothing was measured.
        noise: standard uncertainty of each.
        ahead: steps after the last sample at which a forecast is wanted.
    """
    measured = np.flatnonzero(~np.isnan(values))
    if measured.size < WINDOWS[0]:
        return np.full(ahead.shape, last_measured(values))
    time = measured - (len(values) - 1.0)  # steps before the end of the series
    sums = _Sums.of(time, values[measured], 1.0 / np.square(noise[measured]))
    count = len(measured)
    size = _best_window(sums, count)
    intercept, slope = sums.fit(np.array([count - size]), np.array([count]))
    forecast: Vector = intercept[0] + slope[0] * ahead
    return forecast


def last_measured(values: Vector) -> float:
    """The newest value of a series; 0 where there is none."""
    measured = values[~np.isnan(values)]
    return float(measured[-1]) if measured.size else 0.0


def _best_window(sums: _Sums, count: int) -> int:
    trials = _trials(count)
    if not trials.start.size:
        return WINDOWS[0]
    errors, weights = sums.misfit(trials)
    tried = np.bincount(trials.window, weights, minlength=len(WINDOWS))
    error = np.bincount(trials.window, errors, minlength=len(WINDOWS))
    mean = np.divide(error, tried, out=np.full(len(WINDOWS), np.inf), where=tried > 0)
    return WINDOWS[int(np.argmin(mean))]


@dataclass(frozen=True, slots=True, eq=False)
class _Trials:
    """Lines that could have been fitted: through ``start <= n < end``, judged until ``stop``.

    Attributes:
        window: which of :data:`WINDOWS` each tries.
    """

    window: Places
    start: Places
    end: Places
    stop: Places


@lru_cache(maxsize=8)
def _trials(count: int) -> _Trials:
    rows = []
    for number, size in enumerate(WINDOWS):
        gap = max(size // 4, 1)
        ends = range(count - gap, max(size, count // 2) - 1, -gap)
        rows += [(number, end - size, end, end + gap) for end in ends]
    table = np.array(rows, dtype=np.intp).reshape(-1, 4)
    return _Trials(*table.T)


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """Running sums of a series, so that a line through any part of it costs a few additions.

    Attributes:
        table: ``[n + 1, 6]``: of w, w t, w y, w t², w t y and w y².
    """

    table: Vector

    @classmethod
    def of(cls, time: Vector, y: Vector, weight: Vector) -> _Sums:
        terms = np.stack([np.ones_like(y), time, y, time * time, time * y, y * y], axis=1)
        table = np.zeros((len(y) + 1, terms.shape[1]))
        np.cumsum(weight[:, np.newaxis] * terms, axis=0, out=table[1:])
        return cls(table)

    def fit(self, start: Places, end: Places) -> tuple[Vector, Vector]:
        """Weighted least squares: values at time 0, and slopes."""
        w, wt, wy, wtt, wty, _ = (self.table[end] - self.table[start]).T
        spread = w * wtt - wt * wt
        flat = spread <= 0
        slope = np.where(flat, 0.0, (w * wty - wt * wy) / np.where(flat, 1.0, spread))
        return (wy - slope * wt) / w, slope

    def misfit(self, trials: _Trials) -> tuple[Vector, Vector]:
        """Weighted squares of what lines miss of the samples after them, and the weights."""
        a, b = self.fit(trials.start, trials.end)
        w, wt, wy, wtt, wty, wyy = (self.table[trials.stop] - self.table[trials.end]).T
        squares = wyy - 2 * (a * wy + b * wty) + a * a * w + 2 * a * b * wt + b * b * wtt
        return np.maximum(squares, 0.0), w
