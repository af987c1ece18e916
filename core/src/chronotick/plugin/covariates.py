"""Covariates as models take them: series by series, past values only, on a scale of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from chronotick.plugin.scaling import standardise

PastCovariates = dict[str, NDArray[np.float32]]


def past_covariates(
    covariates: Mapping[str, NDArray[np.float64]], series: int, length: int
) -> list[PastCovariates]:
    """Take covariates apart by series; those a series has no value of are left out.

    Args:
        covariates: name to ``[series, any length]`` in any unit, NaN where there is no value.
        series: how many there are.
        length: how many of the last steps are wanted.

    Returns:
        For each series, name to ``[length]`` with mean 0 and standard deviation 1. Standardised in
        float64: a temperature that moves by microkelvins around 300 K drowns in float32.
    """
    scaled = {name: standard(values[:, -length:]) for name, values in covariates.items()}
    return [
        {name: rows[index] for name, rows in scaled.items() if np.isfinite(rows[index]).any()}
        for index in range(series)
    ]


def alike(past: Sequence[PastCovariates]) -> list[list[int]]:
    """Group series by the names of their covariates: one call of the library takes one set."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, names in enumerate(past):
        groups.setdefault(tuple(names), []).append(index)
    return list(groups.values())


def standard(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Standardise a covariate ``[series, length]``, each series by itself.

    Gaps and infinities become NaN; a series may hold nothing else.
    """
    scaled = np.full(values.shape, np.nan, dtype=np.float32)
    there = np.isfinite(values)
    some = there.any(axis=1)
    if some.any():
        rows = np.where(there, values, np.nan)[some]
        # The median first: it makes a constant exactly 0, where the mean leaves rounding errors.
        rows -= np.nanmedian(rows, axis=1, keepdims=True)
        scaled[some] = standardise(rows, np.ones_like(rows)).values
    return scaled
