"""The models themselves; each runs in a process of its own, in the plugin's environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from statsforecast import models

from chronotick.plugin import ContextBatch, Forecast, ModelInfo, at_levels
from chronotick.plugin.scaling import standardise

MAX_CONTEXT: Final = 512
MAX_HORIZON: Final = 1024

# Intervals asked of the library, in percent, and the quantile levels at their ends.
_INTERVALS: Final = (50, 80, 90, 95, 98)
_LEVELS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99)


class _Statistical:
    """A model that is fitted to each context anew: there are no weights."""

    estimator: type[Any]

    def load(self, checkpoint: str, device: str, threads: int) -> ModelInfo:  # noqa: ARG002 - one CPU thread
        """Check that nothing is asked for that cannot be; see ``chronotick.plugin.Model``.

        Raises:
            ValueError: weights were named.
        """
        if checkpoint:
            raise ValueError(f"this model has no weights, but was given {checkpoint!r}")
        return ModelInfo(
            checkpoint="", device="cpu", max_context=MAX_CONTEXT, max_horizon=MAX_HORIZON
        )

    def forecast(self, batch: ContextBatch, horizon: int, quantiles: Sequence[float]) -> Forecast:
        """Forecast each series on its own; see ``chronotick.plugin.Model``."""
        context = standardise(batch.values[:, -MAX_CONTEXT:], batch.noise[:, -MAX_CONTEXT:])
        answers = [self._continue(series, horizon) for series in context.values]
        mean = context.restore(np.stack([answer["mean"] for answer in answers]))
        native = context.restore(np.stack([_native(answer) for answer in answers]))
        return Forecast(mean=mean, quantiles=at_levels(native, _LEVELS, quantiles))

    def close(self) -> None:
        """Nothing was taken that would have to be released."""

    def _continue(self, series: NDArray[np.float64], horizon: int) -> dict[str, Any]:
        """Ask the library, which knows only series without gaps.

        Between measurements there is a straight line. Steps after the last one are forecast
        too, and cut off: repeating it would invent measurements.
        """
        known = np.flatnonzero(np.isfinite(series))
        whole = np.interp(np.arange(known[0], known[-1] + 1), known, series[known])
        lag = len(series) - 1 - int(known[-1])
        model = self.estimator(season_length=1)
        answer = model.forecast(whole, h=horizon + lag, level=list(_INTERVALS))
        return {name: np.asarray(path)[lag:] for name, path in answer.items()}


def _native(answer: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Put the ends of the intervals in order: ``[horizon, level]`` as ``_LEVELS`` has them."""
    low = [answer[f"lo-{percent}"] for percent in reversed(_INTERVALS)]
    high = [answer[f"hi-{percent}"] for percent in _INTERVALS]
    return np.stack([*low, answer["mean"], *high], axis=-1)


class AutoArima(_Statistical):
    """ARIMA with the orders of the lowest AICc (Hyndman and Khandakar, 2008)."""

    estimator = models.AutoARIMA


class AutoEts(_Statistical):
    """Exponential smoothing in the form of the lowest AICc (Hyndman et al., 2002)."""

    estimator = models.AutoETS


class Theta(_Statistical):
    """The theta method (Assimakopoulos and Nikolopoulos, 2000)."""

    estimator = models.Theta
