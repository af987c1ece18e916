"""When a measurement that no filter expected is noise, and when the clock itself has changed.

An innovation beyond so many sigmas has its noise inflated until it lies at three, so that it moves
the clock only a little; several such in a row on one side mean that the clock has changed, not the
network.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

INFLATE_TO = 3.0  # sigmas at which an outlier's noise is inflated to put it
REACQUIRE_AFTER = 4  # outliers in a row, on one side, that mean the clock itself has changed

Vector = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Outliers:
    """Counts outliers in a row, for each of K filters.

    Args:
        count: K.
    """

    def __init__(self, count: int) -> None:
        self._in_a_row = np.zeros(count, dtype=int)  # negative: below what was expected

    def count(self, surprise_s: Vector, outlying: Flags) -> Flags:
        """Take whether a measurement was one; return which filters have seen enough of them."""
        side = np.where(surprise_s > 0, 1, -1)
        counted = np.where(self._in_a_row * side > 0, self._in_a_row + side, side)
        self._in_a_row = np.where(outlying, counted, 0)
        enough: Flags = np.abs(self._in_a_row) >= REACQUIRE_AFTER
        self._in_a_row[enough] = 0
        return enough


def inflated(surprise_s: Vector, usual: Vector) -> Vector:
    """Variance ``[K]`` in s² that makes a surprise one of three sigmas, at least the usual."""
    variance: Vector = np.maximum((surprise_s / INFLATE_TO) ** 2, usual)
    return variance
