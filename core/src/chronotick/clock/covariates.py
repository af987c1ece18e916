"""What else was seen beside the clock: readings by name, sampled evenly for a context."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray


class Covariates:
    """Keeps readings of the host for as long as contexts reach back.

    Args:
        keep: how many readings of each name; memory for all is taken with the first.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._rings: dict[str, _Ring] = {}

    def record(self, raw_ns: int, values: Mapping[str, float]) -> None:
        """Remember what was read at an instant; each name in a unit of its own."""
        for name, value in values.items():
            if name not in self._rings:
                self._rings[name] = _Ring(self._keep)
            self._rings[name].append(raw_ns, value)

    @property
    def names(self) -> tuple[str, ...]:
        """What has been read at least once."""
        return tuple(sorted(self._rings))

    def sampled(
        self, names: Iterable[str], end_raw_ns: int, step_ns: int, length: int
    ) -> dict[str, NDArray[np.float64]]:
        """Average readings over the steps of a context (:meth:`chronotick.clock.Samples.window`).

        Args:
            names: those wanted, or ``"*"`` for all; unknown ones are left out.
            end_raw_ns: RAW time at which the last step ends.
            step_ns: sampling step.
            length: number of steps.

        Returns:
            Name to ``[length]``, oldest first, NaN where a step holds no reading.
        """
        wanted = set(names)
        return {
            name: self._rings[name].sampled(end_raw_ns, step_ns, length)
            for name in self.names
            if name in wanted or "*" in wanted
        }


class _Ring:
    """The newest readings of one name."""

    def __init__(self, keep: int) -> None:
        self._raw_ns = np.full(keep, np.iinfo(np.int64).max)  # the future: not read yet
        self._values = np.zeros(keep)
        self._next = 0

    def append(self, raw_ns: int, value: float) -> None:
        self._raw_ns[self._next] = raw_ns
        self._values[self._next] = value
        self._next = (self._next + 1) % len(self._values)

    def sampled(self, end_raw_ns: int, step_ns: int, length: int) -> NDArray[np.float64]:
        past = self._raw_ns <= end_raw_ns
        ages = (end_raw_ns - self._raw_ns[past]) // step_ns
        inside = ages < length
        steps = length - 1 - ages[inside]
        total = np.bincount(steps, weights=self._values[past][inside], minlength=length)
        count = np.bincount(steps, minlength=length).astype(float)
        count[count == 0] = np.nan
        mean: NDArray[np.float64] = total / count
        return mean
