"""How much measurements without delays scatter, told from their neighbours.

Of three measurements the middle one is compared with the straight line between the others: a steady
clock cancels, noise does not. With noise of variance v the difference has the variance
``v (1 + a² + (1 - a)²)`` for a middle at the share a of the time; the median of many, which a
tenth of wild values hardly moves, gives v (Rousseeuw and Croux, "Alternatives to the median
absolute deviation", JASA 88, 1993, section 1).
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Iterable

WINDOW = 64  # differences remembered
UNKNOWN_S = 1e-3  # scatter assumed before the first difference
NORMAL_MEDIAN = 0.6745  # of the absolute value of a standard normal variable
FEW = 3.0  # differences that the first ones are widened by: few say little

Point = tuple[int, int]


class Scatter:
    """The scatter of one source."""

    def __init__(self) -> None:
        self._last: deque[Point] = deque(maxlen=2)
        self._differences_s: deque[float] = deque(maxlen=WINDOW)

    @property
    def sigma_s(self) -> float:
        """Standard deviation of the noise, in s."""
        count = len(self._differences_s)
        if not count:
            return UNKNOWN_S
        return statistics.median(self._differences_s) / NORMAL_MEDIAN * (1.0 + FEW / count)

    def add(self, raw_ns: int, offset_ns: int) -> None:
        """Take a measurement; one that is not newer than the last tells nothing."""
        if self._last and raw_ns <= self._last[-1][0]:
            return
        point = raw_ns, offset_ns
        if len(self._last) == self._last.maxlen:
            self._differences_s.append(_difference_s(self._last[0], self._last[1], point))
        self._last.append(point)

    def snapshot(self) -> list[float]:
        """The differences in s, oldest first."""
        return list(self._differences_s)

    @classmethod
    def restored(cls, differences_s: Iterable[float]) -> Scatter:
        """Return the scatter of a source whose differences are known."""
        scatter = cls()
        scatter._differences_s.extend(abs(float(each)) for each in differences_s)
        return scatter


def _difference_s(first: Point, middle: Point, last: Point) -> float:
    share = (middle[0] - first[0]) / (last[0] - first[0])
    on_line_ns = (last[1] - first[1]) * share
    beside_ns = (middle[1] - first[1]) - on_line_ns
    return abs(beside_ns) * 1e-9 / math.sqrt(1.0 + share**2 + (1.0 - share) ** 2)
