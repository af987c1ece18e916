"""What forecasts cost in time."""

from __future__ import annotations

import numpy as np
import pandas as pd


def latencies(rows: pd.DataFrame, deadline_s: float | None = None) -> pd.DataFrame:
    """Return times of calls for one window alone, and of windows within batches.

    Args:
        rows: rows of a comparison. A call that forecasts several horizons is in as many rows; it
            counts once.
        deadline_s: after which a daemon would no longer wait.

    Returns:
        Index model; ``asked`` (calls for one window), ``p50_s`` and ``p99_s`` of them, ``missed``
        (calls beyond the deadline; NaN without one), ``batched_s`` (median per window, in batches).
    """
    calls = rows.drop_duplicates(["model", "job", "trace", "origin_s", "step_s"])
    alone = calls.groupby("model", observed=True)["alone_s"]
    missed = np.nan
    if deadline_s is not None:
        missed = (calls["alone_s"] > deadline_s).groupby(calls["model"], observed=True).sum()
    return pd.DataFrame(
        {
            "asked": alone.count(),
            "p50_s": alone.quantile(0.5),
            "p99_s": alone.quantile(0.99),
            "missed": missed,
            "batched_s": calls.groupby("model", observed=True)["latency_s"].median(),
        }
    )
