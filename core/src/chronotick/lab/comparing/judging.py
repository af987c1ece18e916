"""What windows are judged by, and what of a context errors are measured in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chronotick.lab.comparing.grids import NS_PER_S, Grid
from chronotick.lab.comparing.observing import Learnt
from chronotick.lab.recordings.recording import Recording

FEWEST_DIFFERENCES = 8  # of a context that the scale of errors is the mean of

Vector = NDArray[np.float64]


class Judge:
    """What was measured around any instant, what was believed to be wrong with it taken off.

    Args:
        learnt: what the estimator learnt from.
        recording: where that is from.
    """

    def __init__(self, learnt: Sequence[Learnt], recording: Recording) -> None:
        ordered = sorted(learnt)
        local_ns = (recording.local_ns(raw) for raw, *_ in ordered)
        self._local_ns = np.fromiter(local_ns, dtype=np.int64)
        self._offset_s = np.array(
            [(offset + recording.shift_ns) / NS_PER_S - error for _, offset, _, error in ordered]
        )
        self._weight = np.array([noise**-2.0 for _, _, noise, _ in ordered])

    def measured(self, targets_ns: NDArray[np.int64], step_ns: int, frequency: Vector) -> Vector:
        """Mean of the step that ends at each target, along the window's trend; NaN without any.

        Args:
            targets_ns: local times.
            step_ns: how much before each of them counts.
            frequency: of the trend of each window.
        """
        begin = np.searchsorted(self._local_ns, targets_ns - step_ns, side="right")
        end = np.searchsorted(self._local_ns, targets_ns, side="right")
        found = np.full(len(targets_ns), np.nan)
        for number in np.flatnonzero(end > begin):
            chosen = slice(begin[number], end[number])
            early_s = (targets_ns[number] - self._local_ns[chosen]) / NS_PER_S
            then = self._offset_s[chosen] + frequency[number] * early_s
            found[number] = np.average(then, weights=self._weight[chosen])
        return found


def last_value(values: Vector, offset_s: float, frequency: float, grid: Grid) -> float:
    """The newest value of a context, as it was measured: with the trend."""
    known = np.flatnonzero(~np.isnan(values))
    if not known.size:
        return float("nan")
    age_s = (len(values) - 1 - int(known[-1])) * grid.step_ns / NS_PER_S
    return float(values[known[-1]]) + offset_s - frequency * age_s


def naive_scale(values: Vector, lag: int) -> float:
    """Mean error of a naive drift over a horizon, in the context: |y(t) - 2 y(t-h) + y(t-2h)|.

    The trend that was taken off cancels.
    """
    if 2 * lag >= len(values):
        return float("nan")
    errors = np.abs(values[2 * lag :] - 2 * values[lag:-lag] + values[: -2 * lag])
    known = errors[~np.isnan(errors)]
    return float(known.mean()) if known.size >= FEWEST_DIFFERENCES else float("nan")
