"""Leaderboard as bars, and cost against skill."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from chronotick.lab.reporting.plots.canvas import (
    Spec,
    Styles,
    axis,
    canvas,
    looks_of,
    names_axis,
    nothing,
    numbers,
    of_model,
    plain,
    reference,
    whiskers,
    with_axes,
)
from chronotick.lab.reporting.plots.logarithmic import skill_axis, unit_axis

_ROW_PX = 30
_BOUNDS = ("_lower", "_upper")
_SKILL_ALONE_HOVER = "%{fullData.name}: %{customdata[0]:.3f}<extra></extra>"
_SKILL_HOVER = (
    "%{fullData.name}: %{customdata[0]:.3f} "
    "(%{customdata[1]:.3f} to %{customdata[2]:.3f})<extra></extra>"
)


def win_rates(board: pd.DataFrame, *, looks: Styles | None = None) -> Spec:
    """Return bars of win rates; see :func:`chronotick.lab.reporting.plot_win_rates`."""
    looks = looks_of(board.index, looks)
    spec = canvas(
        "Win rate",
        "Share of comparisons that a model wins against the others"
        f"{_whiskers_told(board, 'win_rate')}.",
        height=60 + _ROW_PX * len(board),
        showlegend=False,
    )
    value, low, high = _interval(board, "win_rate")
    spec["data"].append(
        {
            "type": "bar",
            "orientation": "h",
            "x": numbers(value),
            "y": [plain(str(model)) for model in board.index],
            "marker": {"color": [looks[str(model)].colour for model in board.index]},
            "error_x": whiskers(value, low, high),
            "hovertemplate": "%{y}: %{x:.1%}<extra></extra>",
        }
    )
    reference(spec, x=0.5)
    rate = axis("win rate", range=[0, 1], tickformat=".0%")
    return with_axes(spec, rate, names_axis(map(str, board.index), showgrid=False))


def skill(board: pd.DataFrame, baseline: str, *, looks: Styles | None = None) -> Spec:
    """Return marks of skill; see :func:`chronotick.lab.reporting.plot_skill`."""
    looks = looks_of(board.index, looks)
    spec = canvas(
        f"Skill against {baseline}",
        f"1 - error divided by that of {baseline} (0: the same; 0.5: half; right: better)"
        f"{_whiskers_told(board, 'skill_score')}.",
        height=60 + _ROW_PX * len(board),
        showlegend=False,
    )
    value, low, high = _interval(board, "skill_score")
    for place, model in enumerate(map(str, board.index)):
        told = [value[place], low[place], high[place]]
        # The upper end of skill is the lower one of the relative error.
        ends = whiskers([1 - told[0]], [1 - told[2]], [1 - told[1]])
        spec["data"].append(
            of_model(
                model,
                looks[model],
                line=False,
                x=numbers([1 - told[0]]),
                y=[plain(model)],
                error_x=ends,
                customdata=[numbers(told)],
                hovertemplate=_SKILL_HOVER if np.isfinite(told).all() else _SKILL_ALONE_HOVER,
            )
        )
    reference(spec, x=1.0)
    ratios = 1.0 - np.concatenate([value, low, high])
    return with_axes(spec, skill_axis("skill", ratios), names_axis(map(str, board.index)))


def latency_against_skill(
    board: pd.DataFrame, latency: pd.DataFrame, baseline: str, *, looks: Styles | None = None
) -> Spec:
    """Return marks of cost and worth; see :func:`chronotick.lab.reporting.plot_latency`."""
    looks = looks_of(board.index, looks)
    spec = canvas(
        "Latency against skill",
        "Mark: median time of a call for one window alone; line to the right: up to its 99th "
        "percentile. Upper left is better. Models without a latency or a skill are not shown.",
        height=400,
    )
    both = board.join(latency, how="inner")
    both = both[(both["p50_s"] > 0) & np.isfinite(both["skill_score"])]
    if both.empty:
        return nothing(spec, "No model was asked for one window alone: no latency is known.")
    for model, row in both.iterrows():
        spec["data"].append(_cost(str(model), row, looks))
    times = [*both["p50_s"], *both["p99_s"]]
    return with_axes(
        spec,
        unit_axis("time of a call for one window", "s", times),
        skill_axis(f"skill against {baseline}", 1.0 - both["skill_score"]),
    )


def _cost(model: str, row: Any, looks: Styles) -> dict[str, Any]:  # noqa: ANN401 - a pandas row
    look, times = looks[model], (row["p50_s"], row["p99_s"])
    return of_model(
        model,
        look,
        line=False,
        x=numbers([times[0]]),
        y=numbers([1.0 - row["skill_score"]]),
        text=[plain(model)],
        textposition="top center",
        textfont={"size": 11},
        error_x=whiskers([times[0]], [times[0]], [times[1]], color=look.colour),
        customdata=[numbers([times[1], row["skill_score"], row["asked"]])],
        hovertemplate="%{fullData.name}: p50 %{x:.3s}s, p99 %{customdata[0]:.3s}s of "
        "%{customdata[2]} calls, skill %{customdata[1]:.3f}<extra></extra>",
    ) | {"mode": "markers+text"}


def _whiskers_told(board: pd.DataFrame, name: str) -> str:
    """What whiskers are, where there are any: of one host there is no interval."""
    low = f"{name}{_BOUNDS[0]}"
    known = low in board and np.isfinite(board[low].to_numpy(dtype=float)).any()
    return "; whiskers: 95 % intervals" if known else ""


def _interval(board: pd.DataFrame, name: str) -> list[np.ndarray]:
    """Values and bounds; without a bootstrap there are none, and the bounds are the values."""
    value = board[name].to_numpy(dtype=float)
    bounds = [
        board[f"{name}{end}"].to_numpy(dtype=float) if f"{name}{end}" in board else value
        for end in _BOUNDS
    ]
    return [value, *bounds]
