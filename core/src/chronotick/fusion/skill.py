"""What each model's errors have been on this host, by horizon."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

HORIZONS_S = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0)
MEMORY = 200.0  # scores after which old ones have lost 63 % of their weight


@dataclass(slots=True)
class _Sums:
    """Exponentially forgotten sums over the scores of one model at one horizon."""

    count: float = 0.0
    weight: float = 0.0
    square: float = 0.0
    noise: float = 0.0

    def add(self, error_s: float, noise_variance: float) -> None:
        keep = math.exp(-1.0 / MEMORY)
        w = 1.0 / noise_variance
        self.count = self.count * keep + 1.0
        self.weight = self.weight * keep + w
        self.square = self.square * keep + w * error_s**2
        self.noise = self.noise * keep + w * noise_variance

    @property
    def mean_square(self) -> float:
        """Mean square error of the forecast itself, s².

        What the judging measurements contribute by their own noise is taken off. What is left is
        known to within the scatter of a mean of ``count`` squares, and never stated below it.
        """
        noise = self.noise / self.weight
        return max(
            self.square / self.weight - noise,
            noise * math.sqrt(2.0 / self.count),
        )


class Skill:
    """Squared errors of every model at every horizon, kept across restarts.

    Args:
        min_scores: scores at a horizon before a model counts as proven there.
    """

    def __init__(self, min_scores: int) -> None:
        self._min_scores = min_scores
        self._sums: dict[tuple[str, int], _Sums] = {}

    def add(self, model: str, horizon_s: float, error_s: float, noise_variance: float) -> None:
        """Take one scored forecast: its error in s and the variance in s² of its judge."""
        key = model, horizon_index(horizon_s)
        self._sums.setdefault(key, _Sums()).add(error_s, noise_variance)

    def scores(self, model: str, horizon_s: float) -> int:
        """How many scores the model has at the horizon (old ones forgotten)."""
        sums = self._sums.get((model, horizon_index(horizon_s)))
        return round(sums.count) if sums else 0

    def mean_square(self, model: str, horizon_s: float) -> float | None:
        """Mean square error in s² at a horizon; ``None`` where it is not proven.

        Between two proven horizons it is interpolated in log-log; beside a single one it holds
        within the horizon's own bin only.
        """
        place = _place(horizon_s)
        below, above = math.floor(place), math.ceil(place)
        lower, upper = self._proven(model, below), self._proven(model, above)
        if lower is None or upper is None:
            return self._proven(model, horizon_index(horizon_s))
        share = place - below
        return math.exp(math.log(lower) * (1 - share) + math.log(upper) * share)

    def table(self) -> list[dict[str, Any]]:
        """Rows of model, horizon, scores and rms error, for status reports."""
        return [
            {
                "model": model,
                "horizon_s": HORIZONS_S[index],
                "scores": round(sums.count),
                "rms_s": math.sqrt(sums.mean_square),
            }
            for (model, index), sums in sorted(self._sums.items())
        ]

    def snapshot(self) -> dict[str, Any]:
        """Return all sums as JSON types."""
        return {
            f"{model}@{index}": [s.count, s.weight, s.square, s.noise]
            for (model, index), s in self._sums.items()
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take up a snapshot.

        Raises:
            ValueError: it is damaged.
        """
        try:
            restored = {_key(name): _Sums(*map(float, sums)) for name, sums in snapshot.items()}
        except (TypeError, ValueError, IndexError) as error:
            raise ValueError(f"the saved scores are damaged: {error}") from error
        self._sums = restored

    def _proven(self, model: str, index: int) -> float | None:
        sums = self._sums.get((model, index))
        if sums is None or sums.count < self._min_scores - 0.5:
            return None
        return sums.mean_square


def horizon_index(horizon_s: float) -> int:
    """Which entry of :data:`HORIZONS_S` a horizon belongs to (nearest by ratio)."""
    return round(_place(horizon_s))


def _place(horizon_s: float) -> float:
    place = math.log(max(horizon_s, HORIZONS_S[0]) / HORIZONS_S[0], 4.0)
    return min(place, len(HORIZONS_S) - 1.0)


def _key(name: str) -> tuple[str, int]:
    model, _, index = name.rpartition("@")
    HORIZONS_S[int(index)]  # an index out of range is damage
    return model, int(index)
