"""How often intervals held what they promised."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

INTERVALS: Final = {
    0.2: ("q0.4", "q0.6"),
    0.4: ("q0.3", "q0.7"),
    0.6: ("q0.2", "q0.8"),
    0.8: ("q0.1", "q0.9"),
    0.95: ("q0.025", "q0.975"),
}
"""Quantiles of the central intervals, by nominal coverage."""
DECILES: Final = tuple(f"q{tenth / 10:.1f}" for tenth in range(1, 10))
_TASK: Final = ["model", "trace", "horizon_s"]


def coverage(rows: pd.DataFrame, target: str) -> pd.DataFrame:
    """Return actual coverage of central intervals, the mean over tasks.

    Args:
        rows: rows of a comparison; those without quantiles or target do not count.
        target: ``truth`` or ``measured``.

    Returns:
        Index model, one column for each nominal coverage.
    """
    known = _known(rows, target)
    held = pd.DataFrame(
        {
            level: known[target].between(known[low], known[high]).astype(float)
            for level, (low, high) in INTERVALS.items()
        },
        index=known.index,
    )
    return _mean_over_tasks(known, held)


def deciles(rows: pd.DataFrame, target: str) -> pd.DataFrame:
    """Return the share of targets in each tenth of the forecast distributions, mean over tasks.

    Returns:
        Index model, columns 1 to 10; a target that equals a decile is below it.
    """
    known = _known(rows, target)
    value = known[target].to_numpy()
    above = sum((value > known[name].to_numpy()).astype(int) for name in DECILES)
    shares = {tenth + 1: (above == tenth).astype(float) for tenth in range(len(DECILES) + 1)}
    return _mean_over_tasks(known, pd.DataFrame(shares, index=known.index))


def coverage_by_horizon(scores: pd.DataFrame) -> pd.DataFrame:
    """Return coverage of 95 % intervals, the mean over traces.

    Returns:
        Index model, columns horizons in s.
    """
    found = scores.pivot_table(
        index="model", columns="horizon_s", values="coverage_95", aggfunc="mean"
    )
    return found.dropna(how="all")


def widths(scores: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Return coverage and width of 95 % intervals.

    Returns:
        Index model; ``coverage``: mean over tasks; ``width``: median over tasks of the ratio to the
        baseline's mean width.
    """
    task = scores[[*_TASK, "coverage_95", "width_95"]]
    theirs = task[task["model"] == baseline][["trace", "horizon_s", "width_95"]]
    both = task.merge(theirs, on=["trace", "horizon_s"], suffixes=("", "_baseline"))
    both["width"] = both["width_95"] / both["width_95_baseline"].replace(0.0, np.nan)
    grouped = both.groupby("model")
    return pd.DataFrame(
        {"coverage": grouped["coverage_95"].mean(), "width": grouped["width"].median()}
    )


def _known(rows: pd.DataFrame, target: str) -> pd.DataFrame:
    """Rows with a target and all quantiles."""
    needed = [target, "q0.025", *DECILES, "q0.975"]
    return rows[[*_TASK, *needed]].dropna(subset=needed)


def _mean_over_tasks(rows: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    by_task = values.groupby([rows[name] for name in _TASK], observed=True).mean()
    return by_task.groupby(level="model", observed=True).mean()
