"""Parts of a page: figures with their legends, panels that belong to a choice, selectors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chronotick.lab.reporting.gallery import Drawing
from chronotick.lab.reporting.html import Html, embedded_json, joined, tag
from chronotick.lab.reporting.palette import COLOURS, Style
from chronotick.lab.reporting.plots.canvas import Spec

_TOP_PX: Final = 30  # for plotly's buttons
_HALF_PX: Final = 560  # of a wide page: figures that need more get its full width
_DASHED: Final = {"solid": "none", "dash": "6 4", "dot": "2 3", "dashdot": "6 3 2 3"}
_SHAPES: Final = {
    "circle": "M8 6a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z",
    "square": "M8.6 1.6h8.8v8.8h-8.8Z",
    "diamond": "M13 0L19 6L13 12L7 6Z",
    "triangle-up": "M13 0.5L19 11H7Z",
    "triangle-down": "M13 11.5L19 1H7Z",
    "cross": "M11 1h4v3h3v4h-3v3h-4v-3h-3v-4h3Z",
    "x": "M9 0L13 3.6L17 0L19.2 2.2L15.6 6L19.2 9.8L17 12L13 8.4L9 12L6.8 9.8L10.4 6L6.8 2.2Z",
    "star": "M13 -0.5L14.7 4.2L19.7 4.3L15.8 7.3L17.2 12L13 9.2L8.8 12L10.2 7.3L6.3 4.3L11.3 4.2Z",
    "pentagon": "M13 0L19 4.6L16.7 11.6H9.3L7 4.6Z",
    "hourglass": "M7.5 0.5H18.5L7.5 11.5H18.5Z",
    "bowtie": "M7.5 0.5L18.5 11.5V0.5L7.5 11.5Z",
}
"""Marks as paths in a box of 26 by 12 pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A selector.

    Attributes:
        name: of the choice.
        label: what is chosen.
        options: value and text of each; the first is chosen at first.
    """

    name: str
    label: str
    options: Sequence[tuple[str, str]]

    @property
    def first(self) -> dict[str, str]:
        """What is chosen at first."""
        return {self.name: self.options[0][0]} if self.options else {}


def selector(choice: Choice) -> Html:
    """Return a selector; ``autocomplete`` off: a reload begins anew, as the page does."""
    options = [tag("option", text, value=value) for value, text in choice.options]
    return tag(
        "label",
        tag("span", choice.label),
        tag(
            "select",
            *options,
            data_choice=choice.name,
            aria_label=choice.label,
            autocomplete="off",
        ),
    )


def panel(content: Html, when: Mapping[str, str], chosen: Mapping[str, str]) -> Html:
    """Return contents that are shown while the reader's choices are ``when``."""
    away = any(chosen.get(name) != value for name, value in when.items())
    return tag("div", content, data_when=json.dumps(dict(when)), hidden=away)


def panels(
    drawings: Iterable[Drawing], looks: Mapping[str, Style], chosen: Mapping[str, str]
) -> Html:
    """Return figures, those of the same choice beside each other."""
    groups: dict[str, list[Drawing]] = {}
    for drawing in drawings:
        groups.setdefault(json.dumps(dict(drawing.when), sort_keys=True), []).append(drawing)
    return joined(
        panel(
            tag("div", *(figure(each, looks) for each in group), class_="pair"),
            group[0].when,
            chosen,
        )
        for group in groups.values()
    )


def figure(drawing: Drawing, looks: Mapping[str, Style]) -> Html:
    """Return a figure: caption, drawing, legend, and its data for the page's script."""
    meta = drawing.spec["layout"]["meta"]
    narrowest = int(meta["narrowest"])
    spec = for_page(drawing.spec)
    height = spec["layout"]["height"]
    style = f"height:{height}px" + (f";min-width:{narrowest}px" if narrowest else "")
    text = json.dumps(spec, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    plot = tag("div", class_="plot", data_figure=drawing.name, style=style)
    return tag(
        "figure",
        tag("figcaption", meta["title"], tag("small", meta["note"])),
        tag("div", plot, class_="scroll"),
        legend(drawing.spec, looks),
        embedded_json(drawing.name, text),
        class_="wide" if narrowest > _HALF_PX else False,
    )


def for_page(spec: Spec) -> Spec:
    """Return a figure without what the page itself shows: title and legend."""
    layout = {
        name: value for name, value in spec["layout"].items() if name not in {"title", "meta"}
    }
    margin = layout["margin"]
    layout |= {
        "showlegend": False,
        "height": layout["height"] - margin["t"] + _TOP_PX,
        "margin": margin | {"t": _TOP_PX, "l": 8, "r": 12},
    }
    return {"data": spec["data"], "layout": layout}


def legend(spec: Spec, looks: Mapping[str, Style]) -> Html:
    """Return a legend that hides and shows a model in all figures; none where axes name models."""
    models = sorted({each["legendgroup"] for each in spec["data"] if "legendgroup" in each})
    if not models or spec["layout"].get("showlegend") is False:
        return Html("")
    return tag("ul", *(tag("li", _key(model, looks[model])) for model in models), class_="legend")


def _key(model: str, look: Style) -> Html:
    colours = f"--light:{look.colour};--dark:{COLOURS[look.colour]}"
    line = tag("path", d="M0 6H26", stroke_dasharray=_DASHED[look.dash])
    mark = tag("path", d=_SHAPES[look.mark], class_="mark")
    drawn = tag("svg", line, mark, viewBox="0 0 26 12", aria_hidden="true", style=colours)
    return tag("button", drawn, model, type="button", aria_pressed="true", data_model=model)
