"""Fewer points than windows, by a rule that does not depend on chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chronotick.lab.reporting.reading import Rows

Vector = NDArray[np.float64]

COLUMNS = ["model", "time_s", "error"]
_TYPES = {"model": object, "time_s": float, "error": float}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Thinned:
    """Errors over time.

    Attributes:
        points: columns ``model``, ``time_s`` (mean local time of the targets), ``error`` (mean of
            the absolute errors), both in the trace's unit.
        bins: points of a model at most.
        windows: the most windows that a model had.
    """

    points: pd.DataFrame
    bins: int
    windows: int


class Thinning:
    """At most ``bins`` errors of each model at one horizon on one trace.

    Where a model has more windows than that, the time from the first to the last target is cut
    into ``bins`` equal stretches, and each gets the mean: the same stretches for every model.

    Rows come in parts, twice: first to see how many there are, then to thin them.

    Args:
        target: ``truth`` or ``measured``.
        bins: how many points are enough.
    """

    def __init__(self, target: str, bins: int) -> None:
        self._target, self._bins = target, bins
        self._windows: Counter[str] = Counter()
        self._first_s, self._last_s = np.inf, -np.inf
        self._cells: dict[str, Vector] = {}
        self._points: list[pd.DataFrame] = []

    def look(self, rows: pd.DataFrame) -> None:
        """See how many there are, and when."""
        known = self._known(rows)
        self._windows.update(known["model"].tolist())
        if len(known):
            self._first_s = min(self._first_s, known["time_s"].min())
            self._last_s = max(self._last_s, known["time_s"].max())

    def add(self, rows: pd.DataFrame) -> None:
        """Thin some, when all were looked at."""
        known = self._known(rows)
        if self._most <= self._bins:
            self._points.append(known)
            return
        for model, part in known.groupby("model"):
            cells = self._cells.setdefault(str(model), np.zeros((3, self._bins)))
            time_s, error = part["time_s"].to_numpy(), part["error"].to_numpy()
            share = (time_s - self._first_s) / max(
                self._last_s - self._first_s, np.finfo(float).tiny
            )
            cell = np.minimum((share * self._bins).astype(np.int64), self._bins - 1)
            for place, weights in enumerate((None, time_s, error)):
                cells[place] += np.bincount(cell, weights, self._bins)

    def thinned(self) -> Thinned:
        """Return what is left."""
        points = [pd.DataFrame(columns=COLUMNS).astype(_TYPES), *self._points]
        for model, (count, time_s, error) in self._cells.items():
            filled = count > 0
            means = {
                "time_s": time_s[filled] / count[filled],
                "error": error[filled] / count[filled],
            }
            points.append(pd.DataFrame({"model": model, **means}))
        ordered = pd.concat([each for each in points if len(each)] or points[:1])
        ordered = ordered.sort_values(["model", "time_s"], kind="stable", ignore_index=True)
        return Thinned(points=ordered, bins=self._bins, windows=self._most)

    @property
    def _most(self) -> int:
        return max(self._windows.values(), default=0)

    def _known(self, rows: pd.DataFrame) -> pd.DataFrame:
        error = (rows["forecast"] - rows[self._target]).abs().to_numpy(dtype=float)
        known = np.isfinite(error)
        return pd.DataFrame(
            {
                "model": rows["model"][known].astype(object).to_numpy(),
                "time_s": rows["target_s"].to_numpy(dtype=float)[known],
                "error": error[known],
            }
        )


def thinned_trace(
    rows: Rows, trace: str, targets: Sequence[str], horizons_s: Sequence[float], bins: int
) -> tuple[str, dict[tuple[str, float], Thinned]]:
    """Return the unit of a trace, and its errors by target and horizon, thinned.

    Args:
        rows: of a comparison; those of the trace are gone through twice.
        trace: its name.
        targets: ``truth``, ``measured``.
        horizons_s: which are wanted.
        bins: how many points of a model are enough.
    """
    needed = ["model", "unit", "horizon_s", "target_s", "forecast", *targets]
    every = {(target, each): Thinning(target, bins) for target in targets for each in horizons_s}
    unit = ""
    for step in (Thinning.look, Thinning.add):
        for part in rows.of(trace, needed):
            unit = str(part["unit"].iloc[0])
            of_horizon = {each: part[part["horizon_s"] == each] for each in horizons_s}
            for (_target, horizon_s), thinning in every.items():
                step(thinning, of_horizon[horizon_s])
    return unit, {key: thinning.thinned() for key, thinning in every.items()}
