"""Scores of each model on each task: what all windows together say.

Error is forecast minus target. Formulas and sources are on the page on scoring; where fev has the
same metric, the numbers are the same.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from chronotick.lab.scoring.columns import (
    DECILE_COLUMNS,
    DECILES,
    IDENTITY,
    NAMES,
    QUANTILE_COLUMNS,
    SERIES,
    TAILS,
    TASK,
    Codes,
    Flags,
    Floats,
    check_columns,
    check_once,
    codes,
    floats,
    has_forecast,
    quantiles,
)
from chronotick.lab.scoring.errors import ScoringError
from chronotick.lab.scoring.leaks import Leaked, flags

Target = Literal["measured", "truth"]

TARGETS: Final = ("measured", "truth")
MISSED: Final = 0.05  # what a 95 % interval may miss
COLUMNS: Final = (
    *IDENTITY,
    *("origin_s", "scale", "forecast", "low", "high", "status"),
    *QUANTILE_COLUMNS,
)
MEANS: Final = (
    *("mae", "bias", "mase_drift", "ql", "sql_drift"),
    *("coverage_80", "coverage_95", "width_95", "winkler_95", "outside_bound", "bound_missed"),
)
SCORES: Final = (
    *("windows", "failed", "mae", "rmse", "median_ae", "p99_ae", "max_ae", "bias"),
    *("mase_drift", "ql", "wql", "sql_drift", "coverage_80", "coverage_95", "width_95"),
    *("winkler_95", "outside_bound", "bound_missed", "intervals", "leaked"),
)


def scores(
    rows: pd.DataFrame, target: Target = "measured", *, leaked: Leaked | None = None
) -> pd.DataFrame:
    """Score each model on each task, a trace at a horizon.

    Args:
        rows: one per window, model and horizon; see the page on scoring.
        target: what forecasts are held against.
        leaked: model to the traces it has seen in training, see :func:`leaks`.

    Returns:
        One row per model and task with ``IDENTITY`` and ``SCORES``, sorted by model, trace and
        horizon. ``windows`` counts those of the task, of all models, whose target is known;
        ``failed`` those of them in which this model has no forecast. Errors are in the trace's
        unit. NaN is what cannot be known: of a model that failed throughout, all errors. Tasks
        without any known target are not in it.

    Raises:
        ScoringError: there are no rows, columns are missing, a window is there twice, or no window
            has the target.
    """
    check_columns(rows, COLUMNS, "rows")
    if target not in TARGETS:
        raise ScoringError(f"the target is {' or '.join(TARGETS)}, not {target!r}")
    check_columns(rows, (target,), "rows")
    y = floats(rows, target)
    known = np.isfinite(y)
    if not known.any():
        raise ScoringError(
            "no window has a measured target"
            if target == "measured"
            else "no trace knows the truth at any target: score against what was measured"
        )
    judged, y = (rows, y) if known.all() else (rows[known], y[known])
    check_once(judged, codes(judged, SERIES))
    group = codes(judged, IDENTITY, ordered=True)
    _, first = np.unique(group, return_index=True)
    table = judged[list(IDENTITY)].iloc[first].reset_index(drop=True)
    table = table.astype(dict.fromkeys(NAMES, "str"))
    made = _aggregated(_of_each_window(judged, y), group)
    windows = _windows(judged)[first]
    made["windows"] = windows
    made["failed"] = windows - made.pop("forecasts")
    made["intervals"] = made.pop("stated") / windows
    made["leaked"] = flags(table, leaked or {})
    return pd.concat([table, pd.DataFrame(made)[list(SCORES)]], axis=1)


def quantile_loss(y: Floats, forecast: Floats, level: float) -> Floats:
    """Twice the pinball loss, as in fev: at level 0.5 the absolute error."""
    return np.asarray(2 * np.abs((y - forecast) * ((y <= forecast) - level)))


def interval_score(y: Floats, low: Floats, high: Floats, missed: float) -> Floats:
    """Width plus ``2 / missed`` times the distance outside; Winkler's, of central intervals."""
    outside = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    return np.asarray(high - low + 2 / missed * outside)


@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def _of_each_window(rows: pd.DataFrame, y: Floats) -> dict[str, Floats]:
    """What is averaged, NaN where a window has nothing to say."""
    forecast = np.where(has_forecast(rows), floats(rows, "forecast"), np.nan)
    error = forecast - y
    given = np.isfinite(error)
    scale = floats(rows, "scale")
    deciles = np.where(given[:, None], quantiles(rows, DECILE_COLUMNS), np.nan)
    low, high = np.where(given, quantiles(rows, TAILS).T, np.nan)
    loss = np.zeros(len(y))
    for level, each in zip(DECILES, deciles.T, strict=True):
        loss += quantile_loss(y, each, level) / len(DECILES)
    floor, ceiling = floats(rows, "low"), floats(rows, "high")
    return {
        "mae": np.abs(error),
        "square": error**2,
        "bias": error,
        "mase_drift": _finite(np.abs(error) / scale),
        "ql": loss,
        "size": np.where(np.isfinite(loss), np.abs(y), np.nan),
        "sql_drift": _finite(loss / scale),
        "coverage_80": _within(y, deciles[:, 0], deciles[:, -1]),
        "coverage_95": _within(y, low, high),
        "width_95": high - low,
        "winkler_95": interval_score(y, low, high, MISSED),
        "outside_bound": 1 - _within(forecast, floor, ceiling),
        "bound_missed": 1 - _within(y, floor, ceiling),
    }


@np.errstate(divide="ignore", invalid="ignore")
def _aggregated(windows: dict[str, Floats], group: Codes) -> dict[str, Any]:
    grouped = pd.DataFrame(windows).groupby(group, sort=True)
    mean, of_size = grouped.mean(), grouped["mae"]
    count = grouped[["mae", "ql"]].count()
    return {
        **{name: mean[name].to_numpy() for name in MEANS},
        "rmse": np.sqrt(mean["square"].to_numpy()),
        "median_ae": of_size.median().to_numpy(),
        "p99_ae": of_size.quantile(0.99).to_numpy(),
        "max_ae": of_size.max().to_numpy(),
        "wql": _finite((mean["ql"] / mean["size"]).to_numpy()),
        "forecasts": count["mae"].to_numpy(),
        "stated": count["ql"].to_numpy(),
    }


def _windows(rows: pd.DataFrame) -> Codes:
    """How many windows the task of each row has, of all models together."""
    task = codes(rows, TASK)
    distinct = pd.DataFrame({"task": task, "origin_s": floats(rows, "origin_s")}).drop_duplicates()
    return np.bincount(distinct["task"].to_numpy())[task]


def _within(y: Floats, low: Floats, high: Floats) -> Floats:
    """1 inside, 0 outside, NaN where something is not known."""
    inside: Flags = (low <= y) & (y <= high)
    return np.where(np.isnan(low) | np.isnan(high) | np.isnan(y), np.nan, inside)


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)
