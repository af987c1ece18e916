"""How often intervals held what they promised."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from chronotick.lab.scoring.columns import (
    Codes,
    codes,
)
from chronotick.lab.scoring.parts import Key, keys_of, members_of

INTERVALS: Final = {
    0.2: ("q0.4", "q0.6"),
    0.4: ("q0.3", "q0.7"),
    0.6: ("q0.2", "q0.8"),
    0.8: ("q0.1", "q0.9"),
    0.95: ("q0.025", "q0.975"),
}
"""Quantiles of the central intervals, by nominal coverage."""
DECILES: Final = tuple(f"q{tenth / 10:.1f}" for tenth in range(1, 10))
_TENTHS: Final = 10
_TASK: Final = ["model", "trace", "horizon_s"]


class Calibration:
    """Where targets were among the quantiles, of rows that come in parts.

    Args:
        target: ``truth`` or ``measured``; rows without it, or without quantiles, do not count.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._counts: dict[Key, Codes] = {}  # of rows, of those in each interval, in each tenth

    def add(self, rows: pd.DataFrame) -> None:
        """Take note of some rows."""
        needed = [self._target, "q0.025", *DECILES, "q0.975"]
        known = rows[[*_TASK, *needed]].dropna(subset=needed)
        value = {name: known[name].to_numpy() for name in needed}
        y = value[self._target]
        held = [(value[low] <= y) & (y <= value[high]) for low, high in INTERVALS.values()]
        above = np.sum([y > value[name] for name in DECILES], axis=0)
        tenths = [above == tenth for tenth in range(_TENTHS)]
        flags = np.stack([np.ones(len(y), dtype=np.bool_), *held, *tenths], axis=1)
        task = codes(known, _TASK)
        for key, members in zip(keys_of(known, task, _TASK), members_of(task), strict=True):
            self._counts[key] = self._counts.get(key, 0) + flags[members].sum(axis=0)

    def coverage(self) -> pd.DataFrame:
        """Return actual coverage of central intervals, the mean over tasks.

        Returns:
            Index model, one column for each nominal coverage.
        """
        shares = self._mean_over_tasks().iloc[:, : len(INTERVALS)]
        return shares.set_axis(list(INTERVALS), axis=1)

    def deciles(self) -> pd.DataFrame:
        """Return the share of targets in each tenth of the forecast distributions, mean over tasks.

        Returns:
            Index model, columns 1 to 10; a target that equals a decile is below it.
        """
        shares = self._mean_over_tasks().iloc[:, len(INTERVALS) :]
        return shares.set_axis(range(1, 1 + _TENTHS), axis=1)

    def _mean_over_tasks(self) -> pd.DataFrame:
        counts = np.array(list(self._counts.values())).reshape(-1, 1 + len(INTERVALS) + _TENTHS)
        models = pd.Index([str(model) for model, _trace, _horizon_s in self._counts], name="model")
        shares = pd.DataFrame(counts[:, 1:] / counts[:, :1], index=models)
        return shares.groupby(level="model").mean()


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
