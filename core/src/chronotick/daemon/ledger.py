"""What asking a model has been like: how long answers took, how often it was really asked.

Pure: whoever writes into it says what time it is, in seconds of one monotonic clock.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

KEPT: Final = 64  # questions and latencies that are remembered


@dataclass(slots=True)
class Page:
    """What one loop's questions to a model came to.

    Attributes:
        asked_s: when it was asked, oldest first.
        latencies_s: how long its answers took, late ones included, oldest first.
        taken_s: when the last forecast was taken; ``None`` before the first.
        misses: deadlines missed.
        mistake: of ours, that the last attempt to ask ended with; mostly empty.
    """

    asked_s: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    latencies_s: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    taken_s: float | None = None
    misses: int = 0
    mistake: str = ""

    def interval_s(self, now_s: float) -> float | None:
        """Mean time between questions; ``None`` before the second.

        A pause that still goes on counts once it is longer than the mean.
        """
        questions = len(self.asked_s)
        if questions <= 1:
            return None
        mean_s = (self.asked_s[-1] - self.asked_s[0]) / (questions - 1)
        return max(mean_s, (now_s - self.asked_s[0]) / questions)

    def age_s(self, now_s: float) -> float | None:
        """Age of the last forecast; ``None`` before the first."""
        return None if self.taken_s is None else now_s - self.taken_s


@dataclass(slots=True)
class Ledger:
    """One model's book, with a page for each loop."""

    _pages: dict[str, Page] = field(default_factory=dict)

    def page(self, loop: str) -> Page:
        """The page of a loop, a new one if need be."""
        return self._pages.setdefault(loop, Page())

    @property
    def pages(self) -> Mapping[str, Page]:
        """All pages by loop."""
        return self._pages

    def latencies_s(self) -> list[float]:
        """How long the last answers to any loop took."""
        return [latency for page in self._pages.values() for latency in page.latencies_s]


def median(values: Collection[float]) -> float | None:
    """Median; ``None`` of nothing."""
    return statistics.median(values) if values else None


def p90(values: Collection[float]) -> float | None:
    """The value nine of ten stay at or below (nearest rank); ``None`` of nothing."""
    return sorted(values)[-(-9 * len(values) // 10) - 1] if values else None
