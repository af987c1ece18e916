"""Forecasts that there are not, and why."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from chronotick.lab.reporting.quantities import lead

OK: Final = "ok"
UNEXPLAINED: Final = "the forecast is no number, and the model said nothing of that"
ALL: Final = "all"


def failed_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows without a forecast, each with a reason in ``status``."""
    status = rows["status"]
    mute = (status == OK) & ~np.isfinite(rows["forecast"])
    found = rows[(status != OK) | mute]
    return found.assign(status=found["status"].astype(object).mask(mute, UNEXPLAINED))


def failures(rows: pd.DataFrame) -> pd.DataFrame:
    """Return where models gave no forecast.

    Args:
        rows: rows of a comparison.

    Returns:
        Columns ``model``, ``trace``, ``horizon_s``, ``failed`` and ``windows`` (counts),
        ``reason`` (the most frequent one), ``other_reasons`` (how many different ones besides);
        the most failed windows first.
    """
    task = ["model", "trace", "horizon_s"]
    windows = rows.groupby(task, observed=True).size().rename("windows")
    failed = failed_rows(rows)
    if failed.empty:
        columns = [*task, "failed", "windows", "reason", "other_reasons"]
        return pd.DataFrame(columns=columns)
    reasons = failed.groupby(task, observed=True)["status"]
    found = pd.DataFrame(
        {
            "failed": reasons.size(),
            "reason": reasons.agg(lambda each: each.value_counts(sort=True).index[0]),
            "other_reasons": reasons.nunique() - 1,
        }
    )
    found = found.join(windows).reset_index()
    found = found.astype({"model": str, "trace": str, "reason": str})
    ordered = found.sort_values(["failed", *task], ascending=[False, True, True, True])
    return ordered[[*task, "failed", "windows", "reason", "other_reasons"]].reset_index(drop=True)


def in_short(failed: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Say once what is the same at every horizon of a trace, and on every trace.

    Args:
        failed: as :func:`failures` returns it.
        rows: rows of the comparison.

    Returns:
        The same columns, with ``horizon`` in words for ``horizon_s``; ``trace`` and ``horizon`` are
        ``all`` in rows that stand for several. Counts are their sums.
    """
    horizons = rows.groupby("trace", observed=True)["horizon_s"].nunique()
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


def without_forecast(rows: pd.DataFrame) -> dict[str, str]:
    """Return models that failed altogether, with their most frequent reason."""
    working = rows["model"][(rows["status"] == OK) & np.isfinite(rows["forecast"])].unique()
    failed = failed_rows(rows)
    failed = failed[~failed["model"].isin(working)]
    return {
        str(model): str(part["status"].value_counts().index[0])
        for model, part in failed.groupby("model", observed=True)
    }
