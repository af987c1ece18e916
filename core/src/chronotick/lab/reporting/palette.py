"""Colours and marks of models: the same in every figure and every report.

They are told apart without colour vision too. The twelve colours were tuned so that any two differ
by at least 23 (CIE 1976 colour difference) as people with normal vision, protanopia, deuteranopia
and tritanopia see them (matrices of Machado, Oliveira, Fernandes, "A physiologically-based model
for simulation of color vision deficiency", IEEE Trans. Visualization and Computer Graphics 15,
2009); a test holds them to that. Each model also has a mark, so that no difference is told by
colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

COLOURS: Final = {
    # on white: on black
    "#0410A5": "#7482C2",
    "#A6A5A2": "#824D52",
    "#FA8011": "#F8D218",
    "#1B9C58": "#12FFA0",
    "#CB0508": "#FB4F4D",
    "#93A1FF": "#D5C3FF",
    "#96229B": "#A2277E",
    "#155839": "#B9FFF4",
    "#8358F6": "#7133D2",
    "#061100": "#117115",
    "#49094A": "#D986A6",
    "#6D5B75": "#B774FF",
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
_SHIFT: Final = 5  # of marks, so that a colour comes again with another one
KNOWN: Final = (
    *("kalman", "naive", "drift", "seasonal", "hold", "line"),
    *("chronos", "timesfm", "ttm", "toto", "time-moe", "echo"),
)
"""Models that are drawn alike in every report, in the order of :data:`COLOURS`."""


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
    """Give every model a style of its own; the order of the names does not matter.

    Those of :data:`KNOWN` have the same in every report. Others take, in order of their names, the
    colours of known ones that are not there, and when these are used up all of them again, dashed.
    """
    names = set(models)
    own = {name: _known(place) for place, name in enumerate(KNOWN)}
    free = [own[name] for name in reversed(KNOWN) if name not in names]
    others = sorted(names - own.keys())
    taken = [*free, *(_dashed(place) for place in range(len(others) - len(free)))]
    return {name: own[name] for name in sorted(names & own.keys())} | dict(
        zip(others, taken, strict=False)
    )


def _known(place: int) -> Style:
    return Style(tuple(COLOURS)[place], MARKS[place % len(MARKS)], DASHES[0])


def _dashed(place: int) -> Style:
    again, which = divmod(place, len(COLOURS))
    mark = MARKS[(which + _SHIFT * (again + 1)) % len(MARKS)]
    return Style(tuple(COLOURS)[which], mark, DASHES[1 + again % (len(DASHES) - 1)])
