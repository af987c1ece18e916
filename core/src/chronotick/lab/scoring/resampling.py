"""Intervals of statistics over tasks, from resampling clusters of them.

All statistics here are functions of means over tasks, so a resample is a count for each cluster,
and all of them together one product of matrices. Every model sees the same resamples: they are
paired. Clusters are drawn as fev draws tasks, so that with one task per cluster the same seed gives
the same bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, Literal

import numpy as np

from chronotick.lab.scoring.columns import Codes, Floats

Method = Literal["percentile", "bca"]
Statistic = Callable[[Floats], Floats]

METHODS: Final = ("percentile", "bca")
MISSED: Final = 0.05  # of 95 % intervals
_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Resampled:
    """A statistic and its 95 % interval.

    Attributes:
        estimate: over all tasks, shape ``[k]``.
        lower, upper: bounds, shape ``[k]``; NaN where there was no resampling, or one cluster only.
    """

    estimate: Floats
    lower: Floats
    upper: Floats


def resampled(
    values: Floats,
    clusters: Codes,
    statistic: Statistic,
    *,
    resamples: int,
    seed: int,
    method: Method = "percentile",
) -> Resampled:
    """Estimate a statistic of means over tasks, with a bootstrap interval.

    Args:
        values: of each task, shape ``[tasks, k]``.
        clusters: of each task, numbered from 0 without gaps, shape ``[tasks]``. They are drawn with
            replacement, each with all its tasks.
        statistic: of means, shape ``[..., k]``, element by element.
        resamples: how many; 0: no interval.
        seed: of the draws.
        method: ``"percentile"``, or ``"bca"``, bias-corrected and accelerated (Efron & Tibshirani,
            An Introduction to the Bootstrap, 1993, section 14.3) with the jackknife over clusters.
    """
    estimate = statistic(values.mean(axis=0))
    sizes = np.bincount(clusters)
    if not resamples or len(sizes) < 2:  # noqa: PLR2004 - one cluster says nothing about others
        unknown = np.full_like(estimate, np.nan)
        return Resampled(estimate=estimate, lower=unknown, upper=unknown)
    sums = np.zeros((len(sizes), values.shape[1]))
    np.add.at(sums, clusters, values)

    def of(counts: Floats) -> Floats:
        return statistic(counts @ sums / (counts @ sizes)[:, None])

    drawn = of(draws(len(sizes), resamples, seed))
    if method == "percentile":
        lower, upper = np.quantile(drawn, (MISSED / 2, 1 - MISSED / 2), axis=0)
    else:
        lower, upper = bca(estimate, drawn, of(1.0 - np.eye(len(sizes))))
    return Resampled(estimate=estimate, lower=lower, upper=upper)


def bca(estimate: Floats, drawn: Floats, left_out: Floats) -> tuple[Floats, Floats]:
    """Bounds by the bias-corrected and accelerated bootstrap.

    Args:
        estimate: shape ``[k]``.
        drawn: the statistic of each resample, shape ``[resamples, k]``.
        left_out: the statistic without each cluster in turn, shape ``[clusters, k]``.

    Returns:
        Lower and upper bounds, shape ``[k]``.
    """
    below = (drawn < estimate).mean(axis=0) + 0.5 * (drawn == estimate).mean(axis=0)
    least = 0.5 / len(drawn)  # where all resamples lie on one side, half of one is on the other
    bias = _each(_NORMAL.inv_cdf, np.clip(below, least, 1 - least))
    pull = left_out.mean(axis=0) - left_out
    spread = 6 * (pull**2).sum(axis=0) ** 1.5
    acceleration = np.divide(
        (pull**3).sum(axis=0), spread, out=np.zeros_like(spread), where=spread > 0
    )
    ranked = np.sort(drawn, axis=0)
    low, high = (
        _at(ranked, _share(bias, acceleration, _NORMAL.inv_cdf(level)))
        for level in (MISSED / 2, 1 - MISSED / 2)
    )
    return low, high


def draws(clusters: int, resamples: int, seed: int) -> Floats:
    """How often each cluster is in each resample, shape ``[resamples, clusters]``."""
    drawn = np.random.default_rng(seed).integers(0, clusters, size=(resamples, clusters))
    cells = drawn + clusters * np.arange(resamples)[:, None]
    counts = np.bincount(cells.ravel(), minlength=resamples * clusters)
    return counts.reshape(resamples, clusters).astype(np.float64)


def _share(bias: Floats, acceleration: Floats, z: float) -> Floats:
    """Of resamples below a bound, by equation 14.10 of Efron & Tibshirani."""
    shifted = bias + z
    slowed = 1 - acceleration * shifted
    far = np.copysign(np.inf, shifted)  # few clusters, one of them far off
    moved = np.divide(shifted, slowed, out=far, where=slowed > 0)
    return _each(_NORMAL.cdf, np.where(np.isfinite(moved), bias + moved, moved))


def _at(ranked: Floats, share: Floats) -> Floats:
    """Quantiles of columns in ascending order, each at a share of its own."""
    place = share * (len(ranked) - 1)
    below = np.floor(place).astype(np.intp)
    above = np.minimum(below + 1, len(ranked) - 1)
    low, high = (np.take_along_axis(ranked, each[None], axis=0)[0] for each in (below, above))
    return np.asarray(low + (place - below) * (high - low))


def _each(function: Callable[[float], float], values: Floats) -> Floats:
    return np.array([function(value) for value in values.tolist()])
