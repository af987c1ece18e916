"""How large the models' mean square errors are, over the baseline's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from chronotick.fusion.evidence import Evidence
from chronotick.fusion.horizons import HORIZONS_S, place_of

SURELY: Final = 1.0  # standard errors by which a model is surely better
LEAST_RATIO: Final = 0.04  # no model is taken for more than five times better than the baseline


class Ratios:
    """Ratios of all models at all horizons, kept until something is learnt.

    Args:
        measure: tells the ratio of a model at one of :data:`HORIZONS_S`; ``None``: not proven.
    """

    def __init__(self, measure: Callable[[str, int], float | None]) -> None:
        self._measure = measure
        self._at: list[dict[str, float | None]] = [{} for _ in HORIZONS_S]
        self._from: dict[tuple[str, int], float | None] = {}

    def of(self, model: str, horizon_s: float) -> float | None:
        """Ratio of a model at any horizon; see :meth:`chronotick.fusion.Skill.ratio`."""
        place = place_of(horizon_s)
        below, above = math.floor(place), math.ceil(place)
        lower, upper = self._known(model, below), self._known(model, above)
        if lower is None or upper is None:
            nearest = self._known(model, round(place))
            return nearest if nearest is not None else self._first_from(model, above)
        return lower + (upper - lower) * (place - below)

    def forget(self, index: int) -> None:
        """Measure anew at a horizon: something was learnt there."""
        self._at[index].clear()
        self._from.clear()

    def _known(self, model: str, index: int) -> float | None:
        ratios = self._at[index]
        if model not in ratios:
            ratios[model] = self._measure(model, index)
        return ratios[model]

    def _first_from(self, model: str, index: int) -> float | None:
        key = model, index
        if key not in self._from:
            longer = (self._known(model, n) for n in range(index, len(HORIZONS_S)))
            self._from[key] = next((ratio for ratio in longer if ratio is not None), None)
        return self._from[key]


def measured_ratio(evidence: Evidence, own: float) -> float:
    """Ratio at one horizon; below 1 only as far as that is sure.

    Args:
        evidence: on the model.
        own: mean square error of the baseline, s²; positive.
    """
    if evidence.difference >= 0.0:
        return 1.0 + evidence.difference / own
    surely = min(evidence.difference + SURELY * evidence.difference_error, 0.0)
    return max(1.0 + surely / own, LEAST_RATIO)
