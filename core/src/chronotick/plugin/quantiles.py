"""From the quantiles a model was trained on to the ones it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chronotick.plugin.contract import Forecast

_MEDIAN: Final = 0.5


def median_and_quantiles(
    read: Callable[[Sequence[float]], NDArray[np.float64]], levels: Sequence[float]
) -> Forecast:
    """Make a forecast whose centre is the median.

    Args:
        read: returns the quantiles ``[series, horizon, level]`` at the levels it is given, in
            seconds.
        levels: the levels wanted.
    """
    wanted = read([_MEDIAN, *levels])
    return Forecast(mean=wanted[:, :, 0], quantiles=wanted[:, :, 1:])


def at_levels(
    native: NDArray[np.float64], native_levels: Sequence[float], levels: Sequence[float]
) -> NDArray[np.float64]:
    """Read quantiles at other levels than those a model gives.

    Between two native levels the quantile is linear in the level. Beyond the outermost ones the
    tail is that of a normal distribution through the median and the outermost quantile: clamping
    there, as some libraries do, would call an 80 % interval a 99 % one.

    Args:
        native: ``[..., level]`` in any unit; crossing quantiles are sorted first.
        native_levels: ascending, strictly between 0 and 1, with 0.5 inside their range.
        levels: the levels wanted, strictly between 0 and 1.

    Returns:
        ``[..., len(levels)]``; a higher level never has a lower value.

    Raises:
        ValueError: levels out of range, or native levels that do not straddle the median.
    """
    known = np.asarray(native_levels, dtype=np.float64)
    _check_levels(known, levels)
    rows = np.sort(native, axis=-1).reshape(-1, known.size)
    median = _interpolate(rows, known, _MEDIAN)
    order = np.argsort(levels)
    columns = [_one_level(rows, known, median, levels[index]) for index in order]
    # Rounding may put an interpolated value an ulp above the next one.
    ascending = np.maximum.accumulate(np.stack(columns, axis=-1), axis=-1)
    return ascending[:, np.argsort(order)].reshape(*native.shape[:-1], len(levels))


def _check_levels(known: NDArray[np.float64], levels: Sequence[float]) -> None:
    ascending = np.all(np.diff(known) > 0)
    if not (ascending and 0 < known[0] <= _MEDIAN <= known[-1] < 1):
        raise ValueError(f"native levels must ascend around 0.5 within (0, 1), not {known}")
    wrong = [level for level in levels if not 0 < level < 1]
    if wrong:
        raise ValueError(f"quantile levels lie strictly between 0 and 1, not {wrong}")


def _one_level(
    rows: NDArray[np.float64],
    known: NDArray[np.float64],
    median: NDArray[np.float64],
    level: float,
) -> NDArray[np.float64]:
    if known[0] <= level <= known[-1]:
        return _interpolate(rows, known, level)
    edge = 0 if level < known[0] else -1
    reach = _z(float(known[edge]))
    if reach == 0.0:  # the median is all the model knows: no tail to extend
        return median
    tail: NDArray[np.float64] = median + (rows[:, edge] - median) * (_z(level) / reach)
    return tail


def _interpolate(
    rows: NDArray[np.float64], known: NDArray[np.float64], level: float
) -> NDArray[np.float64]:
    right = int(np.searchsorted(known, level))
    if known[right] == level:
        exact: NDArray[np.float64] = rows[:, right]
        return exact
    share = (level - known[right - 1]) / (known[right] - known[right - 1])
    between: NDArray[np.float64] = rows[:, right - 1] * (1 - share) + rows[:, right] * share
    return between


def _z(level: float) -> float:
    return NormalDist().inv_cdf(level)
