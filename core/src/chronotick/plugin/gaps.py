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
    for end, rows in by_end(values):
        measured = np.isfinite(values[rows, : end + 1])
        patches = -(-(end + 1 - measured.argmax(axis=1)) // patch)
        for count in sorted(set(patches.tolist())):
            alike = rows[patches == count]
            steps = np.arange(end + 1 - count * patch, end + 1)
            yield Unbroken(
                rows=alike,
                values=np.stack([_line(values[row], steps) for row in alike]),
                mask=np.stack(
                    [np.isin(steps, np.flatnonzero(np.isfinite(values[row]))) for row in alike]
                ),
                lag=values.shape[1] - 1 - end,
            )


def by_end(values: NDArray[np.float64]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Group series ``[series, length]`` by the step of their last measurement; each has one."""
    last = values.shape[1] - 1 - np.isfinite(values)[:, ::-1].argmax(axis=1)
    for end in sorted(set(last.tolist())):
        yield end, np.flatnonzero(last == end)


def steps_after(rows: NDArray[np.intp], lag: int, horizon: int, most: int) -> int:
    """Return how many steps after their last measurement have to be forecast of some series.

    Args:
        rows: their places in the batch.
        lag: steps from their last measurement to the end of the context.
        horizon: steps wanted after that end.
        most: steps the model can forecast.

    Raises:
        ValueError: it cannot forecast as many.
    """
    if lag + horizon > most:
        raise ValueError(
            f"series {rows.tolist()} end {lag} steps before their context does: with {horizon} "
            f"more {lag + horizon} have to be forecast, and at most {most} can be"
        )
    return lag + horizon


def lines(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Close the gaps of series ``[series, length]`` that nothing forecasts, e.g. covariates.

    Straight lines between measurements, zeros before the first one, the last one held; zeros where
    there is none at all.
    """
    steps = np.arange(values.shape[1])
    closed = np.zeros(values.shape)
    for row in np.flatnonzero(np.isfinite(values).any(axis=1)):
        closed[row] = _line(values[row], steps)
    return closed


def _line(series: NDArray[np.float64], steps: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the series at some steps, which may reach back beyond its first."""
    known = np.flatnonzero(np.isfinite(series))
    return np.interp(steps, known, series[known], left=0.0)
