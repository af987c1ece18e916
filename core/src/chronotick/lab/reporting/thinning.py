"""Fewer points than windows, by a rule that does not depend on chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Thinned:
    """Errors over time.

    Attributes:
        points: columns ``model``, ``time_s`` (mean local time of the targets), ``error`` (mean of
            the absolute errors), both in the trace's unit.
        bins: points of a model at most.
        windows: the most windows that a model had.
    """

    points: pd.DataFrame
    bins: int
    windows: int


def thinned(rows: pd.DataFrame, target: str, bins: int) -> Thinned:
    """Return at most ``bins`` errors of each model.

    Where a model has more windows than that, the time from the first to the last target is cut
    into ``bins`` equal stretches, and each gets the mean: the same stretches for every model.

    Args:
        rows: of one trace and horizon.
        target: ``truth`` or ``measured``.
        bins: how many points are enough.
    """
    error = (rows["forecast"] - rows[target]).abs().to_numpy(dtype=float)
    known = np.isfinite(error)
    models, names = pd.factorize(rows["model"][known], sort=True)
    time_s, error = rows["target_s"].to_numpy(dtype=float)[known], error[known]
    windows = int(np.bincount(models).max()) if models.size else 0
    if windows > bins:
        models, time_s, error = _means(models, time_s, error, bins)
    order = np.lexsort((time_s, models))
    named = np.asarray(names, dtype=object)[models[order]]
    points = {"model": named, "time_s": time_s[order], "error": error[order]}
    return Thinned(points=pd.DataFrame(points), bins=bins, windows=windows)


def _means(
    models: NDArray[np.int64], time_s: Vector, error: Vector, bins: int
) -> tuple[NDArray[np.int64], Vector, Vector]:
    """Means of each model in each of ``bins`` equal stretches of time, where it has any."""
    first, last = time_s.min(), time_s.max()
    share = (time_s - first) / max(last - first, np.finfo(float).tiny)
    cells = models * bins + np.minimum((share * bins).astype(np.int64), bins - 1)
    count = np.bincount(cells)
    filled = np.flatnonzero(count)
    mean_s, mean = (
        np.bincount(cells, weights=each)[filled] / count[filled] for each in (time_s, error)
    )
    return filled // bins, mean_s, mean
