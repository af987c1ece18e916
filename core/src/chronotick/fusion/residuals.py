"""The distribution of a model's residuals at one horizon: quantiles for models that have none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

LEVELS: Final = (0.80, 0.95)  # central shares whose half-width is tracked
STEP: Final = 0.05  # of a tracked quantile per score, once there are many
NORMAL: Final = tuple(NormalDist().inv_cdf(0.5 + level / 2) for level in LEVELS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Residuals:
    """A model's errors at one horizon, from its own scored forecasts.

    Attributes:
        horizon_s: the horizon.
        scores: forecasts behind it, old ones forgotten.
        rms_s: root mean square error, the noise of the judges taken off.
        rms_told: whether that is measured; if not, it is too small to be told from zero, and
            ``rms_s`` is the least that is ever assumed.
        half_80_s: half-width of the interval around the forecast with 80 % of the errors.
        half_95_s: the same with 95 %.
    """

    horizon_s: float
    scores: int
    rms_s: float
    rms_told: bool
    half_80_s: float
    half_95_s: float


class Shape:
    """Tracks quantiles of normalised residuals by stochastic approximation.

    Robbins and Monro, "A stochastic approximation method", Ann. Math. Statistics 22, 1951. One wild
    residual moves a quantile by one step, however wild it is.
    """

    __slots__ = ("count", "halves", "visible")

    def __init__(self) -> None:
        self.count = 0.0
        self.halves = list(NORMAL)
        self.visible = 0.0  # mean share of the residual's variance that is the model's own

    def add(self, normalised: float, visible: float, independent: float) -> None:
        """Take a residual in units of the standard deviation expected of it.

        Args:
            normalised: the residual.
            visible: share of that variance that is not the judge's noise.
            independent: how much of the judgement is news.
        """
        self.count += 1.0
        step = max(STEP, 1.0 / (5.0 + self.count)) * independent
        self.visible += (visible - self.visible) * step
        size = abs(normalised)
        for n, level in enumerate(LEVELS):
            inside = 1.0 if size <= self.halves[n] else 0.0
            self.halves[n] = max(self.halves[n] + step * (level - inside), 0.1)

    def half_widths(self) -> tuple[float, ...]:
        """Half-width of each level's interval in standard deviations of the model's own error.

        What the judges' noise hides is taken to be normal.
        """
        return tuple(
            normal + (half - normal) * self.visible
            for half, normal in zip(self.halves, NORMAL, strict=True)
        )

    def as_list(self) -> list[float]:
        """All numbers, for a snapshot."""
        return [self.count, self.visible, *self.halves]

    @classmethod
    def from_list(cls, numbers: list[float]) -> Shape:
        """Return the shape of a snapshot.

        Raises:
            ValueError: it is damaged.
        """
        count, visible, *halves = (float(number) for number in numbers)
        if len(halves) != len(LEVELS) or not all(map(math.isfinite, (count, visible, *halves))):
            raise ValueError("quantiles that are not")
        shape = cls()
        shape.count, shape.visible, shape.halves = count, visible, halves
        return shape
