"""Forecasts that there are not, and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from chronotick.lab.reporting.quantities import lead

OK: Final = "ok"
UNEXPLAINED: Final = "the forecast is no number, and the model said nothing of that"
ALL: Final = "all"
_TASK: Final = ["model", "trace", "horizon_s"]

Task = tuple[str, str, float]


def failed_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows without a forecast, each with a reason in ``status``."""
    status = rows["status"]
    mute = (status == OK) & ~np.isfinite(rows["forecast"])
    found = rows[(status != OK) | mute]
    return found.assign(status=found["status"].astype(object).mask(mute, UNEXPLAINED))


class Failures:
    """Where models gave no forecast, of rows that come in parts.

    Attributes:
        COLUMNS: of the rows that it looks at.
    """

    COLUMNS: Final = (*_TASK, "status", "forecast")

    def __init__(self) -> None:
        self._windows: Counter[Task] = Counter()
        self._reasons: dict[Task, Counter[str]] = defaultdict(Counter)

    def add(self, rows: pd.DataFrame) -> None:
        """Take note of some rows."""
        self._windows.update(_counted(rows, _TASK))
        for (*task, reason), count in _counted(failed_rows(rows), [*_TASK, "status"]).items():
            self._reasons[tuple(task)][reason] += count

    def table(self) -> pd.DataFrame:
        """Return where models gave no forecast.

        Returns:
            Columns ``model``, ``trace``, ``horizon_s``, ``failed`` and ``windows`` (counts),
            ``reason`` (the most frequent one), ``other_reasons`` (how many different ones besides);
            the most failed windows first.
        """
        found = [
            (*task, reasons.total(), self._windows[task], _first(reasons), len(reasons) - 1)
            for task, reasons in self._reasons.items()
        ]
        columns = [*_TASK, "failed", "windows", "reason", "other_reasons"]
        ascending = [False, *(True for _ in _TASK)]
        table = pd.DataFrame(found, columns=columns)
        return table.sort_values(["failed", *_TASK], ascending=ascending, ignore_index=True)

    def silent(self) -> dict[str, str]:
        """Return models that failed altogether, with their most frequent reason."""
        asked, reasons = Counter[str](), defaultdict[str, Counter[str]](Counter)
        for task, count in self._windows.items():
            asked[task[0]] += count
        for task, each in self._reasons.items():
            reasons[task[0]] += each
        return {
            model: _first(reasons[model])
            for model, count in sorted(asked.items())
            if reasons[model].total() == count
        }


def _counted(rows: pd.DataFrame, keys: list[str]) -> dict[tuple[Any, ...], int]:
    counts: dict[tuple[Any, ...], int] = rows.groupby(keys, observed=True).size().to_dict()
    return counts


def _first(reasons: Counter[str]) -> str:
    return reasons.most_common(1)[0][0]


def in_short(failed: pd.DataFrame, horizons: Mapping[str, int]) -> pd.DataFrame:
    """Say once what is the same at every horizon of a trace, and on every trace.

    Args:
        failed: as :meth:`Failures.table` returns it.
        horizons: how many each trace has.

    Returns:
        The same columns, with ``horizon`` in words for ``horizon_s``; ``trace`` and ``horizon`` are
        ``all`` in rows that stand for several. Counts are their sums.
    """
    told = failed.assign(horizon=[lead(each) for each in failed["horizon_s"]])
    told = told.drop(columns="horizon_s")
    told = _merged(told, "horizon", ["trace"], told["trace"].map(horizons))
    told = _merged(told, "trace", ["horizon"], pd.Series(len(horizons), index=told.index))
    return told.sort_values("failed", ascending=False, kind="stable", ignore_index=True)


def _merged(told: pd.DataFrame, over: str, within: list[str], enough: pd.Series) -> pd.DataFrame:
    """Merge rows of a model and reason that differ in ``over`` alone, where all failed."""
    same = ["model", *within, "reason"]
    whole = (told.groupby(same, observed=True)[over].transform("nunique") == enough) & (enough > 1)
    if not whole.any():
        return told
    merged = told[whole].groupby(same, observed=True, as_index=False)
    summed = merged.agg({"failed": "sum", "windows": "sum", "other_reasons": "max"})
    return pd.concat([summed.assign(**{over: ALL}), told[~whole]], ignore_index=True)
