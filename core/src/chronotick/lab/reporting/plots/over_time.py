"""Errors on one trace over time."""

from __future__ import annotations

from typing import Final

import numpy as np

from chronotick.lab.reporting.plots.canvas import (
    Spec,
    Styles,
    axis,
    canvas,
    nothing,
    numbers,
    of_model,
    with_axes,
)
from chronotick.lab.reporting.plots.logarithmic import unit_axis
from chronotick.lab.reporting.quantities import lead
from chronotick.lab.reporting.thinning import Thinned, Vector

BINS: Final = 120
_HOUR_S: Final = 3600.0
_GAP: Final = 5.0  # times the usual step
_DAYS: Final = 4 * 24.0  # hours, beyond which days are easier to read


def error_over_time(
    points: Thinned, trace: str, horizon_s: float, unit: str, *, looks: Styles
) -> Spec:
    """Return curves over time; see :func:`chronotick.lab.reporting.plot_error_over_time`."""
    spec = canvas(f"Error over time: {trace}, {lead(horizon_s)} ahead", _note(points), height=340)
    known = points.points[points.points["error"] > 0]
    if known.empty:
        return nothing(spec, "No forecast at this horizon has a target to be judged by.")
    hours = (known["time_s"] - known["time_s"].min()) / _HOUR_S
    length, name = (24.0, "days") if hours.max() > _DAYS else (1.0, "hours")
    for model, part in known.groupby("model", sort=True):
        look = looks[str(model)]
        x, y = _broken(hours.loc[part.index].to_numpy() / length, part["error"].to_numpy())
        curve = of_model(
            str(model),
            look,
            x=numbers(x),
            y=numbers(y),
            hovertemplate="%{fullData.name}: %{y:.3s}<extra></extra>",
        )
        curve["line"]["width"] = 1.1
        curve["marker"]["size"] = 4
        spec["data"].append(curve)
    return with_axes(
        spec,
        axis(f"{name} since the first target"),
        unit_axis("absolute error", unit, known["error"]),
    )


def _broken(x: Vector, y: Vector) -> tuple[Vector, Vector]:
    """Break a curve where nothing was forecast for a while: a line there would be made up."""
    steps = np.diff(x)
    usual = np.median(steps) if steps.size else 0.0
    gaps = np.flatnonzero(steps > _GAP * usual) + 1
    return np.insert(x, gaps, np.nan), np.insert(y, gaps, np.nan)


def _note(points: Thinned) -> str:
    if points.windows <= points.bins:
        return "Each point is a forecast."
    return (
        f"Each point is the mean of the absolute errors in one of {points.bins} equal stretches of "
        f"time: there are up to {points.windows} forecasts of a model."
    )
