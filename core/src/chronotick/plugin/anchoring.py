"""Contexts that keep what the estimator knows: for weights that were trained on clocks.

General models get contexts of mean 0 and deviation 1 (:mod:`chronotick.plugin.scaling`). With the
mean goes the tangent, from which residuals are counted, and with the deviation how well it is known:
a model then has to find again what the estimator knows better. Here contexts are scaled about
zero, which stays the tangent; before them come :data:`TOLD` numbers about scales and about how the
estimator's uncertainty grows; and forecasts are in units of that uncertainty at each step. A
network that answers 0 repeats the estimator's tangent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chronotick.plugin.contract import ContextBatch

NAME: Final = "anchored-1"
"""What a checkpoint says in its ``config.json`` under :data:`KEY` if it wants such contexts."""
KEY: Final = "chronotick_context"
TOLD: Final = 16  # numbers before a context

_SMALLEST_S: Final = 1e-12
_STEPS: Final = np.array([1, 2, 4, 8, 16, 32, 64])
_LIMIT: Final = 4.0  # decades
_USUAL_STEP_S: Final = 64.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Anchored:
    """Contexts, dimensionless, and the way back.

    Attributes:
        values: ``[series, length]``: :data:`TOLD` numbers, then residuals over their root mean
            square, NaN where nothing was measured.
        trend_covariance: as in :class:`~chronotick.plugin.contract.ContextBatch`.
        step_s: ``[series]``.
    """

    values: Floats
    trend_covariance: Floats
    step_s: Floats

    def sigma_s(self, horizon: int) -> Floats:
        """The tangent's standard uncertainty at each step, ``[series, horizon]``, in seconds."""
        return _sigma_s(self.trend_covariance, self.step_s, np.arange(1, horizon + 1))

    def restore(self, forecast: NDArray[np.floating]) -> Floats:
        """Bring a forecast ``[series, horizon, ...]`` in units of that uncertainty to seconds."""
        sigma_s = self.sigma_s(forecast.shape[1])
        return forecast * sigma_s.reshape(*sigma_s.shape, *(1 for _ in forecast.shape[2:]))


def anchored(batch: ContextBatch, length: int) -> Anchored:
    """Anchor the newest values of contexts.

    Args:
        batch: contexts.
        length: of what comes out, with :data:`TOLD` numbers; short contexts are filled with NaN
            after these.

    Raises:
        ValueError: a series holds no measurement.
    """
    return anchored_series(
        batch.values,
        batch.noise,
        np.full(len(batch.values), batch.step_s),
        batch.trend_covariance,
        length,
    )


def anchored_series(
    values: Floats, noise: Floats, step_s: Floats, trend_covariance: Floats, length: int
) -> Anchored:
    """Anchor contexts, each of which has its own step; see :func:`anchored`."""
    kept = values[:, -(length - TOLD) :]
    measured = np.isfinite(kept)
    count = measured.sum(axis=1)
    if not count.all():
        empty = np.flatnonzero(count == 0).tolist()
        raise ValueError(f"series {empty} hold no measurement: there is nothing to forecast from")
    known = np.where(measured, kept, 0.0)
    scale = np.maximum(np.sqrt((known**2).sum(axis=1) / count), _SMALLEST_S)
    whole = np.full((len(values), length), np.nan)
    whole[:, :TOLD] = _told(scale, measured, noise[:, -(length - TOLD) :], step_s, trend_covariance)
    whole[:, length - kept.shape[1] :] = kept / scale[:, np.newaxis]
    return Anchored(values=whole, trend_covariance=trend_covariance, step_s=step_s)


def _told(
    scale: Floats,
    measured: NDArray[np.bool_],
    noise: Floats,
    step_s: Floats,
    covariance: Floats,
) -> Floats:
    """What a network is told beside the residuals, each number within some units of 0."""
    count = measured.sum(axis=1)
    sigma_s = _sigma_s(covariance, step_s, _STEPS)
    far_s = _STEPS[-1] * step_s
    deviations = np.sqrt(np.maximum(covariance[:, [0, 2]], 0.0))
    wander_s = np.sqrt(np.maximum(covariance[:, 3], 0.0) * far_s**3 / 3)
    heard = np.where(measured & np.isfinite(noise), noise, 0.0).sum(axis=1) / count
    age = np.argmax(measured[:, ::-1], axis=1)
    products = np.maximum(deviations[:, 0] * deviations[:, 1], np.finfo(float).tiny)
    told = np.zeros((len(scale), TOLD))
    told[:, : len(_STEPS)] = _decades(scale[:, np.newaxis] / sigma_s)
    told[:, 7] = _decades(scale / np.maximum(heard, _SMALLEST_S))
    told[:, 8] = np.log10(step_s / _USUAL_STEP_S)
    told[:, 9] = count / measured.shape[1]
    told[:, 10] = np.minimum(age / _STEPS[-1], 1.0)
    told[:, 11] = deviations[:, 0] / sigma_s[:, 0]
    told[:, 12] = deviations[:, 1] * far_s / sigma_s[:, -1]
    told[:, 13] = wander_s / sigma_s[:, -1]
    told[:, 14] = np.clip(covariance[:, 1] / products, -1.0, 1.0)
    return told


def _decades(ratio: Floats) -> Floats:
    found: Floats = np.clip(np.log10(ratio), -_LIMIT, _LIMIT)
    return found


def _sigma_s(covariance: Floats, step_s: Floats, steps: NDArray[np.int_]) -> Floats:
    """``[series, steps]``."""
    ahead_s = step_s[:, np.newaxis] * steps
    offset, both, frequency, wander = (each[:, np.newaxis] for each in covariance.T)
    variance = offset + 2 * both * ahead_s + frequency * ahead_s**2 + wander * ahead_s**3 / 3
    return np.maximum(np.sqrt(np.maximum(variance, 0.0)), _SMALLEST_S)
