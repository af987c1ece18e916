"""Series without gaps, for models that read whatever stands where nothing was measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbroken:
    """Series of equal length that end equally long before the end of the context.

    Attributes:
        rows: ``[series]`` their places in the batch.
        values: ``[series, length]``, each ending with its last measurement; zeros before its first.
        mask: same shape, true where something was measured.
        lag: steps from their last measurement to the end of the context, at least 0.
    """

    rows: NDArray[np.intp]
    values: NDArray[np.float64]
    mask: NDArray[np.bool_]
    lag: int


def unbroken(values: NDArray[np.float64], patch: int = 1) -> Iterator[Unbroken]:
    """Close the gaps of a batch, and group its series so that none changes another's forecast.

    - Between two measurements: a straight line.
    - Before the first one: zeros up to a whole patch, and no more.
    - After the last one: left to the model, which has to forecast that many steps more. A value
      held there would be a measurement nobody made.

    Args:
        values: ``[series, length]`` standardised, NaN where there is no measurement; at least one
            measurement per series.
        patch: steps a model reads at a time; series become a multiple of it.
    """
    measured = np.isfinite(values)
    length = values.shape[1]
    first = measured.argmax(axis=1)
    last = length - 1 - measured[:, ::-1].argmax(axis=1)
    patches = -(-(last - first + 1) // patch)
    for end, count in sorted(set(zip(last.tolist(), patches.tolist(), strict=True))):
        rows = np.flatnonzero((last == end) & (patches == count))
        steps = np.arange(end + 1 - count * patch, end + 1)
        yield Unbroken(
            rows=rows,
            values=np.stack([_line(values[row], steps) for row in rows]),
            mask=np.stack([np.isin(steps, np.flatnonzero(measured[row])) for row in rows]),
            lag=length - 1 - end,
        )


def _line(series: NDArray[np.float64], steps: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the series at some steps, which may reach back beyond its first."""
    known = np.flatnonzero(np.isfinite(series))
    return np.interp(steps, known, series[known], left=0.0)
