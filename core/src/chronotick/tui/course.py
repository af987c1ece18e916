"""A quantity over the last minutes, and drawing it with block characters."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

SPAN_S = 300.0
"""What is drawn, unless samples come so slowly that it takes longer to fill the columns."""
_KEPT = 50_000  # samples: five minutes at the shortest interval that makes sense
_BLOCKS = " ▁▂▃▄▅▆▇█"
_STEPS = len(_BLOCKS) - 1


class Course:
    """Remembers samples of one quantity.

    Args:
        interval_s: how often they come (s).
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._samples: deque[tuple[float, float]] = deque(maxlen=_KEPT)

    def add(self, at_s: float, value: float) -> None:
        """Remember a sample; a time without any shows as a gap."""
        self._samples.append((at_s, value))

    def span_s(self, columns: int) -> float:
        """How much time (s) is shown in so many columns: in each there is room for two samples."""
        return max(SPAN_S, 2 * columns * self._interval_s)

    def columns(self, now_s: float, count: int) -> list[float | None]:
        """Samples in columns, the newest last; ``None`` where there are none.

        Of several in a column the one furthest from zero stands for all, so that no excursion is
        lost. Columns begin at multiples of their length: a sample stays in its own.
        """
        length_s = self.span_s(count) / count
        newest = math.floor(now_s / length_s)
        shown: list[float | None] = [None] * count
        for at_s, value in self._samples:
            index = count - 1 + math.floor(at_s / length_s) - newest
            if 0 <= index < count:
                before = shown[index]
                shown[index] = value if before is None else max(before, value, key=abs)
        return shown


def bars(values: Sequence[float | None], height: int) -> list[str]:
    """Draw values as bars from their lowest to their highest.

    Args:
        values: one for each column; nothing is drawn for ``None``.
        height: lines, each of eight steps.

    Returns:
        The lines, the highest first. The lowest value is a bar of one step, to tell it from a gap;
        values that are all the same stand half as high as there is room.
    """
    known = [value for value in values if value is not None]
    if not known or height < 1:
        return [" " * len(values)] * height
    low, high = min(known), max(known)
    steps = [0 if v is None else _step(v, low, high, height * _STEPS) for v in values]
    return ["".join(_block(n, line) for n in steps) for line in range(height - 1, -1, -1)]


def _step(value: float, low: float, high: float, steps: int) -> int:
    if high <= low:
        return max(1, steps // 2)
    return 1 + round((value - low) / (high - low) * (steps - 1))


def _block(steps: int, line: int) -> str:
    return _BLOCKS[min(_STEPS, max(0, steps - line * _STEPS))]
