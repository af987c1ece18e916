"""A study as figures: unknown answers, false ones and waits.

A method has one colour and mark in all of them, that of the report of a comparison where it is a
model there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import plotly.graph_objects as go

from chronotick.lab.ordering.bootstrap import Ranged
from chronotick.lab.ordering.study import Study
from chronotick.lab.ordering.summary import decided, sure_level
from chronotick.lab.reporting.palette import INK, styles
from chronotick.lab.reporting.plots.canvas import (
    BOTTOM_PX,
    Spec,
    Styles,
    axis,
    canvas,
    finished,
    nothing,
    numbers,
    of_model,
    plain,
    whiskers,
    with_axes,
)
from chronotick.lab.reporting.plots.logarithmic import unit_axis

HEIGHT_PX = 420
ROOM_PX = 110  # between panels, for an axis and the next title
TITLE_PX = 24  # of the first panel
WIDTH = 0.7  # of a level, on its axis
_NOT = Ranged(math.nan)
BRACKETS = "Whiskers: bootstrap intervals of 95 % over node pairs."


def figure(study: Study, level: str | None = None) -> go.Figure:
    """Draw a study for a notebook, one panel below the other.

    Args:
        study: it.
        level: of the panel of unknown orders; ``None``: the highest confidence.
    """
    panels = [unknown_orders(study, level or sure_level(study)), false_orders(study), waits(study)]
    names = ", ".join(node.name for node in study.nodes)
    return finished(_stacked(f"{study.settings.events} pairs of events on {names}", panels))


def looks_of(study: Study) -> Styles:
    """Return how each method is drawn."""
    return styles(study.methods)


def unknown_orders(study: Study, level: str) -> Spec:
    """Return curves of the share of unknown orders by true separation, at a level."""
    looks, there = looks_of(study), decided(study, level)
    silent = [method for method in study.methods if method not in there]
    note = "Share of pairs of events without a definite answer, in bins of their true separation."
    if silent:
        note += f" Not drawn, since all answers are unknown: {', '.join(silent)}."
    spec = canvas(f"Unknown order by true separation, level {level}", note, height=HEIGHT_PX)
    if not there:
        return nothing(spec, f"No method has a definite answer at level {level}.")
    middles = [math.sqrt(low * high) for low, high in pairwise(study.separations_s)]
    for method in there:
        values = study.score(method, level).unknown_by_separation
        spec["data"].append(
            of_model(
                method,
                looks[method],
                x=middles,
                y=numbers([each.value for each in values]),
                hovertemplate="%{fullData.name}, %{x:.3s}s apart: %{y:.1%} unknown<extra></extra>",
            )
        )
    return with_axes(
        spec,
        unit_axis("true separation", "s", study.separations_s),
        axis("order unknown", tickformat=".0%", range=[-0.03, 1.03]),
    )


def false_orders(study: Study) -> Spec:
    """Return marks of the share of false orders among definite answers, by level."""
    spec = canvas(
        "False orders among definite answers",
        f"Lines across: what each level allows of all pairs. {BRACKETS}",
        height=HEIGHT_PX,
    )
    spec["data"] = _marks(
        study, "%{y:.2~%} false", lambda method, level: study.score(method, level).false
    )
    for number, share in enumerate(study.settings.nominal):
        x0, x1 = (number + side * WIDTH / 2 for side in (-1, 1))
        ends = {"xref": "x", "x0": x0, "x1": x1, "yref": "y", "y0": share, "y1": share}
        line = {"color": INK, "width": 1.5}
        spec["layout"]["shapes"].append({"type": "line", "line": line} | ends)
    share_axis = axis("false orders", tickformat=".2~%", rangemode="tozero")
    return with_axes(spec, _level_axis(study), share_axis)


def waits(study: Study) -> Spec:
    """Return marks of the median commit-wait until every node knows, by level."""
    spec = canvas(
        "Commit-wait: until every node knows",
        f"Median; methods that would wait for ever are not drawn. {BRACKETS}",
        height=HEIGHT_PX,
    )
    spec["data"] = _marks(
        study, "%{y:.3s}s", lambda method, level: study.score(method, level).wait_s[0]
    )
    known = [each.wait_s[0].value for each in study.intervals]
    return with_axes(spec, _level_axis(study), unit_axis("median wait", "s", known))


def _marks(study: Study, told: str, value: Callable[[str, str], Ranged]) -> list[dict[str, Any]]:
    """Marks of each method, beside each other at each level at which it has answers."""
    looks, drawn = looks_of(study), []
    for number, method in enumerate(study.methods):
        beside = WIDTH * ((number + 0.5) / len(study.methods) - 0.5)
        known = [
            each if method in decided(study, level) and math.isfinite(each.value) else _NOT
            for level in study.levels
            for each in [value(method, level)]
        ]
        if all(each is _NOT for each in known):
            continue
        ends = ([getattr(each, end) for each in known] for end in ("value", "low", "high"))
        drawn.append(
            of_model(
                method,
                looks[method],
                line=False,
                x=[place + beside for place in range(len(known))],
                y=numbers([each.value for each in known]),
                error_y=whiskers(*(np.where(np.isfinite(each), each, np.nan) for each in ends)),
                cliponaxis=False,  # a mark at 0 is whole
                hovertemplate=f"%{{fullData.name}}: {told}<extra></extra>",
            )
        )
    return drawn


def _level_axis(study: Study) -> dict[str, Any]:
    places = list(range(len(study.levels)))
    ends = [-0.5, len(places) - 0.5]
    return axis(
        "confidence, or hard bound",
        tickvals=places,
        ticktext=list(study.levels),
        range=ends,
        showgrid=False,
    )


def _stacked(title: str, panels: Sequence[Spec]) -> Spec:
    """Put figures below each other, with one legend; their notes are left to pages."""
    height = len(panels) * (HEIGHT_PX + ROOM_PX) - ROOM_PX
    whole = canvas(title, height=height + BOTTOM_PX + TITLE_PX, legend={"tracegroupgap": 0})
    whole["layout"]["margin"]["t"] += TITLE_PX
    shown: set[str] = set()
    for number, panel in enumerate(panels):
        top = 1.0 - number * (HEIGHT_PX + ROOM_PX) / height
        own = "" if number == 0 else str(number + 1)
        axes = {"xaxis": f"x{own}", "yaxis": f"y{own}"}
        for each in panel["data"]:
            first = each["legendgroup"] not in shown
            shown.add(each["legendgroup"])
            whole["data"].append(each | axes | {"showlegend": first})
        for shape in panel["layout"]["shapes"]:
            placed = {"xref": axes["xaxis"], "yref": axes["yaxis"]}
            whole["layout"]["shapes"].append(shape | placed)
        domain = [top - HEIGHT_PX / height, top]
        layout = panel["layout"]
        whole["layout"] |= {
            f"xaxis{own}": layout["xaxis"] | {"anchor": axes["yaxis"]},
            f"yaxis{own}": layout["yaxis"] | {"anchor": axes["xaxis"], "domain": domain},
        }
        whole["layout"]["annotations"].append(_title(layout["meta"]["title"], top))
    return whole


def _title(text: str, top: float) -> dict[str, Any]:
    place = {"x": 0.0, "xref": "paper", "y": top, "yref": "paper", "yshift": 6}
    aligned = {"xanchor": "left", "yanchor": "bottom", "showarrow": False}
    return {"text": f"<b>{plain(text)}</b>", "font": {"size": 13}} | place | aligned
