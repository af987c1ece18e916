"""Which windows can be compared."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

import numpy as np
import pandas as pd

from chronotick.lab.scoring.columns import (
    DECILE_COLUMNS,
    QUANTILE_COLUMNS,
    SERIES,
    TAILS,
    TASK,
    Codes,
    Flags,
    Floats,
    check_columns,
    codes,
    floats,
    has_forecast,
    quantiles,
)
from chronotick.lab.scoring.parts import Key, Series, keys_of, members_of

COLUMNS: Final = (*SERIES, "origin_s", "forecast", "status", *QUANTILE_COLUMNS)
PARTS: Final = (DECILE_COLUMNS, TAILS)
"""Of quantiles: a model may have the one and not the other."""


def common_windows(rows: pd.DataFrame) -> pd.DataFrame:
    """Leave the windows in which every model has what it has elsewhere on that task.

    A model that failed in some windows of a task, or has quantiles in some only, would otherwise be
    judged by other windows than the rest. A model that never has a forecast (or never quantiles) in
    a task takes no window from the others.

    Args:
        rows: one per window, model and horizon.

    Returns:
        Those of the windows in common; possibly none.

    Raises:
        ScoringError: there are no rows, columns are missing, or a window is there twice.
    """
    common = Common()
    common.add(rows)
    return common.of(rows)


class Common:
    """:func:`common_windows` of rows that come in parts, which are gone through twice.

    First all of them are added; then each is asked for what is left of it. The rows of a model on a
    task must follow each other, by origin from part to part.
    """

    def __init__(self) -> None:
        self._series = Series()
        self._ever: dict[Key, Flags] = {}
        self._tasks: dict[Key, _Windows] = defaultdict(_Windows)
        self._incomplete: dict[Key, Floats] | None = None

    def add(self, rows: pd.DataFrame) -> None:
        """See what some rows have.

        Raises:
            ScoringError: there are none, columns are missing, or a window is there twice.
        """
        check_columns(rows, COLUMNS, "rows")
        forecast, origin_s = has_forecast(rows), floats(rows, "origin_s")
        has = np.empty((len(rows), 1 + len(PARTS)), dtype=np.bool_)
        has[:, 0] = forecast
        for place, names in enumerate(PARTS, start=1):
            has[:, place] = forecast & np.isfinite(quantiles(rows, names)).all(axis=1)
        for key, members in self._series.follow(rows):
            self._ever[key] = self._ever.get(key, np.False_) | has[members].any(axis=0)
            self._tasks[_task_of(key)].add(origin_s[members], has[members])

    @property
    def has_all(self) -> bool:
        """Whether nothing is left out: every model has everything in every window."""
        return not self._left_out()

    def of(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of windows in common; the rows themselves if these are all."""
        left_out = self._left_out()
        keep = np.ones(len(rows), dtype=np.bool_)
        if left_out:
            task, origin_s = codes(rows, TASK), floats(rows, "origin_s")
            for key, members in zip(keys_of(rows, task, TASK), members_of(task), strict=True):
                if key in left_out:
                    keep[members] = ~np.isin(origin_s[members], left_out[key])
        return rows if keep.all() else rows[keep]

    def _left_out(self) -> dict[Key, Floats]:
        """Origins of each task in which one of the models lacks what it has elsewhere."""
        if self._incomplete is None:
            expected: dict[Key, Codes] = {}
            for key, ever in self._ever.items():
                task = _task_of(key)
                expected[task] = expected.get(task, 0) + ever.astype(np.int64)
            found = {key: each.without(expected[key]) for key, each in self._tasks.items()}
            self._incomplete = {key: each for key, each in found.items() if len(each)}
            self._tasks.clear()
        return self._incomplete


class _Windows:
    """How many models have what in the windows of a task."""

    def __init__(self) -> None:
        self._origin_s: Floats = np.empty(0)
        self._found = np.empty((0, 1 + len(PARTS)), dtype=np.int32)

    def add(self, origin_s: Floats, has: Flags) -> None:
        every = np.union1d(self._origin_s, origin_s)
        if len(every) > len(self._origin_s):
            found = np.zeros((len(every), self._found.shape[1]), dtype=np.int32)
            found[np.searchsorted(every, self._origin_s)] = self._found
            self._origin_s, self._found = every, found
        self._found[np.searchsorted(self._origin_s, origin_s)] += has

    def without(self, expected: Codes) -> Floats:
        """Origins of those that lack something."""
        return np.asarray(self._origin_s[(self._found != expected).any(axis=1)])


def _task_of(series: Key) -> Key:
    return series[SERIES.index(TASK[0]) :]
