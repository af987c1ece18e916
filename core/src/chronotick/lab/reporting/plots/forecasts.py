"""Forecasts of one window, beside what came of it."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import pandas as pd

from chronotick.lab.reporting.palette import FAINT, INK
from chronotick.lab.reporting.plots.canvas import (
    Spec,
    Styles,
    across,
    axis,
    canvas,
    looks_of,
    names_axis,
    numbers,
    of_model,
    plain,
    with_axes,
)
from chronotick.lab.reporting.quantities import lead

_MOST_HORIZONS: Final = 4  # beside each other
_ROW_PX: Final = 22
_PANEL_PX: Final = 170
_NAMES_PX: Final = 80
_BETWEEN: Final = 0.03  # of the width, between panels
_INTERVALS: Final = (("q0.025", "q0.975", 2.0), ("q0.1", "q0.9", 5.0))


def forecasts(
    window: pd.DataFrame,
    target: str = "truth",
    *,
    title: str = "",
    note: str = "",
    looks: Styles | None = None,
) -> Spec:
    """Return panels of forecasts; see :func:`chronotick.lab.reporting.plot_forecasts`."""
    looks = looks_of(window["model"], looks)
    horizons = _evenly(sorted(window["horizon_s"].unique()))
    models = sorted(map(str, window["model"].unique()))
    spec = canvas(
        title or f"Forecasts of {window['trace'].iloc[0]}",
        note,
        height=70 + _ROW_PX * len(models),
        narrowest=_NAMES_PX + _PANEL_PX * len(horizons),
        showlegend=False,
    )
    with_axes(spec, {}, names_axis(models))
    unit = str(window["unit"].iloc[0])
    for place, horizon_s in enumerate(horizons):
        ending = str(place + 1) if place else ""
        rows = window[window["horizon_s"] == horizon_s]
        _add_panel(spec, rows, f"x{ending}", target, looks)
        spec["layout"][f"xaxis{ending}"] = axis(
            f"{lead(horizon_s)} ahead",
            domain=_domain(place, len(horizons)),
            anchor="y",
            nticks=4,
            **_values(unit),
        )
    return spec


def _domain(place: int, panels: int) -> list[float]:
    width = (1.0 - _BETWEEN * (panels - 1)) / panels
    begin = place * (width + _BETWEEN)
    return [begin, begin + width]


def _values(unit: str) -> dict[str, Any]:
    return {"tickformat": "~s", "ticksuffix": "s"} if unit == "s" else {"ticksuffix": f" {unit}"}


def _add_panel(spec: Spec, rows: pd.DataFrame, horizontal: str, target: str, looks: Styles) -> None:
    across(spec, 0.0, line={"color": FAINT, "width": 1, "dash": "dot"}, horizontal=horizontal)
    came = float((rows[target] - rows["last"]).iloc[0])
    if math.isfinite(came):
        across(spec, came, line={"color": INK, "width": 1.6}, horizontal=horizontal)
    for row in rows.sort_values("model").to_dict("records"):
        spec["data"] += _marks(row, horizontal, looks)


def _marks(row: dict[str, Any], horizontal: str, looks: Styles) -> list[dict[str, Any]]:
    model, last = str(row["model"]), row["last"]
    look, place = looks[model], {"xaxis": horizontal, "yaxis": "y"}
    drawn = []
    for low, high, width in _INTERVALS:
        ends = np.array([row[low] - last, row[high] - last])
        if np.isfinite(ends).all():
            line = {"color": look.colour, "width": width}
            drawn.append(
                of_model(model, look, x=numbers(ends), y=[plain(model)] * 2)
                | place
                | {"mode": "lines", "line": line, "hoverinfo": "skip", "opacity": 0.55}
            )
    if math.isfinite(row["forecast"]):
        drawn.append(
            of_model(
                model,
                look,
                line=False,
                x=numbers([row["forecast"] - last]),
                y=[plain(model)],
                hovertemplate="%{fullData.name}: %{x:.3s}<extra></extra>",
            )
            | place
        )
    return drawn


def _evenly(horizons: list[float]) -> list[float]:
    if len(horizons) <= _MOST_HORIZONS:
        return horizons
    chosen = np.linspace(0, len(horizons) - 1, _MOST_HORIZONS).round().astype(int)
    return [horizons[place] for place in chosen]
