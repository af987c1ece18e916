"""What else was seen beside the clock: readings by name, sampled evenly for a context."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

Reading = tuple[int, float]
"""RAW time in ns and value."""


class Covariates:
    """Keeps readings of the host for as long as contexts reach back.

    Args:
        keep: how many readings of each name.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._readings: dict[str, deque[Reading]] = {}

    def record(self, raw_ns: int, values: Mapping[str, float]) -> None:
        """Remember what was read at an instant; each name in a unit of its own."""
        for name, value in values.items():
            kept = self._readings.setdefault(name, deque(maxlen=self._keep))
            kept.append((raw_ns, value))

    @property
    def names(self) -> tuple[str, ...]:
        """What has been read at least once."""
        return tuple(sorted(self._readings))

    def sampled(
        self, names: Iterable[str], end_raw_ns: int, step_ns: int, length: int
    ) -> dict[str, NDArray[np.float64]]:
        """Average readings over the steps of a context; see :func:`context_window`.

        Args:
            names: those wanted; unknown ones are left out.
            end_raw_ns: RAW time at which the last step ends.
            step_ns: sampling step.
            length: number of steps.

        Returns:
            Name to ``[length]``, oldest first, NaN where a step holds no reading.
        """
        return {
            name: _sample(self._readings[name], end_raw_ns, step_ns, length)
            for name in names
            if name in self._readings
        }


def _sample(
    readings: Iterable[Reading], end_raw_ns: int, step_ns: int, length: int
) -> NDArray[np.float64]:
    times, values = (np.array(column) for column in zip(*readings, strict=True))
    ages = (end_raw_ns - times) // step_ns
    inside = (ages >= 0) & (ages < length)
    steps = length - 1 - ages[inside]
    total = np.bincount(steps, weights=values[inside], minlength=length)
    count = np.bincount(steps, minlength=length).astype(float)
    count[count == 0] = np.nan
    mean: NDArray[np.float64] = total / count
    return mean
