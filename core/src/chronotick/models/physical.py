"""Built-in models. They see the same batch as every plugin and live in the daemon."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from chronotick.models.line import last_measured, line
from chronotick.plugin.contract import ContextBatch, Forecast, ModelInfo

UNLIMITED = 16384


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
        last = np.array([last_measured(series) for series in batch.values])
        return Forecast(mean=np.repeat(last[:, np.newaxis], horizon, axis=1))


class Line(_WithoutWeights):
    """A straight line through the newest samples; see :func:`chronotick.models.line.line`."""

    def forecast(self, batch: ContextBatch, horizon: int, quantiles: Sequence[float]) -> Forecast:
        """Forecast each series by its own line."""
        del quantiles
        ahead = np.arange(1, horizon + 1, dtype=float)
        rows = [
            line(values, noise, ahead)
            for values, noise in zip(batch.values, batch.noise, strict=True)
        ]
        return Forecast(mean=np.stack(rows))
