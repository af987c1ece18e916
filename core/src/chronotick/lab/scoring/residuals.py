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
    Floats,
    check_columns,
    floats,
    has_forecast,
    quantiles,
)
from chronotick.lab.scoring.parts import Key, Series

FEWEST: Final = 20  # residuals; of fewer there are no quantiles
BLOCK: Final = 256  # windows at once
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
    return Intervals().filled(rows)


class Intervals:
    """:func:`intervals_of_points` of rows that come in parts, by origin from part to part.

    The rows of a model on a task must follow each other; of those that came before, only the
    residuals are kept.
    """

    def __init__(self) -> None:
        self._series = Series()
        self._known: dict[Key, _Residuals] = {}

    def filled(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return some rows with quantiles filled in.

        Raises:
            ScoringError: there are none, columns are missing, or a window is there twice.
        """
        check_columns(rows, COLUMNS, "rows")
        found = self._series.follow(rows)
        self._known = {key: self._known.get(key, _Residuals()) for key, _members in found}
        values = quantiles(rows, QUANTILE_COLUMNS)
        stated = np.asarray(np.isfinite(values).any(axis=1))
        usable = has_forecast(rows)
        columns = [floats(rows, name) for name in ("forecast", "measured", "origin_s", "target_s")]
        for key, members in found:
            held = members[usable[members]]
            held = held[np.argsort(columns[2][held], kind="stable")]
            forecast, measured, origin_s, target_s = (each[held] for each in columns)
            self._known[key].await_them(target_s, measured - forecast)
            points = ~stated[held]
            if points.any():
                made = forecast[:, None] + self._known[key].quantiles(origin_s)
                values[held[points]] = made[points]
        made_here = ~stated & np.isfinite(values).any(axis=1)
        filled = rows.copy(deep=False)
        for index, name in enumerate(QUANTILE_COLUMNS):
            filled[name] = values[:, index]
        filled["quantiles_from"] = np.select([stated, made_here], ["model", "residuals"], "")
        return filled


class _Residuals:
    """Residuals of a model at one horizon on one trace, as their targets come to be measured."""

    def __init__(self) -> None:
        self._ranked: Floats = np.array([np.inf])  # which is none, but ends them
        self._target_s: Floats = np.empty(0)  # of those that have not come to be known
        self._awaited: Floats = np.empty(0)

    def await_them(self, target_s: Floats, residuals: Floats) -> None:
        """Take residuals whose targets will be known later; NaN: never."""
        known = np.isfinite(residuals)
        target_s = np.concatenate([self._target_s, target_s[known]])
        order = np.argsort(target_s, kind="stable")
        self._target_s = target_s[order]
        self._awaited = np.concatenate([self._awaited, residuals[known]])[order]

    def quantiles(self, origin_s: Floats) -> Floats:
        """Return quantiles of those known at origins that ascend."""
        counts = np.searchsorted(self._target_s, origin_s, side="right")
        made = np.full((len(counts), len(QUANTILES)), np.nan)
        gone = 0
        for first in range(0, len(counts), BLOCK):
            block = slice(first, first + BLOCK)
            self._learn(self._awaited[gone : counts[first]])
            fresh = self._awaited[counts[first] : counts[block][-1]]
            made[block] = self._quantiles(fresh, counts[block] - counts[first])
            self._learn(fresh)
            gone = counts[block][-1]
        self._target_s, self._awaited = self._target_s[gone:], self._awaited[gone:]
        return made

    def _learn(self, residuals: Floats) -> None:
        ascending = np.sort(residuals)
        places = self._ranked.searchsorted(ascending)
        self._ranked = np.insert(self._ranked, places, ascending)

    def _quantiles(self, fresh: Floats, counts: Codes) -> Floats:
        """Quantiles of all that are known and the first ``counts[i]`` fresh ones."""
        known = (len(self._ranked) - 1 + counts)[:, None]
        last = np.maximum(known, 1) - 1
        rank = np.clip((known + 1) * np.array(QUANTILES) - 1, 0, last)
        below = np.floor(rank).astype(np.intp)
        above = np.minimum(below + 1, last)
        low, high = (
            np.where(known < FEWEST, np.nan, self._of_rank(each, fresh, counts))
            for each in (below, above)
        )
        return np.asarray(low + (rank - below) * (high - low))

    def _of_rank(self, rank: Codes, fresh: Floats, counts: Codes) -> Floats:
        """Residuals of some ranks among all that are known and the first ``counts[i]`` fresh ones.

        The rank of a fresh one is the number of known and of fresh ones below it.
        """
        if not len(fresh):
            return self._ranked[rank]
        order = np.argsort(fresh)
        places, row = self._ranked.searchsorted(fresh[order]), np.arange(len(counts))[:, None]
        counts_here = order < counts[:, None]
        below = np.cumsum(counts_here, axis=1)  # itself included
        ranks = places + below - 1  # ascending; right of those that count here
        apart = len(self._ranked) + len(fresh) + 1
        found = np.searchsorted((ranks + row * apart).ravel(), rank + row * apart)
        place = found - row * len(fresh)  # of the first one that is not below the rank
        at = np.minimum(place, len(fresh) - 1)
        is_fresh = (place == at) & counts_here[row, at] & (ranks[row, at] == rank)
        fresh_below = np.where(place > 0, below[row, place - 1], 0)
        of_known = self._ranked[np.minimum(rank - fresh_below, len(self._ranked) - 1)]
        return np.where(is_fresh, fresh[order][at], of_known)
