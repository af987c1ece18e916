"""What to do about steps without a measurement: Time-MoE knows only series without gaps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbroken:
    """Series that end equally long before the end of the context, without gaps.

    Attributes:
        rows: ``[series]`` their places in the batch.
        values: ``[series, length]``, each ending with its last measurement; zeros before its first.
        mask: ``[series, length]``, false before a series' first measurement.
        lag: steps from their last measurement to the end of the context, at least 0.
    """

    rows: NDArray[np.intp]
    values: NDArray[np.float64]
    mask: NDArray[np.bool_]
    lag: int


def unbroken(values: NDArray[np.float64]) -> Iterator[Unbroken]:
    """Close the gaps of a batch, and group its series by how long ago they end.

    - Between two measurements: a straight line. Masking such steps would delete them, for the
      library counts a position only where there is a value, and time would shrink.
    - Before the first measurement: left out, by the mask that the model's authors describe for
      padding (github.com/Time-MoE/Time-MoE, issue 4).
    - After the last one: left to the model, which has to forecast that many steps more. A value
      held there would be a measurement nobody made.

    Groups, because how many steps are asked for decides which of the model's output heads answer:
    in one group a series' forecast would depend on the series beside it.

    Args:
        values: ``[series, length]``, NaN where there is no measurement; at least one per series.
    """
    measured = np.isfinite(values)
    length = values.shape[1]
    first = measured.argmax(axis=1)
    last = length - 1 - measured[:, ::-1].argmax(axis=1)
    filled = _interpolate(values, measured)
    for end in np.unique(last):
        rows = np.flatnonzero(last == end)
        start = int(first[rows].min())
        mask = np.arange(start, end + 1) >= first[rows, np.newaxis]
        yield Unbroken(
            rows=rows,
            values=np.where(mask, filled[rows, start : end + 1], 0.0),
            mask=mask,
            lag=length - 1 - int(end),
        )


def _interpolate(values: NDArray[np.float64], measured: NDArray[np.bool_]) -> NDArray[np.float64]:
    step = np.arange(values.shape[1])
    series = zip(values, measured, strict=True)
    return np.stack([np.interp(step, step[known], row[known]) for row, known in series])
