"""Quantiles of mixtures of Student's t distributions: what Toto says of each step ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, stdtr

Array = NDArray[np.float64]

_ACCURACY: Final = 1e-10  # of the probability at a quantile
_MAX_STEPS: Final = 200  # of Newton or bisection; halving a double's range takes fewer


@dataclass(frozen=True, slots=True)
class Mixture:
    """Mixtures of Student's t, one per row; every array is ``[row, component]``.

    Attributes:
        weight: adding up to 1 in a row.
        freedom: degrees of freedom, at least 2.
        location, scale: of each component, in one unit.
    """

    weight: Array
    freedom: Array
    location: Array
    scale: Array

    def __getitem__(self, rows: NDArray[np.intp]) -> Mixture:
        return Mixture(self.weight[rows], self.freedom[rows], self.location[rows], self.scale[rows])

    def probability_below(self, value: Array) -> Array:
        """Return the cumulative distribution function at one value ``[row]`` for each mixture."""
        below: Array = (self.weight * stdtr(self.freedom, self._standard(value))).sum(axis=1)
        return below

    def density(self, value: Array) -> Array:
        """Return the probability density at one value ``[row]`` for each mixture."""
        half = (self.freedom + 1) / 2
        peak = np.exp(gammaln(half) - gammaln(self.freedom / 2)) / np.sqrt(np.pi * self.freedom)
        shape = (1 + self._standard(value) ** 2 / self.freedom) ** -half
        density: Array = (self.weight * peak * shape / self.scale).sum(axis=1)
        return density

    def _standard(self, value: Array) -> Array:
        return (value[:, np.newaxis] - self.location) / self.scale


def quantiles(mixture: Mixture, levels: Sequence[float]) -> Array:
    """Invert the cumulative distribution function, exactly: no sampling.

    Newton's method inside a shrinking bracket, bisection where Newton would leave it or gain little
    (rtsafe: Press et al., Numerical Recipes, 3rd edition, section 9.4).

    Args:
        mixture: the distributions.
        levels: strictly between 0 and 1.

    Returns:
        ``[row, level]``, where the cumulative distribution function is within 1e-10 of the level.
    """
    rows = np.repeat(np.arange(len(mixture.weight)), len(levels))
    wanted = np.tile(np.asarray(levels, dtype=np.float64), len(mixture.weight))
    return _solve(mixture[rows], wanted).reshape(-1, len(levels))


def _bracket(mixture: Mixture, level: Array) -> Array:
    """Enclose each mixture's quantile by those of its components: ``[low or high, row]``.

    A component's own quantile lies between those of the normal distribution and of Student's t with
    two degrees of freedom, the lightest and the heaviest tails it can have.
    """
    normal = NormalDist()
    light = np.array([normal.inv_cdf(one) for one in level])
    heavy = (2 * level - 1) / np.sqrt(2 * level * (1 - level))
    ends = np.stack([mixture.location + mixture.scale * z[:, np.newaxis] for z in (light, heavy)])
    return np.stack([ends.min(axis=(0, 2)), ends.max(axis=(0, 2))])


def _solve(mixture: Mixture, level: Array) -> Array:
    bracket = _bracket(mixture, level)
    value: Array = bracket.mean(axis=0)
    last_step = bracket[1] - bracket[0]
    unsolved = np.arange(len(level))
    for _ in range(_MAX_STEPS):
        part, at = mixture[unsolved], value[unsolved]
        excess = part.probability_below(at) - level[unsolved]
        bracket[1, unsolved] = np.where(excess > 0, at, bracket[1, unsolved])
        bracket[0, unsolved] = np.where(excess > 0, bracket[0, unsolved], at)
        after = _next(at, excess, part.density(at), last_step[unsolved], bracket[:, unsolved])
        last_step[unsolved] = after - at
        missed = (np.abs(excess) > _ACCURACY) & (after != at)
        unsolved = unsolved[missed]
        value[unsolved] = after[missed]
        if unsolved.size == 0:
            break
    return value


def _next(at: Array, excess: Array, density: Array, last_step: Array, bracket: Array) -> Array:
    """Return the next trial value: Newton's, or the middle of the bracket."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        newton = at - excess / density  # infinite far out, where the density vanishes
        slow = np.abs(2 * excess) > np.abs(last_step * density)
    inside = (newton > bracket[0]) & (newton < bracket[1])
    after: Array = np.where(inside & ~slow, newton, bracket.mean(axis=0))
    return after
