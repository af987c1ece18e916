"""What the delays of one source say: its shortest route, and how well that is known.

Queueing shows twice: as *excess* delay over the path's minimum, and as an offset error of at most
half of it, on the side of the queue. The excess counts from the shortest delay seen, which still
lies above the true minimum by the *margin*.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Iterable

WINDOW = 2048  # delays remembered: a day and a half at 64 s
NEAREST = 16  # which smallest delay the margin is taken from
FIRST_MARGIN = 0.25  # of the delay, before anything was seen of its queues
CHANGED_AFTER = 128  # samples in a row above the old minimum that mean a longer route
KEPT = 64  # of these: the first ones may have queued on the old route just before it changed
SETTLED = 32  # samples before a shorter route is told from luck
SIGNIFICANT = 0.02  # of the minimum delay, and three margins: what a change of route is at least


class Queueing:
    """The recent delays of one source."""

    def __init__(self) -> None:
        self._delays: deque[float] = deque(maxlen=WINDOW)
        self._sorted: list[float] = []
        self._apart = 0  # samples in a row that were far from the minimum

    @property
    def minimum_s(self) -> float:
        """Shortest delay remembered in s; 0 before the first.

        Of many the second shortest: a single lucky time stamp is no shorter route, and every
        excess would count from it.
        """
        if len(self._sorted) >= SETTLED:
            return self._sorted[1]
        return self._sorted[0] if self._sorted else 0.0

    @property
    def margin_s(self) -> float:
        """How far the shortest delay seen may be above the true minimum, in s.

        The distance from the smallest to the sixteenth smallest of n delays. For queues of k
        exponential servers in a row the smallest is (k! / n)^(1/k) mean service times above the
        minimum, and the sixteenth 16^(1/k) times that: the distance is the same or more for
        every k up to 4.
        """
        count = len(self._sorted)
        if count >= NEAREST:
            return self._sorted[NEAREST - 1] - self._sorted[0]
        if not count:
            return 0.0
        unseen = FIRST_MARGIN * self.minimum_s * (1 - count / NEAREST)
        return max(self._sorted[-1] - self._sorted[0], unseen)

    def excess_s(self, delay_s: float) -> float:
        """How far a delay is above the shortest, in s."""
        return max(delay_s - self.minimum_s, 0.0) if self._sorted else 0.0

    def add(self, delay_s: float) -> float:
        """Take a delay; return by how much the route became longer or shorter, mostly 0 (s)."""
        change_s = self._shortened(delay_s)
        far = delay_s - self.minimum_s > self._significant_s()
        self._apart = self._apart + 1 if far else 0
        if len(self._delays) == WINDOW:
            del self._sorted[bisect.bisect_left(self._sorted, self._delays[0])]
        self._delays.append(delay_s)
        bisect.insort(self._sorted, delay_s)
        return change_s or self._lengthened()

    def snapshot(self) -> list[float]:
        """The delays in s, oldest first."""
        return list(self._delays)

    @classmethod
    def restored(cls, delays: Iterable[float]) -> Queueing:
        """Return the queueing of a source whose delays are known."""
        queueing = cls()
        queueing._delays.extend(float(delay) for delay in delays)
        queueing._sorted = sorted(queueing._delays)
        return queueing

    def _significant_s(self) -> float:
        return max(3 * self.margin_s, SIGNIFICANT * self.minimum_s)

    def _shortened(self, delay_s: float) -> float:
        shorter_s = self.minimum_s - delay_s
        settled = len(self._delays) >= SETTLED
        return shorter_s if settled and shorter_s > self._significant_s() else 0.0

    def _lengthened(self) -> float:
        """Forget the old route once nothing has come close to its minimum for long."""
        if self._apart < CHANGED_AFTER or len(self._delays) < 2 * CHANGED_AFTER:
            return 0.0
        minimum_s = self.minimum_s
        recent = list(self._delays)[-KEPT:]
        self._delays, self._sorted = deque(recent, maxlen=WINDOW), sorted(recent)
        self._apart = 0
        return self.minimum_s - minimum_s
