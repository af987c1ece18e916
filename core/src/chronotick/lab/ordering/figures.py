"""A study as a figure: unknown answers, false ones and waits, side by side."""

from __future__ import annotations

import math
from itertools import cycle, pairwise

import plotly.graph_objects as go
from plotly.colors import qualitative
from plotly.subplots import make_subplots

from chronotick.lab.ordering.bootstrap import Ranged
from chronotick.lab.ordering.scores import IntervalScore
from chronotick.lab.ordering.study import Study

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
TITLES = (
    "Unknown order by true separation",
    "False orders among definite answers (line: nominal)",
    "Commit-wait: until every node knows",
)
HEIGHT = 640
WIDTH = 0.8  # of a level, on its axis
IN_SECONDS = {"exponentformat": "SI", "ticksuffix": "s"}


def figure(study: Study) -> go.Figure:
    """Draw a study.

    A colour is a method and a dash a level. The highest confidence and the hard bounds are shown
    first; a click on the legend brings the others. Bars are bootstrap intervals over node pairs.
    """
    drawn = make_subplots(rows=1, cols=3, subplot_titles=TITLES)
    colours = dict(zip(study.methods, cycle(qualitative.Plotly), strict=False))
    for number, (method, colour) in enumerate(colours.items()):
        beside = WIDTH * ((number + 0.5) / len(colours) - 0.5)
        scores = [study.score(method, level) for level in study.levels]
        for score, dash in zip(scores, cycle(DASHES), strict=False):
            drawn.add_trace(_unknown(study, score, colour, dash), row=1, col=1)
        false = [score.false for score in scores]
        waits = [score.wait_s[0] for score in scores]
        for column, values in ((2, false), (3, waits)):
            drawn.add_trace(_bars(method, colour, beside, values), row=1, col=column)
    _nominal(drawn, study)
    _axes(drawn, study)
    names = ", ".join(node.name for node in study.nodes)
    drawn.update_layout(
        title=f"{study.settings.events} pairs of events on {names}",
        template="plotly_white",
        height=HEIGHT,
        legend={"tracegroupgap": 0, "font": {"size": 10}},
    )
    return drawn


def _axes(drawn: go.Figure, study: Study) -> None:
    ends = [math.log10(study.separations_s[end]) for end in (0, -1)]
    drawn.update_xaxes(
        type="log", range=ends, dtick=1, title="true separation", row=1, col=1, **IN_SECONDS
    )
    levels = {"tickvals": list(range(len(study.levels))), "ticktext": study.levels}
    for column in (2, 3):
        drawn.update_xaxes(title="level", row=1, col=column, **levels)
    drawn.update_yaxes(tickformat=".0%", range=[-0.02, 1.02], row=1, col=1)
    drawn.update_yaxes(tickformat=".2~%", rangemode="tozero", row=1, col=2)
    drawn.update_yaxes(type="log", dtick=1, title="median", row=1, col=3, **IN_SECONDS)


def _unknown(study: Study, score: IntervalScore, colour: str, dash: str) -> go.Scatter:
    middles = [math.sqrt(low * high) for low, high in pairwise(study.separations_s)]
    shown = score.level in study.levels[-2:]
    return go.Scatter(
        x=middles,
        y=[each.value for each in score.unknown_by_separation],
        name=f"{score.method} {score.level}",
        legendgroup=score.method,
        visible=True if shown else "legendonly",
        line={"color": colour, "dash": dash},
        hovertemplate="%{x:.3s}s: %{y:.1%}",
    )


def _bars(method: str, colour: str, beside: float, values: list[Ranged]) -> go.Scatter:
    known = [each if math.isfinite(each.value) else Ranged(math.nan) for each in values]
    return go.Scatter(
        x=[number + beside for number in range(len(values))],
        y=[each.value for each in known],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [_distance(each.high, each.value) for each in known],
            "arrayminus": [_distance(each.value, each.low) for each in known],
        },
        mode="markers",
        marker={"color": colour, "size": 9},
        name=method,
        showlegend=False,
    )


def _distance(far: float, near: float) -> float:
    distance = far - near
    return distance if math.isfinite(distance) else 0.0


def _nominal(drawn: go.Figure, study: Study) -> None:
    """A line across each level."""
    for number, share in enumerate(study.settings.nominal):
        x0, x1 = (number + side * WIDTH / 2 for side in (-1, 1))
        ends = {"x0": x0, "x1": x1, "y0": share, "y1": share}
        drawn.add_shape(type="line", line={"color": "black", "width": 1.5}, row=1, col=2, **ends)
