"""When a measurement that no filter expected is noise, and when the clock itself has changed.

An innovation beyond so many sigmas has its noise inflated until it lies at three, so that it moves
the clock only a little; several such in a row on one side mean that the clock has changed, not the
network. One source alone does not show that while others are heard as well: it may lie, and be
asked more often than they are because it surprises.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

INFLATE_TO = 3.0  # sigmas at which an outlier's noise is inflated to put it
REACQUIRE_AFTER = 4  # outliers in a row, on one side, that mean the clock itself has changed
INTERVALS = 8  # of a source's measurements that are remembered: bursts and polls
SILENCE = 3.0  # of the longest of them, after which a source is not waited for

Vector = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Outliers:
    """Counts outliers in a row, for each of K filters.

    Args:
        count: K.
    """

    def __init__(self, count: int) -> None:
        self._in_a_row = np.zeros(count, dtype=int)  # negative: below what was expected

    def count(self, surprise_s: Vector, outlying: Flags, *, convincing: bool = True) -> Flags:
        """Take whether a measurement was one; return which filters have seen enough of them.

        Args:
            surprise_s: how far it was from what each filter expected.
            outlying: for which of them it was one.
            convincing: whether any number of them is enough.
        """
        side = np.where(surprise_s > 0, 1, -1)
        counted = np.where(self._in_a_row * side > 0, self._in_a_row + side, side)
        self._in_a_row = np.where(outlying, counted, 0)
        enough: Flags = (np.abs(self._in_a_row) >= REACQUIRE_AFTER) & convincing
        self._in_a_row[enough] = 0
        return enough


class Company:
    """Whether those that surprise are several, or nobody else is left to speak."""

    def __init__(self) -> None:
        self._heard: dict[str, deque[int]] = {}
        self._surprising: set[str] = set()

    def hear(self, source: str, raw_ns: int, *, surprising: bool) -> bool:
        """Take who was measured, and whether that was an outlier.

        Returns:
            Whether outliers in a row may mean that the clock has changed: those up to now come from
            several sources, or all others have been silent for long.
        """
        self._heard.setdefault(source, deque(maxlen=INTERVALS + 1)).append(raw_ns)
        if not surprising:
            self._surprising.clear()
            return True
        self._surprising.add(source)
        others = (times for name, times in self._heard.items() if name != source)
        return len(self._surprising) > 1 or not any(_is_awaited(each, raw_ns) for each in others)

    def drop(self, source: str) -> None:
        """Forget a source that is gone."""
        self._heard.pop(source, None)
        self._surprising.discard(source)


def _is_awaited(times: deque[int], raw_ns: int) -> bool:
    between = [later - earlier for earlier, later in zip(times, list(times)[1:], strict=False)]
    return raw_ns - times[-1] <= SILENCE * max(between, default=0)


def inflated(surprise_s: Vector, usual: Vector) -> Vector:
    """Variance ``[K]`` in s² that makes a surprise one of three sigmas, at least the usual."""
    variance: Vector = np.maximum((surprise_s / INFLATE_TO) ** 2, usual)
    return variance
