"""How sure a share or a quantile is: node pairs are drawn again, with replacement.

The pairs of a few nodes have nodes in common, so they are not independent: the intervals are those
of a study with these nodes, and too narrow for nodes at large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chronotick.lab.ordering.truetime import Vector

ENDS = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class Ranged:
    """A number of a study.

    Attributes:
        value: it; NaN where there is nothing to count.
        low, high: its bootstrap interval of 95 %; NaN where there is none.
    """

    value: float
    low: float = float("nan")
    high: float = float("nan")


class Resamples:
    """How often each node pair is drawn in each resample.

    Args:
        pairs: how many there are; a single one gives no intervals.
        count: resamples.
        seed: chance.
    """

    def __init__(self, pairs: int, count: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._pairs = pairs
        drawn = rng.multinomial(pairs, np.full(pairs, 1.0 / pairs), size=count if pairs > 1 else 0)
        self._drawn = drawn.astype(np.float64)

    def share(self, counted: Vector, among: Vector, pair: NDArray[np.intp]) -> Ranged:
        """Sum of ``counted`` over sum of ``among``; both and ``pair`` by event."""
        top = np.bincount(pair, counted, self._pairs)
        bottom = np.bincount(pair, among, self._pairs)
        tops, bottoms = self._drawn @ top, self._drawn @ bottom
        shares = tops[bottoms > 0] / bottoms[bottoms > 0]
        total = bottom.sum()
        return _ranged(float(top.sum() / total) if total else float("nan"), shares)

    def quantiles(
        self, values: Vector, pair: NDArray[np.intp], levels: Sequence[float]
    ) -> list[Ranged]:
        """Quantiles of values by event; they may be infinite."""
        ranked = np.argsort(values, kind="stable")
        value, of = values[ranked], pair[ranked]
        wholes = value[_ranks(np.ones(len(value)), levels)]
        drawn = [weights[of] for weights in self._drawn]
        again = np.array([value[_ranks(each, levels)] for each in drawn if each.any()])
        columns = again.reshape(-1, len(levels)).T
        return [_ranged(float(whole), each) for whole, each in zip(wholes, columns, strict=True)]


def _ranks(weights: Vector, levels: Sequence[float]) -> NDArray[np.intp]:
    """Places at which the running sum of weights reaches each level."""
    sums = np.cumsum(weights)
    places = np.searchsorted(sums, np.multiply(levels, sums[-1]))
    ranks: NDArray[np.intp] = np.minimum(places, len(weights) - 1)
    return ranks


def _ranged(value: float, again: Vector) -> Ranged:
    if not again.size:
        return Ranged(value)
    # Of infinite waits, the interpolated quantile would be NaN.
    low, high = np.quantile(again, ENDS, method="nearest")
    return Ranged(value, float(low), float(high))
