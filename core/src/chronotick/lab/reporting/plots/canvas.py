"""What all figures have in common.

Figures are made as plain dictionaries, as plotly's JavaScript takes them: checking each attribute
in Python takes longer than everything else in a report. :func:`finished` checks them for notebooks.
"""

from __future__ import annotations

import base64
import html
import math
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from chronotick.lab.reporting.palette import FAINT, GRID, INK, Style, styles

FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
LINE_WIDTH: Final = 1.8
MARK_SIZE: Final = 8
BOTTOM_PX: Final = 44  # for a horizontal axis and its title
_TITLE_PX: Final = 46
_NOTE_PX: Final = 17  # a line of the note
_NOTE_WIDTH: Final = 104  # characters of the note in a line
_FEW: Final = 32  # numbers that are written as such

Spec = dict[str, Any]
Styles = Mapping[str, Style]


def canvas(
    title: str, note: str = "", *, height: int = 400, narrowest: int = 0, **layout: object
) -> Spec:
    """Return an empty figure.

    Args:
        title: what it shows.
        note: how it was made, and what the reader must know; below the title.
        height: in pixels, without title and note.
        narrowest: width in pixels below which a page lets the reader scroll.
        layout: further attributes of plotly's layout.

    Returns:
        ``data`` and ``layout``, on a transparent ground; ``layout["meta"]`` holds ``title``,
        ``note`` and ``narrowest`` for pages that show them themselves.
    """
    lines = textwrap.wrap(note, _NOTE_WIDTH)
    top = _TITLE_PX + _NOTE_PX * len(lines)
    text = "<br>".join(map(plain, lines))
    heading = {
        "text": f"<b>{plain(title)}</b>",
        "subtitle": {"text": text, "font": {"size": 12, "color": FAINT}},
        "font": {"size": 15},
        "x": 0.0,
        "xref": "container",
        "xanchor": "left",
        "yref": "container",
        "y": 1.0,
        "yanchor": "top",
        "pad": {"t": 10, "l": 10},
    }
    common = {
        "title": heading,
        "meta": {"title": title, "note": note, "narrowest": narrowest},
        "font": {"family": FONT, "size": 12, "color": INK},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "height": height + top,
        "margin": {"l": 16, "r": 16, "t": top, "b": BOTTOM_PX},
        "hoverlabel": {"font": {"family": FONT, "size": 12}},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": FAINT, "activecolor": INK},
        "shapes": [],
        "annotations": [],
    }
    return {"data": [], "layout": common | layout}


def finished(spec: Spec) -> go.Figure:
    """Return a figure for notebooks and exports; plotly checks all its attributes."""
    layout = {"template": go.layout.Template()} | spec["layout"]
    data = [{name: _unpacked(value) for name, value in each.items()} for each in spec["data"]]
    return go.Figure(data=data, layout=layout)


def plain(text: str) -> str:
    """Return text that plotly draws as it is: it would take ``<b>`` and ``&amp;`` as markup."""
    return html.escape(text, quote=False)


def numbers(values: ArrayLike) -> list[float | None] | dict[str, str]:
    """Return numbers as JSON takes them: few as they are (NaN: ``None``), many packed.

    Packed ones are single precision, which is more than a screen can show.
    """
    array = np.asarray(values, dtype=float)
    if array.size > _FEW:
        packed = base64.b64encode(array.astype("<f4").tobytes()).decode("ascii")
        return {"dtype": "f4", "bdata": packed}
    return [float(f"{each:.6g}") if math.isfinite(each) else None for each in array.tolist()]


def _unpacked(value: object) -> object:
    """Numbers that were packed, as an array again; anything else as it is."""
    if isinstance(value, dict) and "bdata" in value:
        return np.frombuffer(base64.b64decode(value["bdata"]), dtype="<f4")
    return value


def axis(title: str = "", **more: object) -> dict[str, Any]:
    """Return the attributes of an axis."""
    return {
        "title": {"text": plain(title), "font": {"size": 12, "color": FAINT}, "standoff": 8},
        "gridcolor": GRID,
        "linecolor": GRID,
        "zeroline": False,
        "ticks": "",
        "tickfont": {"size": 11, "color": FAINT},
        "automargin": True,
        **more,
    }


def names_axis(models: Iterable[str], **more: object) -> dict[str, Any]:
    """Return a vertical axis with a model in each row, the first on top."""
    names = [plain(model) for model in models]
    order: dict[str, object] = {"categoryorder": "array", "categoryarray": names}
    return axis(type="category", autorange="reversed") | order | more


def looks_of(models: Iterable[str], looks: Styles | None) -> Styles:
    """Return the styles to use: those of the report, or of these models alone."""
    return styles(map(str, models)) if looks is None else looks


def of_model(model: str, look: Style, *, line: bool = True, **more: object) -> dict[str, Any]:
    """Return what a model's curve, or its marks, have in every figure."""
    return {
        "type": "scatter",
        "name": plain(model),
        "legendgroup": model,
        "mode": "lines+markers" if line else "markers",
        "line": {"color": look.colour, "width": LINE_WIDTH, "dash": look.dash},
        "marker": {"color": look.colour, "symbol": look.mark, "size": MARK_SIZE},
        **more,
    }


def whiskers(value: ArrayLike, low: ArrayLike, high: ArrayLike, **more: object) -> dict[str, Any]:
    """Return error bars from the ends of intervals."""
    middle, bottom, top = (np.asarray(each, dtype=float) for each in (value, low, high))
    return {
        "type": "data",
        "symmetric": False,
        "array": numbers(np.maximum(top - middle, 0.0)),
        "arrayminus": numbers(np.maximum(middle - bottom, 0.0)),
        "color": INK,
        "thickness": 1.2,
        "width": 4,
        **more,
    }


def reference(spec: Spec, *, x: float | None = None, y: float | None = None) -> None:
    """Draw the line that things are compared with."""
    if x is not None:
        across(spec, x, line={"color": FAINT, "width": 1.2, "dash": "dot"})
    if y is not None:
        line = {"color": FAINT, "width": 1.2, "dash": "dot"}
        ends = {"xref": "paper", "x0": 0, "x1": 1, "yref": "y", "y0": y, "y1": y}
        spec["layout"]["shapes"].append({"type": "line", "line": line} | ends)


def across(spec: Spec, x: float, *, line: dict[str, Any], horizontal: str = "x") -> None:
    """Draw a vertical line over the whole height."""
    ends = {"yref": "paper", "y0": 0, "y1": 1, "xref": horizontal, "x0": x, "x1": x}
    spec["layout"]["shapes"].append({"type": "line", "line": line} | ends)


def nothing(spec: Spec, why: str) -> Spec:
    """Say in a figure why it is empty."""
    spec["layout"]["annotations"].append(
        {
            "text": "<br>".join(map(plain, textwrap.wrap(why, 48))),
            "showarrow": False,
            "x": 0.5,
            "y": 0.5,
            "xref": "paper",
            "yref": "paper",
            "font": {"size": 13, "color": FAINT},
        }
    )
    return with_axes(spec, {"visible": False}, {"visible": False})


def with_axes(spec: Spec, x: dict[str, Any], y: dict[str, Any]) -> Spec:
    """Give a figure its axes."""
    spec["layout"] |= {"xaxis": x, "yaxis": y}
    return spec
