"""How wrong the estimator's own forecasts have been, by horizon."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, fields
from typing import Final

MEMORY: Final = 150.0  # independent judgements after which old ones have lost 63 % of their weight
LEAST: Final = 0.05  # of what the estimator states: no measurement proves its errors to be smaller
LEAST_NEWS: Final = 1e-3  # what a judgement right after another one is worth
_KEEP: Final = math.exp(-1.0 / MEMORY)


@dataclass(slots=True)
class OwnError:
    """Mean square error of the estimator's forecasts to one horizon.

    Squares of residuals, less the noise of their judges, tell it where that noise is small. Where
    it is not, they tell nothing, and what the estimator states is the better guess: the two are
    weighted by their precision, the estimator's word being worth two judgements without noise.
    """

    count: float = 0.0
    weight: float = 0.0  # sum of 1/variance²
    square: float = 0.0  # of (residual² - noise variance)/variance²
    stated: float = 0.0  # of what the estimator stated/variance²

    def add(
        self, residual_s: float, noise_variance: float, expected: float, independent: float
    ) -> None:
        """Take one judgement; its parts are those of :class:`chronotick.fusion.Judged`.

        The residual is clipped already, by :meth:`chronotick.fusion.Skill.judge`.
        """
        # Weighted by what was stated then: a start that knew nothing is soon outweighed.
        variance = max(expected + noise_variance, 1e-24)
        news = max(independent, LEAST_NEWS)
        keep, u = 1.0 - (1.0 - _KEEP) * news, news / variance**2
        self.count = self.count * keep + 1.0
        self.weight = self.weight * keep + u
        self.square = self.square * keep + u * (residual_s**2 - noise_variance)
        self.stated = self.stated * keep + u * expected

    @property
    def mean_square(self) -> float:
        """Mean square error, s²; 0 before the first judgement."""
        if not self.weight:
            return 0.0
        stated = max(self.stated / self.weight, 1e-24)
        told, said = self.weight / 2.0, 1.0 / stated**2
        mean = (self.square / self.weight * told + stated * said) / (told + said)
        return max(mean, LEAST * stated)

    def as_list(self) -> list[float]:
        """All sums, for a snapshot."""
        return list(astuple(self))

    @classmethod
    def from_list(cls, sums: list[float]) -> OwnError:
        """Return the error of a snapshot.

        Raises:
            ValueError: it is damaged.
        """
        values = [float(value) for value in sums]
        if len(values) != len(fields(cls)) or not all(map(math.isfinite, values)):
            raise ValueError(f"{len(values)} sums, some may not be numbers")
        return cls(*values)
