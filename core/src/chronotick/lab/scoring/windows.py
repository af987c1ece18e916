"""Which windows can be compared."""

from __future__ import annotations

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
    check_columns,
    check_once,
    codes,
    has_forecast,
    quantiles,
)

COLUMNS: Final = (*SERIES, "origin_s", "forecast", "status", *QUANTILE_COLUMNS)


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
    check_columns(rows, COLUMNS, "rows")
    series, task, window = (codes(rows, keys) for keys in (SERIES, TASK, (*TASK, "origin_s")))
    check_once(rows, series)
    forecast = has_forecast(rows)
    parts = [forecast] + [
        forecast & np.isfinite(quantiles(rows, names)).all(axis=1)
        for names in (DECILE_COLUMNS, TAILS)
    ]
    keep = np.ones(len(rows), dtype=np.bool_)
    for has in parts:
        keep &= _complete(has, series, task, window)
    return rows[keep]


def _complete(has: Flags, series: Codes, task: Codes, window: Codes) -> Flags:
    """Whether all series of the task that ever have it, have it in a row's window."""
    ever = np.bincount(series, weights=has) > 0
    _, first = np.unique(series, return_index=True)
    expected = np.bincount(task[first], weights=ever, minlength=int(task.max()) + 1)
    found = np.bincount(window, weights=has)
    return np.asarray(found[window] == expected[task])
