"""How errors grow with the horizon."""

from __future__ import annotations

import numpy as np
import pandas as pd

from chronotick.lab.reporting.plots.canvas import (
    Spec,
    Styles,
    canvas,
    looks_of,
    nothing,
    numbers,
    of_model,
    reference,
    with_axes,
)
from chronotick.lab.reporting.plots.logarithmic import horizon_axis, ratio_axis, unit_axis
from chronotick.lab.reporting.texts import metric_name

_SCALED = ("sql", "mase", "wql")  # metrics without a unit


def error_by_horizon(
    scores: pd.DataFrame,
    metric: str = "mae",
    *,
    baseline: str | None = None,
    unit: str = "s",
    looks: Styles | None = None,
) -> Spec:
    """Return curves over horizons; see :func:`chronotick.lab.reporting.plot_error_by_horizon`."""
    looks = looks_of(scores["model"], looks)
    name = metric_name(metric)
    title = f"{name} relative to {baseline}" if baseline else name
    spec = canvas(
        f"{title} by horizon{_of_unit(unit, metric, baseline)}",
        "Median over traces. A model is shown at the horizons where it has a score.",
        height=380,
    )
    shown = medians(scores, metric, baseline)
    if shown.empty:
        return nothing(spec, f"No {name} is known.")
    for model, rows in shown.groupby("model", sort=True):
        spec["data"].append(
            of_model(
                str(model),
                looks[str(model)],
                x=numbers(rows["horizon_s"]),
                y=numbers(rows["median"]),
                customdata=[numbers(row) for row in rows[["low", "high", "traces"]].to_numpy()],
                hovertemplate="%{fullData.name}: %{y:.3s} (traces: %{customdata[2]}, half "
                "of them %{customdata[0]:.3s} to %{customdata[1]:.3s})<extra></extra>",
            )
        )
    if baseline:
        reference(spec, y=1.0)
        return with_axes(spec, horizon_axis(shown["horizon_s"]), ratio_axis(title, shown["median"]))
    unit = "" if metric.startswith(_SCALED) else unit
    return with_axes(
        spec, horizon_axis(shown["horizon_s"]), unit_axis(title, unit, shown["median"])
    )


def _of_unit(unit: str, metric: str, baseline: str | None) -> str:
    """Which traces these are, where not all can be in one figure."""
    if baseline or unit == "s" or metric.startswith(_SCALED):
        return ""
    return f", traces in {unit}" if unit else ", traces without a unit"


def medians(scores: pd.DataFrame, metric: str, baseline: str | None = None) -> pd.DataFrame:
    """Return median and quartiles over traces for each model and horizon.

    Args:
        scores: as :func:`chronotick.lab.scoring.scores` returns it.
        metric: a column of it; values of 0 do not count, a logarithm has no place for them.
        baseline: relative to this model's on the same task, if it is named.

    Returns:
        Columns ``model``, ``horizon_s``, ``median``, ``low``, ``high`` (quartiles), ``traces``.
    """
    value = scores[["model", "trace", "horizon_s", metric]].rename(columns={metric: "value"})
    if baseline is not None:
        theirs = value[value["model"] == baseline].drop(columns="model")
        value = value.merge(theirs, on=["trace", "horizon_s"], suffixes=("", "_baseline"))
        value["value"] = value["value"] / value["value_baseline"]
    value = value[np.isfinite(value["value"]) & (value["value"] > 0)]
    grouped = value.groupby(["model", "horizon_s"])["value"]
    found = pd.DataFrame(
        {
            "low": grouped.quantile(0.25),
            "median": grouped.median(),
            "high": grouped.quantile(0.75),
            "traces": grouped.size(),
        }
    )
    return found.reset_index()
