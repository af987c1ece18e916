"""Is a model's answer one? The same checks in the worker, in the daemon and for authors."""

from __future__ import annotations

import numpy as np

from chronotick.plugin.contract import Forecast


class InvalidForecast(ValueError):  # noqa: N818 - says what the value is
    """Raised when a model's answer has the wrong shape or type, or values no forecast can have."""


def check_forecast(forecast: object, series: int, horizon: int, levels: int) -> Forecast:
    """Return ``forecast`` when it answers a question of this size.

    Args:
        forecast: what a model returned.
        series: number of series asked about.
        horizon: steps asked for.
        levels: quantile levels asked for.

    Raises:
        InvalidForecast: not a forecast, arrays that are not float64, wrong shapes, values that
            are not finite, or quantiles that decrease.
    """
    if not isinstance(forecast, Forecast):
        raise InvalidForecast(f"a model must return a Forecast, not {type(forecast).__name__}")
    _check_array("mean", forecast.mean, (series, horizon))
    if forecast.quantiles is not None:
        _check_array("quantiles", forecast.quantiles, (series, horizon, levels))
        if not (forecast.quantiles[..., 1:] >= forecast.quantiles[..., :-1]).all():
            raise InvalidForecast("quantiles must not decrease along the last axis: sort them")
    return forecast


def _check_array(name: str, array: object, shape: tuple[int, ...]) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != np.float64:
        found = getattr(array, "dtype", type(array).__name__)
        raise InvalidForecast(f"{name} must be a float64 array, not {found}")
    if array.shape != shape:
        raise InvalidForecast(f"{name} has shape {array.shape}, asked for was {shape}")
    if not np.isfinite(array).all():
        bad = int(array.size - np.count_nonzero(np.isfinite(array)))
        raise InvalidForecast(f"{name} holds {bad} of {array.size} values that are not finite")
