"""Errors on recorded traces, held against the estimator's window by window."""
# ruff: noqa: INP001 - a program, not a package

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

BASELINE = "kalman"
BLOCK, FEWEST_BLOCKS = 8, 4
"""Windows that follow each other are alike: they are drawn in blocks; few blocks tell nothing."""
DRAWS, SEED = 2000, 1


def recorded_ratios(rows: pd.DataFrame) -> pd.DataFrame:
    """Compare models with the estimator on the windows where both have a forecast.

    Args:
        rows: as `Comparison.rows`, of traces without truth.

    Returns:
        By ``trace``, ``model`` and ``horizon_s``: ``rmse``, the logarithm of the ratio of root mean
        square errors; ``low`` and ``high``, its 95 % interval (moving blocks), NaN of too few
        windows; how many ``windows``; and ``covered``, the share of measurements within the model's
        own 95 % intervals, NaN where it states none.
    """
    return pd.DataFrame(list(_ratios(rows)))


def _ratios(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    judged = rows.assign(error=rows["measured"] - rows["forecast"]).dropna(subset=["error"])
    for (trace, horizon_s), part in judged.groupby(["trace", "horizon_s"], observed=True):
        own = part[part["model"] == BASELINE].set_index("origin_s")["error"]
        for model, answers in part[part["model"] != BASELINE].groupby("model", observed=True):
            indexed = answers.set_index("origin_s").sort_index()
            both = indexed.index.intersection(own.index)
            if len(both) == 0:
                continue
            found = indexed.loc[both]
            ratio = _interval(found["error"].to_numpy(), own.loc[both].to_numpy())
            inside = found["measured"].between(found["q0.025"], found["q0.975"])
            stated = found["quantiles_from"] == "model"
            yield {
                "trace": trace,
                "model": model,
                "horizon_s": horizon_s,
                **dict(zip(("rmse", "low", "high"), ratio, strict=True)),
                "windows": len(both),
                "covered": float(inside[stated].mean()) if stated.any() else float("nan"),
            }


def _interval(error: NDArray[Any], own: NDArray[Any]) -> tuple[float, float, float]:
    """Logarithm of the ratio of root mean squares, and its interval by moving blocks."""
    ratio = _log_ratio(error[None], own[None])[0]
    count = len(error)
    if count < BLOCK * FEWEST_BLOCKS:
        return float(ratio), float("nan"), float("nan")
    blocks = -(-count // BLOCK)
    rng = np.random.default_rng(SEED)
    starts = rng.integers(0, count - BLOCK + 1, (DRAWS, blocks, 1))
    places = (starts + np.arange(BLOCK)).reshape(DRAWS, -1)
    low, high = np.quantile(_log_ratio(error[places], own[places]), (0.025, 0.975))
    return float(ratio), float(low), float(high)


def _log_ratio(error: NDArray[Any], own: NDArray[Any]) -> NDArray[Any]:
    ratio: NDArray[Any] = 0.5 * np.log(np.mean(error**2, axis=1) / np.mean(own**2, axis=1))
    return ratio
