"""Contexts as a daemon hands them to models, the odd ones included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chronotick.plugin.anchoring import REACH
from chronotick.plugin.contract import ContextBatch

_NOISE_S: Final = 1e-7
_LOCATION_S: Final = 3e-6


def walk(length: int, series: int = 1, seed: int = 0) -> NDArray[np.float64]:
    """Residuals of a clock in seconds: random walks of microseconds, ``[series, length]``."""
    steps = np.random.default_rng(seed).normal(scale=_NOISE_S, size=(series, length))
    residuals: NDArray[np.float64] = _LOCATION_S + steps.cumsum(axis=1)
    return residuals


def batch_of(
    values: NDArray[np.float64], covariates: Mapping[str, NDArray[np.float64]] | None = None
) -> ContextBatch:
    """Make a batch of residuals ``[series, length]`` in seconds, measured with 0.1 µs of noise."""
    return ContextBatch(
        values=values,
        noise=np.where(np.isnan(values), np.nan, _NOISE_S),
        step_s=1.0,
        trend_covariance=np.zeros((len(values), 4)),
        expected=np.zeros((len(values), REACH)),
        expected_sigma=np.full((len(values), REACH), _NOISE_S),
        covariates=covariates or {},
    )


def scaled(batch: ContextBatch, factor: float, shift: float) -> ContextBatch:
    """The same clock, that many times as large, and moved by so many seconds."""
    return replace(
        batch,
        values=batch.values * factor + shift,
        noise=batch.noise * factor,
        trend_covariance=batch.trend_covariance * factor**2,
        expected=batch.expected * factor + shift,
        expected_sigma=batch.expected_sigma * factor,
    )


def _without(gap: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.where(gap, np.nan, walk(len(gap)))


_STEP = np.arange(512)

CONTEXTS: Final[Mapping[str, NDArray[np.float64]]] = {
    "usual": walk(512),
    "several series": walk(300, series=3),
    "gaps": _without(_STEP % 3 == 0),
    "mostly gaps": _without(_STEP % 50 != 0),
    "starts late": _without(_STEP < 400),  # noqa: PLR2004 - most of it
    "ends early": _without(_STEP > 480),  # noqa: PLR2004 - a little of it
    "constant": np.full((1, 64), _LOCATION_S),
    "short": walk(16),
}
"""What a daemon may ask with, by name; every model answers each of them."""
