"""What one measurement says of the estimator's forecast to one horizon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SHORTEST_BLOCK_S: Final = 64.0  # errors of the estimator itself are alike for about that long


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What one measurement says of the estimator's forecast to one horizon.

    Attributes:
        raw_ns: when it was made.
        index: which horizon.
        horizon_s: how far the forecast reached.
        residual_s: measured offset, its expected error taken off, minus the forecast.
        noise_variance: of the measurement, s².
        expected: variance in s² that the estimator stated for its forecast, constant errors of
            routes left out.
        variance: of the residual as it has been measured, s².
        independent: how much of it is news: judgements closer in time than half a horizon are
            about nearly the same forecast.
    """

    raw_ns: int
    index: int
    horizon_s: float
    residual_s: float
    noise_variance: float
    expected: float
    variance: float
    independent: float

    @property
    def block_ns(self) -> float:
        """Length of a block of judgements that count as one."""
        return max(self.horizon_s, SHORTEST_BLOCK_S) * 1e9
