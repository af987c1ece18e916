"""Contexts for forecasting models: measurements only, evenly sampled, the trend removed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chronotick.clock.state import ClockState
from chronotick.ntp.measurement import Measurement

Sample = tuple[Measurement, float]
"""A measurement and its standard uncertainty in s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextWindow:
    """What models may know at an instant.

    Attributes:
        trend: the estimator's state at the end of the window; its tangent was subtracted.
        newest_raw_ns: RAW time of the newest measurement in it; the trend's without any.
        step_ns: sampling step.
        values: ``[length]`` residual in seconds, oldest first, NaN where a step holds no
            measurement. The last step ends at ``trend.raw_ns``.
        noise: ``[length]`` standard uncertainty of each value in seconds, NaN where it has none.
    """

    trend: ClockState
    newest_raw_ns: int
    step_ns: int
    values: NDArray[np.float64]
    noise: NDArray[np.float64]

    @property
    def measured(self) -> int:
        """How many steps hold a measurement."""
        return int(np.count_nonzero(~np.isnan(self.values)))


def context_window(
    samples: Iterable[Sample], trend: ClockState, step_ns: int, length: int
) -> ContextWindow:
    """Sample what measurements say beyond the trend.

    Several measurements in one step are averaged with weights 1/noise². Only
    :class:`Measurement` objects are taken: a forecast in a context would feed a model its own
    output, which is how an earlier prototype diverged by hundreds of seconds.

    Args:
        samples: measurements with their standard uncertainty in s, newest first: nothing is read
            beyond the first that is too old.
        trend: state at the end of the window.
        step_ns: sampling step.
        length: number of steps.

    Raises:
        TypeError: something else than a measurement was given.
    """
    newest_raw_ns = 0
    weight = np.zeros(length)
    weighted = np.zeros(length)
    for measurement, noise_s in samples:
        if not isinstance(measurement, Measurement):
            raise TypeError(f"a context is made of measurements, not of {type(measurement)}")
        age = (trend.raw_ns - measurement.raw_ns) // step_ns
        if age < 0:
            continue
        if age >= length:
            break
        newest_raw_ns = max(newest_raw_ns, measurement.raw_ns)
        residual = (measurement.offset_ns - trend.tangent_at(measurement.raw_ns)) * 1e-9
        w = 1.0 / noise_s**2
        weight[length - 1 - age] += w
        weighted[length - 1 - age] += w * residual
    empty = weight == 0
    weight[empty] = np.nan
    return ContextWindow(
        trend=trend,
        newest_raw_ns=newest_raw_ns or trend.raw_ns,
        step_ns=step_ns,
        values=weighted / weight,
        noise=1.0 / np.sqrt(weight),
    )
