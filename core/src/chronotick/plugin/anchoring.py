"""Contexts that keep what the estimator knows: for weights that were trained on clocks.

General models get contexts of mean 0 and deviation 1 (:mod:`chronotick.plugin.scaling`). With the
mean goes the tangent, from which residuals are counted, and with the deviation how well it is
known: a model then has to find again what the estimator knows better. Here contexts are scaled
about zero, which stays the tangent; before them come :data:`TOLD` numbers about scales and about
what the estimator expects and how sure it is; and forecasts are counted from what it expects, in
units of its standard uncertainty at each step. A network that answers 0 repeats the estimator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chronotick.plugin.contract import ContextBatch
from chronotick.plugin.weights import CONFIG, Weights

NAME: Final = "anchored-1"
"""What a checkpoint says in its ``config.json`` under :data:`KEY` if it wants such contexts."""
KEY: Final = "chronotick_context"
TOLD: Final = 32  # numbers before a context
REACH: Final = 64  # steps over which the estimator must say what it expects

_SMALLEST_S: Final = 1e-12
_STEPS: Final = np.array([1, 2, 4, 8, 16, 32, REACH])
_PATH: Final = np.array([1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 56, REACH])
_SCALES: Final = TOLD - len(_PATH)
_LIMIT: Final = 4.0  # of ratios, and of their decades
_FAR: Final = 20.0  # sigmas: expected paths are told up to there
_USUAL_STEP_S: Final = 64.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Anchored:
    """Contexts, dimensionless, and the way back.

    Attributes:
        values: ``[series, length]``: :data:`TOLD` numbers, then residuals over their root mean
            square, NaN where nothing was measured.
        expected: ``[series, steps]`` by the estimator, in seconds beyond the tangent.
        sigma: ``[series, steps]`` the standard uncertainty it gives that, in seconds, above 0.
    """

    values: Floats
    expected: Floats
    sigma: Floats

    def reduce(self, target: Floats) -> Floats:
        """Bring what came ``[series, horizon]``, in seconds from the tangent, to those units."""
        horizon = target.shape[1]
        reduced: Floats = (target - self.expected[:, :horizon]) / self.sigma[:, :horizon]
        return reduced

    def restore(self, forecast: NDArray[np.floating]) -> Floats:
        """Bring a forecast ``[series, horizon, ...]`` to seconds from the tangent.

        Raises:
            ValueError: it reaches further than what the estimator expects is known.
        """
        horizon, known = forecast.shape[1], self.expected.shape[1]
        if horizon > known:
            raise ValueError(f"{horizon} steps were forecast, expectations reach {known}")
        shape = (*forecast.shape[:2], *(1 for _ in forecast.shape[2:]))
        sigma, expected = (each[:, :horizon].reshape(shape) for each in (self.sigma, self.expected))
        restored: Floats = forecast.astype(np.float64) * sigma + expected
        return restored


def wants_anchored(weights: Weights) -> bool:
    """Tell whether weights were trained on anchored contexts.

    Raises:
        ValueError: they want contexts that are not made here.
    """
    said = weights.config().get(KEY)
    if said is not None and said != NAME:
        raise weights.unusable(f"{CONFIG} asks for contexts {said!r:.60}, known are {NAME!r} only")
    return said is not None


def anchored(batch: ContextBatch, length: int) -> Anchored:
    """Anchor the newest values of contexts.

    Args:
        batch: contexts.
        length: of what comes out, with :data:`TOLD` numbers; short contexts are filled with NaN
            after these.

    Raises:
        ValueError: a series holds no measurement, or it is not told what the estimator expects.
    """
    return anchored_series(batch, np.full(len(batch.values), batch.step_s), length)


def anchored_series(told: ContextBatch, step_s: Floats, length: int) -> Anchored:
    """Anchor contexts, each of which has its own step in seconds; see :func:`anchored`."""
    kept = told.values[:, -(length - TOLD) :]
    measured = np.isfinite(kept)
    count = measured.sum(axis=1)
    if not count.all():
        empty = np.flatnonzero(count == 0).tolist()
        raise ValueError(f"series {empty} hold no measurement: there is nothing to forecast from")
    expected, sigma = _expected(told)
    known = np.where(measured, kept, 0.0)
    scale = np.maximum(np.sqrt((known**2).sum(axis=1) / count), _SMALLEST_S)
    noise = np.where(measured, told.noise[:, -(length - TOLD) :], np.nan)
    whole = np.full((len(kept), length), np.nan)
    whole[:, :_SCALES] = _scales(scale, noise, step_s, told.trend_covariance, sigma)
    whole[:, _SCALES:TOLD] = np.clip((expected / sigma)[:, _PATH - 1], -_FAR, _FAR)
    whole[:, length - kept.shape[1] :] = kept / scale[:, np.newaxis]
    return Anchored(values=whole, expected=expected, sigma=sigma)


def _expected(told: ContextBatch) -> tuple[Floats, Floats]:
    expected, sigma = told.expected, told.expected_sigma
    series = len(told.values)
    if expected.shape != sigma.shape or len(sigma) != series or sigma.shape[1] < REACH:
        raise ValueError(
            f"these weights need what the estimator expects of {series} series over {REACH} steps, "
            f"and how sure it is; they are told {expected.shape} and {sigma.shape}"
        )
    return expected, np.maximum(sigma, _SMALLEST_S)


def _scales(
    scale: Floats, noise: Floats, step_s: Floats, covariance: Floats, sigma: Floats
) -> Floats:
    """How large things are beside each other, each number within some units of 0."""
    heard = np.isfinite(noise)
    count = heard.sum(axis=1)
    mean_noise = np.where(heard, noise, 0.0).sum(axis=1) / np.maximum(count, 1)
    age = np.argmax(heard[:, ::-1], axis=1)
    near, far, far_s = sigma[:, 0], sigma[:, REACH - 1], REACH * step_s
    deviations = np.sqrt(np.maximum(covariance[:, [0, 2]], 0.0))
    products = np.maximum(deviations[:, 0] * deviations[:, 1], np.finfo(float).tiny)
    wander_s = np.sqrt(np.maximum(covariance[:, 3], 0.0) * far_s**3 / 3)
    found = np.zeros((len(scale), _SCALES))
    found[:, : len(_STEPS)] = _decades(scale[:, np.newaxis] / sigma[:, _STEPS - 1])
    found[:, 7] = _decades(scale / np.maximum(mean_noise, _SMALLEST_S))
    found[:, 8] = np.log10(step_s / _USUAL_STEP_S)
    found[:, 9] = count / noise.shape[1]
    found[:, 10] = np.minimum(age / REACH, 1.0)
    found[:, 11] = _within(deviations[:, 0] / near)
    found[:, 12] = _within(deviations[:, 1] * far_s / far)
    found[:, 13] = _within(wander_s / far)
    found[:, 14] = np.clip(covariance[:, 1], -products, products) / products
    return found


def _within(ratio: Floats) -> Floats:
    return np.minimum(ratio, _LIMIT)


def _decades(ratio: Floats) -> Floats:
    found: Floats = np.clip(np.log10(ratio), -_LIMIT, _LIMIT)
    return found
