"""Scores of each model on each task: what all windows together say.

Error is forecast minus target. Formulas and sources are on the page on scoring; where fev has the
same metric, the numbers are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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
    codes,
    floats,
    has_forecast,
    no_rows,
    quantiles,
)
from chronotick.lab.scoring.errors import ScoringError
from chronotick.lab.scoring.leaks import Leaked, flags
from chronotick.lab.scoring.parts import Distinct, Key, Series, keys_of, members_of

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
OF_WINDOWS: Final = (
    *("mae", "square", "bias", "mase_drift", "ql", "size", "sql_drift", "coverage_80"),
    *("coverage_95", "width_95", "winkler_95", "outside_bound", "bound_missed"),
)
"""What is said of a single window."""
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
    scoring = Scoring(target, leaked=leaked)
    scoring.add(rows)
    return scoring.table()


class Scoring:
    """:func:`scores` of rows that come in parts: of each window, only its error is kept.

    That only until the series of the window, a model on a task, has ended: its rows must follow
    each other, by origin from part to part.

    Args:
        target: as for :func:`scores`, and so is what else is given.
        leaked: see there.

    Raises:
        ScoringError: there is no such target.
    """

    def __init__(self, target: Target = "measured", *, leaked: Leaked | None = None) -> None:
        if target not in TARGETS:
            raise ScoringError(f"the target is {' or '.join(TARGETS)}, not {target!r}")
        self.target = target
        self._leaked = leaked or {}
        self._is_empty = True
        self._series = Series()
        self._windows = Distinct()
        self._open: dict[Key, _Sum] = {}
        self._closed: list[pd.DataFrame] = []

    def add(self, rows: pd.DataFrame) -> None:
        """Score some rows.

        Raises:
            ScoringError: there are none, columns are missing, or a window is there twice.
        """
        check_columns(rows, (*COLUMNS, self.target), "rows")
        self._is_empty = False
        y = floats(rows, self.target)
        known = np.isfinite(y)
        judged, y = (rows, y) if known.all() else (rows[known], y[known])
        here = {key for key, _members in self._series.follow(rows)}
        self._close([key for key in self._open if _series_of(key) not in here])
        if not len(judged):
            return
        self._note_windows(judged)
        group = codes(judged, IDENTITY, ordered=True)
        windows = _of_each_window(judged, y)
        grouped = pd.DataFrame(windows, columns=list(OF_WINDOWS)).groupby(group, sort=True)
        totals, counts = grouped.sum().to_numpy(), grouped.count().to_numpy()
        keys = keys_of(judged, group, IDENTITY)
        for key, members, total, count in zip(keys, members_of(group), totals, counts, strict=True):
            told = self._open.setdefault(key, _Sum())
            told.totals, told.counts = told.totals + total, told.counts + count
            told.sizes.append(windows["mae"][members])

    @property
    def has_any(self) -> bool:
        """Whether there is any window whose target is known."""
        return len(self._windows) > 0

    def table(self) -> pd.DataFrame:
        """Return the scores.

        Raises:
            ScoringError: there were no rows, or no window has the target.
        """
        if self._is_empty:
            raise no_rows()
        if not self.has_any:
            raise ScoringError(
                "no window has a measured target"
                if self.target == "measured"
                else "no trace knows the truth at any target: score against what was measured"
            )
        self._close(list(self._open))
        table = pd.concat(self._closed).sort_values(list(IDENTITY), ignore_index=True)
        tasks = table[list(TASK)].itertuples(index=False, name=None)
        windows = np.array([self._windows.count(task) for task in tasks], dtype=np.int64)
        table["windows"] = windows
        table["failed"] = windows - table["forecasts"]
        table["intervals"] = table["stated"] / windows
        table["leaked"] = flags(table, self._leaked)
        return table[[*IDENTITY, *SCORES]]

    def _note_windows(self, rows: pd.DataFrame) -> None:
        task, origin_s = codes(rows, TASK), floats(rows, "origin_s")
        for key, members in zip(keys_of(rows, task, TASK), members_of(task), strict=True):
            self._windows.add(key, origin_s[members])

    def _close(self, keys: Sequence[Key]) -> None:
        if keys:
            ended = [self._open.pop(key) for key in keys]
            table = pd.DataFrame(keys, columns=list(IDENTITY)).astype(dict.fromkeys(NAMES, "str"))
            self._closed.append(table.assign(**_aggregated(ended)))


@dataclass(slots=True, eq=False)
class _Sum:
    """What the windows of a model on a task say together, so far."""

    totals: Floats = field(default_factory=lambda: np.zeros(len(OF_WINDOWS)))
    counts: Codes = field(default_factory=lambda: np.zeros(len(OF_WINDOWS), dtype=np.int64))
    sizes: list[Floats] = field(default_factory=list)


def _series_of(key: Key) -> Key:
    named = dict(zip(IDENTITY, key, strict=True))
    return tuple(named[name] for name in SERIES)


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
def _aggregated(ended: Sequence[_Sum]) -> dict[str, Any]:
    totals, counts = np.array([e.totals for e in ended]), np.array([e.counts for e in ended])
    mean = dict(zip(OF_WINDOWS, (totals / counts).T, strict=True))
    count = dict(zip(OF_WINDOWS, counts.T, strict=True))
    sizes = [np.concatenate(each.sizes) for each in ended]
    group = np.repeat(np.arange(len(ended)), [len(each) for each in sizes])
    of_size = pd.Series(np.concatenate(sizes)).groupby(group, sort=True)
    return {
        **{name: mean[name] for name in MEANS},
        "rmse": np.sqrt(mean["square"]),
        "median_ae": of_size.median().to_numpy(),
        "p99_ae": of_size.quantile(0.99).to_numpy(),
        "max_ae": of_size.max().to_numpy(),
        "wql": _finite(mean["ql"] / mean["size"]),
        "forecasts": count["mae"],
        "stated": count["ql"],
    }


def _within(y: Floats, low: Floats, high: Floats) -> Floats:
    """1 inside, 0 outside, NaN where something is not known."""
    inside: Flags = (low <= y) & (y <= high)
    return np.where(np.isnan(low) | np.isnan(high) | np.isnan(y), np.nan, inside)


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)
