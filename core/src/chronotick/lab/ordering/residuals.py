"""Intervals for estimates that have none: from how wrong they were before."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence

import numpy as np

from chronotick.lab.ordering.estimates import z_of
from chronotick.lab.ordering.truetime import Vector

FEWEST = 20  # residuals, before there is an interval
MOST = 1024  # residuals that are remembered


class Residuals:
    """The newest absolute residuals of an estimate, and intervals that hold the next one.

    The half-width at confidence p is the residual of rank ⌈(n+1)p⌉ of n (split conformal
    prediction: Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005). Beyond
    n/(n+1) the data say nothing: the largest is stretched as a normal distribution's tail would be.
    """

    def __init__(self) -> None:
        self._newest: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, residual_ns: float) -> None:
        """Take one in."""
        size = abs(residual_ns)
        if len(self._newest) == MOST:
            del self._sorted[bisect_left(self._sorted, self._newest.popleft())]
        self._newest.append(size)
        insort(self._sorted, size)

    def half_widths(self, confidences: Sequence[float]) -> Vector:
        """Half-widths in ns, infinite while there are fewer than `FEWEST` residuals."""
        if len(self._sorted) < FEWEST:
            return np.full(len(confidences), np.inf)
        return np.array([self._half_width(each) for each in confidences])

    def _half_width(self, confidence: float) -> float:
        count = len(self._sorted)
        rank = math.ceil((count + 1) * confidence)
        if rank <= count:
            return self._sorted[rank - 1]
        return self._sorted[-1] * z_of(confidence) / z_of(count / (count + 1))
