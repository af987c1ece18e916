"""Expert aggregation: the fused loss stays near that of the best members in hindsight.

Bernstein online aggregation with the gradient trick (Wintenberger, "Optimal learning with Bernstein
online aggregation", Machine Learning 106, 2017, Theorem 3.3): for squared losses the regret against
the best convex combination of N members stays within O(sqrt(V log N)), V being the sum of squares
of its instantaneous regrets, and within O(log N) where one is better throughout. The judge's noise
enters regrets linearly only and averages out.

Members do not stay as good as they were: regrets are forgotten exponentially (the discounted regret
of Cesa-Bianchi and Lugosi, "Prediction, Learning, and Games", 2006, section 2.11). Feedback on far
horizons comes late and overlaps, so losses are summed over blocks as long as the horizon.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chronotick.fusion.horizons import HORIZONS_S
from chronotick.fusion.judged import Judged

BASELINE_PRIOR: Final = 0.95  # of the weight, before anything is known
MEMORY: Final = 150.0  # blocks after which a regret has lost 63 % of its weight
_KEEP: Final = math.exp(-1.0 / MEMORY)
_BASELINE: Final = ""  # its key: no model is called that


@dataclass(slots=True)
class _Regret:
    """What following one member instead of the mixture would have saved."""

    total: float = 0.0  # BOA's second-order sum
    square: float = 0.0
    largest: float = 0.0
    open: float = 0.0

    def rate(self, certainty: float) -> float:
        square, largest = self.square + self.open**2, max(self.largest, abs(self.open))
        return min(0.5 / largest, math.sqrt(certainty / square)) if square else 0.0

    def close(self, rate: float) -> None:
        self.largest = max(self.largest * _KEEP, abs(self.open))
        self.square = self.square * _KEEP + self.open**2
        self.total = self.total * _KEEP + self.open - rate * self.open**2
        self.open = 0.0


@dataclass(slots=True)
class _Table:
    """All members at one horizon."""

    since_ns: int = 0
    regrets: dict[str, _Regret] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)


class Experts:
    """Weights of all members at each horizon, learnt from their regrets."""

    def __init__(self) -> None:
        self._tables = [_Table() for _ in HORIZONS_S]

    def add(self, judged: Judged, gaps: Mapping[str, float]) -> None:
        """Take one judgement; arguments as for :meth:`chronotick.fusion.Skill.take`."""
        table = self._tables[judged.index]
        if judged.raw_ns - table.since_ns >= judged.block_ns:
            _close(table)
            table.since_ns = judged.raw_ns
        mixed = sum(table.weights.get(model, 0.0) * gap for model, gap in gaps.items())
        pull = 2.0 * (judged.residual_s - mixed) / judged.variance
        for model, gap in {_BASELINE: 0.0, **gaps}.items():
            table.regrets.setdefault(model, _Regret()).open += pull * (gap - mixed)

    def weights(self, index: int) -> Mapping[str, float]:
        """Weight of each model at a horizon; what is missing to 1 is the baseline's."""
        return self._tables[index].weights

    def forget(self, index: int, model: str, *, worse: bool) -> None:
        """Forget what speaks for a model that has become a worse one, or against a better one."""
        table = self._tables[index]
        table.weights = {m: w for m, w in table.weights.items() if m != model}
        regret = table.regrets.get(model)
        if regret is None or not worse:
            table.regrets.pop(model, None)
        else:
            regret.total, regret.open = min(regret.total, 0.0), min(regret.open, 0.0)

    def snapshot(self) -> list[dict[str, list[float]]]:
        """Return all regrets as JSON types."""
        return [
            {model: [r.total, r.square, r.largest] for model, r in table.regrets.items()}
            for table in self._tables
        ]

    @classmethod
    def restored(cls, snapshot: Any) -> Experts:  # noqa: ANN401 - any JSON type
        """Return the experts of a snapshot.

        Raises:
            AttributeError, TypeError, ValueError: it is damaged.
        """
        experts = cls()
        for table, saved in zip(experts._tables, snapshot, strict=True):
            for model, (total, square, largest) in saved.items():
                numbers = float(total), float(square), float(largest)
                if not all(map(math.isfinite, numbers)):
                    raise ValueError(f"the regret of {model or 'the baseline'} is no number")
                table.regrets[str(model)] = _Regret(*numbers)
            _weigh(table)
        return experts


def _close(table: _Table) -> None:
    rates = _rates(table)
    for model, regret in table.regrets.items():
        regret.close(rates[model])
    _weigh(table)


def _rates(table: _Table) -> dict[str, float]:
    """Learning rate of each member (Wintenberger 2017, Theorem 3.3)."""
    certainty = -math.log((1.0 - BASELINE_PRIOR) / max(len(table.regrets) - 1, 1))
    return {m: regret.rate(certainty) for m, regret in table.regrets.items()}


def _weigh(table: _Table) -> None:
    """Exponential weights, tilted by the learning rates; the baseline starts with most of it."""
    rates, others = _rates(table), max(len(table.regrets) - 1, 1)
    priors = dict.fromkeys(table.regrets, (1.0 - BASELINE_PRIOR) / others)
    priors[_BASELINE] = BASELINE_PRIOR
    powers = {m: rates[m] * regret.total for m, regret in table.regrets.items()}
    highest = max(powers.values(), default=0.0)
    shares = {m: priors[m] * rates[m] * math.exp(p - highest) for m, p in powers.items()}
    total = sum(shares.values())
    table.weights = (
        {m: share / total for m, share in shares.items() if m != _BASELINE} if total else {}
    )
