"""Is the estimator's own uncertainty true? Its one-step-ahead innovations tell."""

from __future__ import annotations

import math
from typing import Any

from chronotick.clock.estimator import Innovation

NOMINAL = 0.95
NOMINAL_SIGMAS = 1.96
MEMORY = 500.0  # innovations after which old ones have lost 63 % of their weight
PRIOR = 10.0  # innovations that the estimator's own word is worth
CAP = 25.0  # a normalised square beyond the filter's gate (5 sigma) says no more than this


class Calibration:
    """Compares innovations with their predicted variance and counts their coverage.

    The factor multiplies the estimator's standard uncertainty. It never goes below one, and it is
    wider while there is little evidence (a tolerance factor for few samples).
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
        return max(1.0, math.sqrt(mean_square * few))

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
        self._count, self._square, self._inside = count, square, inside
