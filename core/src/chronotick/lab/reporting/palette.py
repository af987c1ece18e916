"""Colours and marks of models: the same in every figure, told apart without colour vision too.

The eight colours were tuned so that any two differ by at least 23 (CIE 1976 colour difference) as
people with normal vision, protanopia, deuteranopia and tritanopia see them (matrices of Machado,
Oliveira, Fernandes, "A physiologically-based model for simulation of color vision deficiency",
IEEE Trans. Visualization and Computer Graphics 15, 2009); a test holds them to that. Each model
also has a mark, so that no difference is told by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

COLOURS: Final = {
    # on white: on black
    "#347FDD": "#3890DE",
    "#E27158": "#FF8F82",
    "#4805CC": "#7C59FF",
    "#D4A30A": "#EDF636",
    "#873C5D": "#D7387B",
    "#453B07": "#838C18",
    "#A0A9C0": "#D0ACD3",
    "#09001A": "#D9FFE6",
}
INK: Final = "#1C2026"
FAINT: Final = "#5E6673"
GRID: Final = "#E3E6EB"
PAPER: Final = "#FFFFFF"
LOW: Final = "#C4581B"  # of the pairwise view: loses
MIDDLE: Final = "#F4F4F1"
HIGH: Final = "#2166AC"  # wins
DARK: Final = COLOURS | {
    INK: "#E4E7EC",
    FAINT: "#9AA4B2",
    GRID: "#30363F",
    PAPER: "#15181D",
    LOW: "#C25A1E",
    MIDDLE: "#2B2F36",
    HIGH: "#2F78C4",
}
"""What each colour of a figure becomes on a dark page; the page's script replaces them."""

MARKS: Final = (
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "cross",
    "x",
    "triangle-down",
    "star",
    "pentagon",
    "hourglass",
    "bowtie",
)
DASHES: Final = ("solid", "dash", "dot", "dashdot")


@dataclass(frozen=True, slots=True)
class Style:
    """How one model is drawn.

    Attributes:
        colour: on white, as ``#RRGGBB``.
        mark: plotly's name of a symbol.
        dash: plotly's name of a line.
    """

    colour: str
    mark: str
    dash: str


def styles(models: Iterable[str]) -> dict[str, Style]:
    """Give every model a style of its own; the order of the names does not matter."""
    colours = tuple(COLOURS)
    return {
        model: Style(
            colours[place % len(colours)],
            MARKS[place % len(MARKS)],
            DASHES[place // len(colours) % len(DASHES)],
        )
        for place, model in enumerate(sorted(set(models)))
    }
