"""How alike models are: two copies of one are not two opinions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any, Final

from chronotick.fusion.horizons import known_index
from chronotick.fusion.judged import Judged

KEPT: Final = 0.99  # of what is known, at each judgement


class Likeness:
    """Correlations of the models' differences from the estimator, by horizon."""

    def __init__(self) -> None:
        self._sums: dict[tuple[int, str, str], list[float]] = {}  # of x*y, x² and y²

    def add(self, judged: Judged, gaps: Mapping[str, float]) -> None:
        """Take one judgement; arguments as for :meth:`chronotick.fusion.Skill.take`."""
        for one, other in combinations(sorted(gaps), 2):
            sums = self._sums.setdefault((judged.index, one, other), [0.0, 0.0, 0.0])
            x, y = gaps[one], gaps[other]
            for at, product in enumerate((x * y, x * x, y * y)):
                sums[at] = sums[at] * KEPT + product / judged.variance

    def of(self, index: int, one: str, other: str) -> float:
        """Correlation of two models at a horizon; 0 if not known."""
        sums = self._sums.get((index, min(one, other), max(one, other)))
        return sums[0] / math.sqrt(sums[1] * sums[2]) if sums and sums[1] and sums[2] else 0.0

    def snapshot(self) -> list[list[Any]]:
        """Return all sums as JSON types."""
        return [[*key, *sums] for key, sums in self._sums.items()]

    @classmethod
    def restored(cls, snapshot: Iterable[Any]) -> Likeness:
        """Return the likeness of a snapshot.

        Raises:
            TypeError, ValueError: it is damaged.
        """
        likeness = cls()
        for index, one, other, xy, xx, yy in snapshot:
            sums = [float(value) for value in (xy, xx, yy)]
            if not all(map(math.isfinite, sums)):
                raise ValueError("correlations that are not")
            likeness._sums[known_index(index), str(one), str(other)] = sums
        return likeness
