"""Between a window of the clock and a model's batch, and back to a path of the clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chronotick.clock.context import ContextWindow
from chronotick.clock.state import ClockState
from chronotick.plugin.anchoring import REACH
from chronotick.plugin.contract import ContextBatch, Forecast

LEVELS = (0.1, 0.5, 0.9)  # every quantile model in the zoo was trained on these
_NORMAL_80 = 2.5631  # width of the normal distribution's central 80 % in standard deviations


@dataclass(frozen=True, slots=True, kw_only=True)
class PathForecast:
    """One model's forecast of the clock: a path of offsets on the RAW axis.

    Attributes:
        model: name of the model.
        predictor: ``"short_term"`` or ``"long_term"``.
        trend: state it was issued from; the path is its tangent plus ``residual``.
        known_raw_ns: RAW time of the newest measurement it knew. Horizons count from here: a
            forecast issued anew without a new measurement knows nothing new.
        step_ns: time between the points of the path.
        residual: ``[1 + horizon]`` seconds beyond the tangent; the first is at issue.
        claimed_sigma: ``[1 + horizon]`` the model's own standard uncertainty in seconds, NaN from
            point models. It is recorded and compared; fusion trusts measured errors only.
        latency_s: how long the model took.
    """

    model: str
    predictor: str
    trend: ClockState
    known_raw_ns: int
    step_ns: int
    residual: NDArray[np.float64]
    claimed_sigma: NDArray[np.float64]
    latency_s: float

    @property
    def issued_raw_ns(self) -> int:
        """RAW time of issue."""
        return self.trend.raw_ns

    @property
    def reach_ns(self) -> int:
        """How far after its issue the path goes."""
        return (len(self.residual) - 1) * self.step_ns

    def horizon_s(self, raw_ns: int) -> float:
        """How far an instant lies beyond what the forecast knew, in s."""
        return (raw_ns - self.known_raw_ns) * 1e-9

    def covers(self, raw_ns: int) -> bool:
        """Whether the path reaches that instant."""
        return 0 <= raw_ns - self.issued_raw_ns <= self.reach_ns

    def offset_at(self, raw_ns: int) -> int:
        """UTC - RAW in ns on the path, linear between its points."""
        return self.trend.tangent_at(raw_ns) + round(self._at(self.residual, raw_ns) * 1e9)

    def claimed_sigma_at(self, raw_ns: int) -> float:
        """Return the model's own standard uncertainty in s; NaN where it gives none."""
        return self._at(self.claimed_sigma, raw_ns)

    def _at(self, values: NDArray[np.float64], raw_ns: int) -> float:
        place, last = (raw_ns - self.issued_raw_ns) / self.step_ns, len(values) - 1
        if place <= 0 or place >= last:
            return float(values[0 if place <= 0 else last])
        index = int(place)
        before, after = float(values[index]), float(values[index + 1])
        return before + (after - before) * (place - index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation(PathForecast):
    """What the estimator itself expects: its state carried on, curved where it knows of a curve.

    It is evaluated exactly where it is asked for; ``residual`` and ``claimed_sigma`` stand for its
    reach only.

    Attributes:
        trend: state at the newest measurement: nothing is known since.
        at_raw_ns: RAW time of issue.
    """

    at_raw_ns: int

    @property
    def issued_raw_ns(self) -> int:
        """RAW time of issue."""
        return self.at_raw_ns

    def offset_at(self, raw_ns: int) -> int:
        """UTC - RAW in ns, as the estimator expected it when this was issued."""
        return self.trend.offset_at(raw_ns)

    def claimed_sigma_at(self, raw_ns: int) -> float:
        """Return the estimator's standard uncertainty in s."""
        return self.trend.sigma_at(raw_ns)


def as_batch(
    window: ContextWindow,
    max_context: int,
    covariates: Mapping[str, NDArray[np.float64]] | None = None,
) -> ContextBatch:
    """Return the newest ``max_context`` samples of a window as a batch of one series.

    Args:
        window: the context.
        max_context: of the model.
        covariates: name to values, sampled as the window is.
    """
    trend = window.trend
    expected, sigma = expected_beyond(window)
    return ContextBatch(
        values=window.values[-max_context:][np.newaxis],
        noise=window.noise[-max_context:][np.newaxis],
        step_s=window.step_ns * 1e-9,
        trend_covariance=np.array(
            [[trend.var_offset, trend.cov, trend.var_frequency, trend.wander_psd]]
        ),
        expected=expected[np.newaxis],
        expected_sigma=sigma[np.newaxis],
        covariates={
            name: values[-max_context:][np.newaxis] for name, values in (covariates or {}).items()
        },
    )


def expected_beyond(window: ContextWindow) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What the estimator expects beyond the tangent after a window, and its standard uncertainty.

    Returns:
        :data:`REACH` steps of the window each, in s.
    """
    trend = window.trend
    expected, variances = trend.path(trend.raw_ns + window.step_ns * np.arange(1, REACH + 1))
    return expected, np.sqrt(variances)


def as_path(
    model: str, predictor: str, window: ContextWindow, forecast: Forecast, latency_s: float
) -> PathForecast:
    """Put a model's answer back on the trend of the window it was given.

    Raises:
        ValueError: the answer is not finite.
    """
    mean = np.asarray(forecast.mean[0], dtype=float)
    if not np.isfinite(mean).all():
        raise ValueError(f"{model} forecast values that are not finite")
    return PathForecast(
        model=model,
        predictor=predictor,
        trend=window.trend,
        known_raw_ns=window.newest_raw_ns,
        step_ns=window.step_ns,
        residual=np.concatenate([[_at_issue(mean)], mean]),
        claimed_sigma=np.concatenate([[np.sqrt(window.trend.var_offset)], _sigma(forecast)]),
        latency_s=latency_s,
    )


def _at_issue(mean: NDArray[np.float64]) -> float:
    """Residual at the instant of issue, one step before the first that a model forecasts.

    The line through its first two steps, not the trend: a path that began on the trend would lead
    from there to the model within a step, and back with each forecast anew.
    """
    first, second = mean[0], mean[min(1, len(mean) - 1)]
    return float(2.0 * first - second)


def _sigma(forecast: Forecast) -> NDArray[np.float64]:
    """Standard deviation of the normal distribution with the same central 80 %."""
    if forecast.quantiles is None:
        return np.full(forecast.mean.shape[1], np.nan)
    quantiles = np.asarray(forecast.quantiles[0], dtype=float)
    width: NDArray[np.float64] = (quantiles[:, -1] - quantiles[:, 0]) / _NORMAL_80
    return width
