"""Who beats whom, and who cannot be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from chronotick.lab.reporting.palette import HIGH, INK, LOW, MIDDLE
from chronotick.lab.reporting.plots.canvas import (
    Spec,
    Styles,
    axis,
    canvas,
    looks_of,
    names_axis,
    of_model,
    plain,
    whiskers,
    with_axes,
)

_CELL_PX: Final = 32
_NAMES_PX: Final = 100
_ROW_PX: Final = 30
_BAR_APART: Final = 0.35  # of a rank
_RANKS_NOTE: Final = (
    "Mean of a model's rank over tasks (1: best), with 95 % intervals. A bar on the right joins "
    "models none of which is significantly better than another in pairs, by win rate."
)
_RANKS_ALONE: Final = "Mean of a model's rank over tasks (1: best). Of one host, no interval."


def win_rate_map(pairs: pd.DataFrame, order: Sequence[str]) -> Spec:
    """Return a heat map; see :func:`chronotick.lab.reporting.plot_pairwise`."""
    size = _NAMES_PX + _CELL_PX * len(order)
    spec = canvas(
        "Pairwise win rates",
        "Percent of tasks on which the model of the row beats that of the column (ties count "
        "half): how often, not by how much. *: the 95 % interval excludes 50 %.",
        height=size,
        narrowest=size,
    )
    rates, texts = _cells(pairs, order)
    names = [plain(model) for model in order]
    spec["data"].append(
        {
            "type": "heatmap",
            "z": rates,
            "x": names,
            "y": names,
            "text": texts,
            "texttemplate": "%{text}",
            "textfont": {"size": 11},
            "colorscale": [[0.0, LOW], [0.5, MIDDLE], [1.0, HIGH]],
            "zmin": 0.0,
            "zmax": 1.0,
            "xgap": 2,
            "ygap": 2,
            "hoverongaps": False,
            "hovertemplate": "%{y} against %{x}: %{z:.1%}<extra></extra>",
            "showscale": False,
        }
    )
    columns = axis(type="category", tickangle=-45, showgrid=False)
    return with_axes(spec, columns, names_axis(order, showgrid=False))


def _cells(
    pairs: pd.DataFrame, order: Sequence[str]
) -> tuple[list[list[float | None]], list[list[str]]]:
    rates: list[list[float | None]] = [[None for _ in order] for _ in order]
    texts = [["" for _ in order] for _ in order]
    for row, first in enumerate(order):
        for column, second in enumerate(order):
            if first == second or (first, second) not in pairs.index:
                continue
            pair = pairs.loc[(first, second)]
            if np.isfinite(pair["win_rate"]):
                rates[row][column] = float(pair["win_rate"])
                texts[row][column] = f"{pair['win_rate'] * 100:.0f}{'*' if decided(pair) else ''}"
    return rates, texts


def decided(pair: Any) -> bool:  # noqa: ANN401 - a pandas row
    """Whether the interval of a pair's win rate excludes one half."""
    low, high = pair.get("win_rate_lower", np.nan), pair.get("win_rate_upper", np.nan)
    return bool(low > 0.5 or high < 0.5)  # noqa: PLR2004 - one half


def mean_rank_marks(
    ranks: pd.DataFrame, groups: Sequence[Sequence[str]], *, looks: Styles | None = None
) -> Spec:
    """Return marks of ranks; see :func:`chronotick.lab.reporting.plot_mean_ranks`."""
    looks = looks_of(ranks.index, looks)
    spec = canvas(
        "Mean ranks",
        _RANKS_NOTE if np.isfinite(ranks["rank_lower"]).any() else _RANKS_ALONE,
        height=60 + _ROW_PX * len(ranks),
        showlegend=False,
    )
    models = [str(model) for model in ranks.index]
    for place, (model, (_, row)) in enumerate(zip(models, ranks.iterrows(), strict=True)):
        spec["data"].append(
            of_model(
                model,
                looks[model],
                line=False,
                x=[float(row["rank"])],
                y=[place],
                error_x=whiskers([row["rank"]], [row["rank_lower"]], [row["rank_upper"]]),
                hovertemplate="%{fullData.name}: mean rank %{x:.2f}<extra></extra>",
            )
        )
    first_bar = len(models) + 0.4
    spec["data"] += [
        _joining(models, group, first_bar + _BAR_APART * number)
        for number, group in enumerate(groups)
    ]
    ticks = list(range(1, len(models) + 1))
    right = first_bar + _BAR_APART * max(len(groups), 1)
    names = [plain(model) for model in models]
    return with_axes(
        spec,
        axis("mean rank", range=[0.6, right], tickvals=ticks),
        axis(tickvals=list(range(len(names))), ticktext=names, range=[len(names) - 0.4, -0.6]),
    )


def _joining(models: Sequence[str], group: Sequence[str], at: float) -> dict[str, Any]:
    places = [models.index(model) for model in group]
    return {
        "type": "scatter",
        "x": [at, at],
        "y": [min(places) - 0.2, max(places) + 0.2],
        "mode": "lines",
        "line": {"color": INK, "width": 5},
        "hoverinfo": "skip",
    }
