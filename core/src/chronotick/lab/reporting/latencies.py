"""What forecasts cost in time."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Vector = NDArray[np.float64]

ENOUGH = 100  # values that have a 99th percentile apart from their maximum


class Calls:
    """Times of calls, of rows that come in parts; those of a job all in one."""

    def __init__(self) -> None:
        self._alone_s: dict[str, list[Vector]] = defaultdict(list)

    def add(self, rows: pd.DataFrame) -> None:
        """Take note of some rows.

        A call that forecasts several horizons is in as many rows; it counts once.
        """
        for model in rows["model"].unique():
            self._alone_s[str(model)] += []  # also of those that never were asked
        alone = rows[["model", "job", "trace", "origin_s", "step_s", "alone_s"]].dropna(
            subset=["alone_s"]
        )
        calls = alone.drop_duplicates(["model", "job", "trace", "origin_s", "step_s"])
        for model, alone_s in calls.groupby("model", observed=True)["alone_s"]:
            self._alone_s[str(model)].append(alone_s.to_numpy())

    def table(self, deadline_s: float | None = None) -> pd.DataFrame:
        """Return times of calls for one window alone.

        Args:
            deadline_s: after which a daemon would no longer wait.

        Returns:
            Index model; ``asked`` (calls for one window), ``p50_s`` and ``p99_s`` of them,
            ``missed`` (calls beyond the deadline; NaN without one).
        """
        models = sorted(self._alone_s)
        times = {model: pd.Series(np.concatenate([[], *self._alone_s[model]])) for model in models}
        missed = np.nan if deadline_s is None else [(t > deadline_s).sum() for t in times.values()]
        return pd.DataFrame(
            {
                "asked": [len(each) for each in times.values()],
                "p50_s": [each.quantile(0.5) for each in times.values()],
                "p99_s": [each.quantile(0.99) for each in times.values()],
                "missed": missed,
            },
            index=pd.Index(models, name="model"),
        )
