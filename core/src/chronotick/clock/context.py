"""Contexts for forecasting models: measurements only, evenly sampled, the trend removed.

What is believed to be wrong with each measurement (its route's bias, its queue) is taken off: a
server a few milliseconds off would otherwise be a saw-tooth in the context of every model.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chronotick.clock.state import ClockState
from chronotick.ntp.measurement import Measurement

NS_PER_S = 1e9


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


class Samples:
    """Measurements that contexts are made of, oldest first.

    Only :class:`Measurement` objects are taken: a forecast in a context would feed a model its own
    output, which is how an earlier prototype diverged by hundreds of seconds.

    Args:
        capacity: how many are kept; the oldest give way.
    """

    def __init__(self, capacity: int) -> None:
        self._measurements: deque[Measurement] = deque(maxlen=capacity)
        # Twice the room: the newest half moves to the front when the end is reached.
        self._raw_ns, self._offset_ns = np.zeros((2, 2 * capacity), dtype=np.int64)
        self._noise_s, self._error_s = np.zeros((2, 2 * capacity))
        self._end = 0

    def __len__(self) -> int:
        return len(self._measurements)

    def __iter__(self) -> Iterator[Measurement]:
        return iter(self._measurements)

    def add(self, measurement: Measurement, noise_s: float, error_s: float) -> None:
        """Take a measurement.

        Args:
            measurement: not much older than the one before.
            noise_s: its standard uncertainty.
            error_s: what is believed to be wrong with it.

        Raises:
            TypeError: it is something else.
        """
        if not isinstance(measurement, Measurement):
            raise TypeError(f"a context is made of measurements, not of {type(measurement)}")
        if self._end == len(self._raw_ns):
            self._make_room()
        self._measurements.append(measurement)
        self._raw_ns[self._end], self._offset_ns[self._end] = (
            measurement.raw_ns,
            measurement.offset_ns,
        )
        self._noise_s[self._end], self._error_s[self._end] = noise_s, error_s
        self._end += 1

    def drop(self, sources: Collection[str]) -> None:
        """Forget the measurements of some sources."""
        remaining = [m for m in self._measurements if m.source not in sources]
        chosen = np.array([m.source not in sources for m in self._measurements], dtype=bool)
        for array in self._arrays:
            array[: len(remaining)] = array[self._kept][chosen]
        self._end = len(remaining)
        self._measurements = deque(remaining, maxlen=self._measurements.maxlen)

    def clear(self) -> None:
        """Forget all."""
        self._measurements.clear()
        self._end = 0

    def window(self, trend: ClockState, step_ns: int, length: int) -> ContextWindow:
        """Sample what measurements say beyond the trend.

        Several measurements in one step are averaged with weights 1/noise².

        Args:
            trend: state at the end of the window.
            step_ns: sampling step.
            length: number of steps.
        """
        kept = self._kept
        since_ns = self._raw_ns[kept] - trend.raw_ns
        age = -since_ns // step_ns
        seen = (age >= 0) & (age < length)
        since_ns, place = since_ns[seen], length - 1 - age[seen]
        beyond_s = (self._offset_ns[kept][seen] - trend.offset_ns) / NS_PER_S
        beyond_s -= trend.frequency * since_ns / NS_PER_S + self._error_s[kept][seen]
        precision = self._noise_s[kept][seen] ** -2.0
        weight = np.bincount(place, precision, minlength=length).astype(float)  # of nothing: int
        weight[weight == 0] = np.nan
        return ContextWindow(
            trend=trend,
            newest_raw_ns=trend.raw_ns + (int(since_ns.max()) if since_ns.size else 0),
            step_ns=step_ns,
            values=np.bincount(place, precision * beyond_s, minlength=length) / weight,
            noise=1.0 / np.sqrt(weight),
        )

    @property
    def _arrays(self) -> tuple[NDArray[np.int64] | NDArray[np.float64], ...]:
        return self._raw_ns, self._offset_ns, self._noise_s, self._error_s

    @property
    def _kept(self) -> slice:
        return slice(self._end - len(self._measurements), self._end)

    def _make_room(self) -> None:
        for array in self._arrays:
            array[: len(self)] = array[self._kept]
        self._end = len(self)
