"""Results for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from chronotick.lab.comparing.comparison import Comparison
from chronotick.lab.scoring.columns import DECILES

if TYPE_CHECKING:
    import pandas as pd

    from chronotick.lab.scoring.metrics import Target

FORMATS = ("csv", "parquet", "fev")
FEV_VERSION = "0.10.0"  # whose columns these are
UNKNOWN = (
    *("initial_cutoff", "min_context_length", "max_context_length", "seasonality"),
    *("extra_metrics", "id_column", "timestamp_column", "target"),
    *("generate_univariate_targets_from", "known_dynamic_columns", "past_dynamic_columns"),
    "static_columns",
)
"""Columns of fev's that have no meaning here. It warns where they are missing."""
ROUNDING = 1e-6


def write(compared: Comparison, path: Path, form: str, target: Target | None = None) -> int:
    """Write results.

    Args:
        compared: them.
        path: of the file; replaced.
        form: one of :data:`FORMATS`.
        target: of ``fev``: what forecasts are held against; ``None``: truth where there is any.

    Returns:
        How many rows were written.

    Raises:
        OSError: the file cannot be written.
    """
    frame = fev_summaries(compared, target) if form == "fev" else compared.rows
    if form == "parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False)
    return len(frame)


def fev_summaries(compared: Comparison, target: Target | None = None) -> pd.DataFrame:
    """One row per model and task, with the columns that ``fev.leaderboard`` reads.

    A task that a model failed in, be it in one window, has no error: fev then drops, refuses or
    imputes it, as it is told. Horizons are integers there: column ``horizon_unit`` tells of what.
    """
    scores = compared.scores(target)
    whole, unit = _whole(scores["horizon_s"])
    forecasts = scores["windows"] - scores["failed"]
    asked = compared.rows.groupby(["model", "trace", "horizon_s"], observed=True)["latency_s"]
    spent_s = asked.sum(min_count=1).rename("spent_s")  # NaN: it was not measured
    spent_s = scores.join(spent_s, on=["model", "trace", "horizon_s"])["spent_s"]
    known = {
        "dataset_path": scores["trace"],
        "dataset_config": scores["host"],
        "horizon": whole,
        "horizon_unit": unit,
        "eval_metric": "MAE",
        "quantile_levels": str(list(DECILES)),
        "model_name": scores["model"],
        "test_error": scores["mae"].where(scores["failed"] == 0),
        "MASE": scores["mase_drift"],
        "WQL": scores["wql"],
        "SQL": scores["sql_drift"],
        "training_time_s": float("nan"),
        "inference_time_s": spent_s,
        "trained_on_this_dataset": scores["leaked"],
        "num_forecasts": forecasts,
        "fev_version": FEV_VERSION,
    }
    return scores[[]].assign(**known | dict.fromkeys(UNKNOWN))


def _whole(horizons_s: pd.Series) -> tuple[pd.Series, str]:
    """Horizons as integers, in the largest unit in which they are."""
    factors = {"s": 1, "ms": 10**3, "us": 10**6}
    fits = (unit for unit, factor in factors.items() if _are_whole(horizons_s * factor))
    unit = next(fits, "us")
    return (horizons_s * factors[unit]).round().astype("int64"), unit


def _are_whole(values: pd.Series) -> bool:
    return bool(((values - values.round()).abs() < ROUNDING).all())
