"""Is the estimator's own uncertainty true? Its one-step-ahead innovations tell."""

from __future__ import annotations

import math
from typing import Any, Final

from chronotick.clock.estimator import Innovation
from chronotick.fusion.coverage import NOMINAL, NOMINAL_SIGMAS

MEMORY: Final = 500.0  # innovations after which old ones have lost 63 % of their weight
PRIOR: Final = 10.0  # innovations that the estimator's own word is worth
CAP: Final = 25.0  # a normalised square beyond the filter's gate (5 sigma) says no more than this
TRUSTED: Final = 100.0  # innovations before a factor below 1 is begun to be believed
NARROWEST: Final = 0.7  # the least factor, however much evidence there is


class Calibration:
    """Compares innovations with their predicted variance and counts their coverage.

    The factor multiplies the estimator's standard uncertainty, constant errors of routes left out:
    innovations cannot see those. It is wider while there is little evidence (a tolerance factor for
    few samples), and below one only where much evidence says so.
    """

    def __init__(self) -> None:
        self._count = 0.0
        self._square = 0.0
        self._inside = 0.0

    def add(self, innovation: Innovation) -> None:
        """Take one innovation, judged with the factor that was in force before it."""
        keep = math.exp(-1.0 / MEMORY)
        inside = abs(innovation.normalised) <= NOMINAL_SIGMAS * self.factor
        self._inside = self._inside * keep + float(inside)
        self._square = self._square * keep + min(innovation.normalised**2, CAP)
        self._count = self._count * keep + 1.0

    @property
    def factor(self) -> float:
        """What the estimator's standard uncertainty is multiplied by."""
        mean_square = (PRIOR + self._square) / (PRIOR + self._count)
        few = 1.0 + 4.0 / (1.0 + self._count)
        believed = min(max(self._count / TRUSTED - 1.0, 0.0), 1.0)
        least = 1.0 - (1.0 - NARROWEST) * believed
        return max(least, math.sqrt(mean_square * few))

    @property
    def coverage(self) -> float:
        """Measured share of innovations inside their 95 % interval; 0 without any."""
        return self._inside / self._count if self._count else 0.0

    @property
    def confidence(self) -> float:
        """Measured coverage against nominal, 0 to 1, lower while there is little evidence."""
        return min(1.0, self._inside / (self._count + 1.0) / NOMINAL)

    def snapshot(self) -> dict[str, Any]:
        """Return the sums as JSON types."""
        return {"count": self._count, "square": self._square, "inside": self._inside}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take up a snapshot.

        Raises:
            ValueError: it is damaged.
        """
        try:
            count, square, inside = (float(snapshot[k]) for k in ("count", "square", "inside"))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"the saved calibration is damaged: {error!r}") from error
        if not all(math.isfinite(value) and value >= 0 for value in (count, square, inside)):
            raise ValueError("the saved calibration is damaged: its numbers do not fit")
        self._count, self._square, self._inside = count, square, inside
