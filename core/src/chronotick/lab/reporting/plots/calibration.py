"""Whether intervals hold what they promise, and what they cost in width."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from chronotick.lab.reporting.palette import FAINT
from chronotick.lab.reporting.plots.canvas import (
    Spec,
    Styles,
    axis,
    canvas,
    looks_of,
    nothing,
    numbers,
    of_model,
    reference,
    with_axes,
)
from chronotick.lab.reporting.plots.logarithmic import horizon_axis, ratio_axis

_NOTHING: Final = "No model has intervals."
_TASKS_ALIKE: Final = "Mean over tasks, each trace and horizon counting the same."
_NOMINAL: Final = 0.95
_TOP: Final = 1.02


def calibration(coverage: pd.DataFrame, *, looks: Styles | None = None) -> Spec:
    """Return coverage curves; see :func:`chronotick.lab.reporting.plot_calibration`."""
    spec = canvas(
        "Nominal against actual coverage",
        f"On the dotted line: calibrated; below it, intervals are too narrow. {_TASKS_ALIKE}",
        height=380,
    )
    if coverage.empty:
        return nothing(spec, _NOTHING)
    line = {"color": FAINT, "width": 1.2, "dash": "dot"}
    diagonal = {"type": "line", "line": line, "x0": 0, "x1": 1, "y0": 0, "y1": 1}
    spec["layout"]["shapes"].append(diagonal)
    template = "%{fullData.name}: %{x:.0%} intervals hold %{y:.1%}<extra></extra>"
    spec["data"] += _curves(coverage, looks, template)
    return with_axes(
        spec,
        axis("nominal coverage", range=[0, 1], tickformat=".0%"),
        axis("actual coverage", range=[0, _TOP], tickformat=".0%"),
    )


def deciles(shares: pd.DataFrame, *, looks: Styles | None = None) -> Spec:
    """Return shares of targets; see :func:`chronotick.lab.reporting.plot_deciles`."""
    spec = canvas(
        "Where targets fell among the forecast deciles",
        "Flat at 10 %: calibrated; a bowl: too narrow; a hill: too wide; a slope: biased. "
        f"{_TASKS_ALIKE}",
        height=380,
    )
    if shares.empty:
        return nothing(spec, _NOTHING)
    spec["data"] += _curves(
        shares, looks, "%{fullData.name}: %{y:.1%} in tenth %{x}<extra></extra>"
    )
    reference(spec, y=1.0 / shares.shape[1])
    return with_axes(
        spec,
        axis("tenth of the forecast distribution, lowest first", dtick=1, showgrid=False),
        axis("share of targets", rangemode="tozero", tickformat=".0%"),
    )


def coverage_by_horizon(coverage: pd.DataFrame, *, looks: Styles | None = None) -> Spec:
    """Return curves of coverage; see :func:`chronotick.lab.reporting.plot_coverage_by_horizon`."""
    spec = canvas(
        "Coverage of 95 % intervals by horizon",
        "Mean over traces; dotted: the nominal 95 %.",
        height=340,
    )
    if coverage.empty:
        return nothing(spec, _NOTHING)
    spec["data"] += _curves(coverage, looks, "%{fullData.name}: %{y:.1%}<extra></extra>")
    reference(spec, y=_NOMINAL)
    least = np.floor(10 * min(float(np.nanmin(coverage.to_numpy())), 0.89)) / 10
    return with_axes(
        spec,
        horizon_axis(float(horizon) for horizon in coverage.columns),
        axis("actual coverage", range=[least - 0.02, _TOP], tickformat=".0%"),
    )


def widths(found: pd.DataFrame, baseline: str, *, looks: Styles | None = None) -> Spec:
    """Return marks of width and coverage; see :func:`chronotick.lab.reporting.plot_widths`."""
    looks = looks_of(found.index, looks)
    spec = canvas(
        "Width against coverage of 95 % intervals",
        f"Width: median over tasks of the ratio to {baseline}'s. Best: narrow (low) at the dotted "
        "95 %. A narrow interval that does not hold is worth nothing.",
        height=340,
    )
    known = found[np.isfinite(found["width"]) & np.isfinite(found["coverage"])]
    if known.empty:
        return nothing(spec, f"No model has intervals to compare with those of {baseline}.")
    for model, row in known.iterrows():
        spec["data"].append(
            of_model(
                str(model),
                looks[str(model)],
                line=False,
                x=numbers([row["coverage"]]),
                y=numbers([row["width"]]),
                hovertemplate="%{fullData.name}: holds %{x:.1%}, %{y:.2f} times as wide"
                "<extra></extra>",
            )
        )
    reference(spec, x=_NOMINAL)
    name = f"width relative to {baseline}"
    return with_axes(
        spec, axis("actual coverage", tickformat=".0%"), ratio_axis(name, known["width"])
    )


def _curves(table: pd.DataFrame, looks: Styles | None, template: str) -> list[dict[str, Any]]:
    """A curve for each row, over the columns."""
    looks = looks_of(table.index, looks)
    return [
        of_model(
            str(model),
            looks[str(model)],
            x=numbers([float(column) for column in table.columns]),
            y=numbers(row.to_numpy(dtype=float)),
            hovertemplate=template,
        )
        for model, row in table.iterrows()
    ]
