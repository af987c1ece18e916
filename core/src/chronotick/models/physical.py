"""Built-in models. They see the same batch as every plugin and live in the daemon."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chronotick.plugin.contract import ContextBatch, Forecast, ModelInfo

UNLIMITED = 16384
LINE_WINDOWS = (8, 16, 32, 64, 128, 256, 512)  # measured samples a line may be fitted to

Vector = NDArray[np.floating[Any]]


class _WithoutWeights:
    """What models without weights have in common."""

    def load(self, checkpoint: str, device: str, threads: int) -> ModelInfo:
        """Nothing to load; the arguments are accepted because every model takes them."""
        del checkpoint, device, threads
        return ModelInfo(checkpoint="", device="cpu", max_context=UNLIMITED, max_horizon=UNLIMITED)

    def close(self) -> None:
        """Nothing to release."""


class Kalman(_WithoutWeights):
    """The trend itself: no residual, with the uncertainty that the filter states for it."""

    def forecast(self, batch: ContextBatch, horizon: int, quantiles: Sequence[float]) -> Forecast:
        """Forecast zero residual; see :meth:`chronotick.plugin.Model.forecast`."""
        series = batch.values.shape[0]
        age = batch.step_s * np.arange(1, horizon + 1)
        var_offset, cov, var_frequency, wander = batch.trend_covariance.T[..., np.newaxis]
        variance = var_offset + 2 * cov * age + var_frequency * age**2 + wander * age**3 / 3
        z = np.array([NormalDist().inv_cdf(level) for level in quantiles])
        return Forecast(
            mean=np.zeros((series, horizon)),
            quantiles=np.sqrt(np.maximum(variance, 0.0))[..., np.newaxis] * z,
        )


class Hold(_WithoutWeights):
    """The newest measured residual, held."""

    def forecast(self, batch: ContextBatch, horizon: int, quantiles: Sequence[float]) -> Forecast:
        """Forecast the last measured value of each series, 0 where there is none."""
        del quantiles
        last = np.array([_last_measured(series) for series in batch.values])
        return Forecast(mean=np.repeat(last[:, np.newaxis], horizon, axis=1))


class Line(_WithoutWeights):
    """A straight line through the newest samples, weighted by their noise.

    The number of samples is the one whose lines, fitted at earlier instants of the context, would
    have forecast the then next samples best (weighted mean square).
    """

    def forecast(self, batch: ContextBatch, horizon: int, quantiles: Sequence[float]) -> Forecast:
        """Forecast each series by its own line."""
        del quantiles
        ahead = np.arange(1, horizon + 1, dtype=float)
        rows = [
            _line(values, noise, ahead)
            for values, noise in zip(batch.values, batch.noise, strict=True)
        ]
        return Forecast(mean=np.stack(rows))


def _last_measured(series: Vector) -> float:
    measured = series[~np.isnan(series)]
    return float(measured[-1]) if measured.size else 0.0


def _line(values: Vector, noise: Vector, ahead: Vector) -> Vector:
    measured = np.flatnonzero(~np.isnan(values))
    if measured.size < LINE_WINDOWS[0]:
        return np.full(ahead.shape, _last_measured(values))
    time = measured - (len(values) - 1.0)  # steps before the end of the context
    y: Vector = values[measured]
    weight: Vector = 1.0 / np.square(noise[measured])
    size = min(LINE_WINDOWS, key=lambda n: _backtest(n, time, y, weight))
    intercept, slope = _fit(time[-size:], y[-size:], weight[-size:])
    line: Vector = intercept + slope * ahead
    return line


def _backtest(size: int, time: Vector, y: Vector, weight: Vector) -> float:
    """Weighted mean square error of lines of ``size`` samples on the quarter that followed them."""
    gap = max(size // 4, 1)
    ends = range(len(y) - gap, max(size, len(y) // 2) - 1, -gap)
    if not ends or size > len(y) - gap:
        return float("inf") if size > LINE_WINDOWS[0] else 0.0
    errors, weights = [], []
    for end in ends:
        intercept, slope = _fit(
            time[end - size : end], y[end - size : end], weight[end - size : end]
        )
        after = slice(end, end + gap)
        errors.append(y[after] - intercept - slope * time[after])
        weights.append(weight[after])
    return float(np.average(np.concatenate(errors) ** 2, weights=np.concatenate(weights)))


def _fit(time: Vector, y: Vector, weight: Vector) -> tuple[float, float]:
    """Weighted least squares: value at time 0 and slope."""
    total = weight.sum()
    mean_time, mean_y = (weight @ time) / total, (weight @ y) / total
    spread = weight @ (time - mean_time) ** 2
    slope = (weight @ ((time - mean_time) * (y - mean_y))) / spread if spread > 0 else 0.0
    return float(mean_y - slope * mean_time), float(slope)
