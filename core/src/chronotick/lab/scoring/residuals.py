"""Quantiles of models that state none, from what they got wrong before.

A forecast plus the quantiles of the model's own earlier residuals at that horizon on that trace.
Of ``n`` residuals the quantile at level ``p`` is the one of rank ``p (n + 1)``, between ranks by
proportion, never beyond the smallest and largest (type 6 of Hyndman & Fan, "Sample quantiles in
statistical packages", The American Statistician 50, 1996): the next of exchangeable residuals falls
below it with probability ``p``, as in split conformal prediction. Only residuals whose target had
been measured by the origin of the forecast count, so that nothing later has a say.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from chronotick.lab.scoring.columns import (
    QUANTILE_COLUMNS,
    QUANTILES,
    SERIES,
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

FEWEST: Final = 20  # residuals; of fewer there are no quantiles
COLUMNS: Final = (
    *SERIES,
    *("origin_s", "target_s", "measured", "forecast", "status"),
    *QUANTILE_COLUMNS,
)


def intervals_of_points(rows: pd.DataFrame) -> pd.DataFrame:
    """Give forecasts without quantiles those of the model's own earlier residuals.

    A residual is the measured value minus the forecast, also where the truth is known: a daemon
    knows no truth. With 20 to 38 residuals the outermost quantiles are the extremes, and the 95 %
    interval promises less, ``(n - 1) / (n + 1)``.

    Args:
        rows: one per window, model and horizon; see the page on scoring.

    Returns:
        The rows with quantiles filled in where the model stated none and at least 20 residuals were
        known at the origin, and a column ``quantiles_from``: "model", "residuals" or "" for none.

    Raises:
        ScoringError: there are no rows, columns are missing, or a window is there twice.
    """
    check_columns(rows, COLUMNS, "rows")
    series = codes(rows, SERIES)
    check_once(rows, series)
    values = quantiles(rows, QUANTILE_COLUMNS)
    stated = np.asarray(np.isfinite(values).any(axis=1))
    usable = has_forecast(rows)
    columns = {
        name: floats(rows, name) for name in ("forecast", "measured", "origin_s", "target_s")
    }
    for members in _members(series, columns["origin_s"], usable):
        points = ~stated[members]
        if points.any():
            made = _quantiles_of_one(**{name: each[members] for name, each in columns.items()})
            values[members[points]] = made[points]
    made_here = ~stated & np.isfinite(values).any(axis=1)
    filled = rows.copy(deep=False)
    for index, name in enumerate(QUANTILE_COLUMNS):
        filled[name] = values[:, index]
    filled["quantiles_from"] = np.select([stated, made_here], ["model", "residuals"], "")
    return filled


def _members(series: Codes, origin_s: Floats, usable: Flags) -> list[Codes]:
    """Rows of each series that hold a forecast, by origin."""
    order = np.lexsort((origin_s, series))
    order = order[usable[order]]
    ends = np.flatnonzero(np.diff(series[order])) + 1
    return np.split(order, ends) if len(order) else []


def _quantiles_of_one(
    *, forecast: Floats, measured: Floats, origin_s: Floats, target_s: Floats
) -> Floats:
    """Quantiles of one model at one horizon on one trace, shape ``[windows, quantiles]``."""
    known = np.flatnonzero(np.isfinite(measured))
    known = known[np.argsort(target_s[known], kind="stable")]
    counts = np.searchsorted(target_s[known], origin_s, side="right")
    return forecast[:, None] + _of_the_first((measured - forecast)[known], counts)


def _of_the_first(residuals: Floats, counts: Codes) -> Floats:
    """Quantiles of the first ``counts[i]`` residuals, ascending counts; NaN of too few."""
    last = np.maximum(counts, 1)[:, None] - 1
    rank = np.clip(np.multiply.outer(counts + 1, QUANTILES) - 1, 0, last)
    below = np.floor(rank).astype(np.intp)
    above = np.minimum(below + 1, last)
    low = np.full(rank.shape, np.nan)
    high = low.copy()
    ranked, held = np.empty(len(residuals)), 0
    for row, count in enumerate(counts.tolist()):
        for residual in residuals[held:count]:
            place = ranked[:held].searchsorted(residual)
            ranked[place + 1 : held + 1] = ranked[place:held]
            ranked[place] = residual
            held += 1
        if count >= FEWEST:
            ranked.take(below[row], out=low[row], mode="clip")
            ranked.take(above[row], out=high[row], mode="clip")
    return np.asarray(low + (rank - below) * (high - low))
