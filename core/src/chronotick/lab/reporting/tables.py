"""Tables of a report, for HTML and Markdown alike."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from chronotick.lab.reporting.html import Html, joined, tag

_LONG: Final = 24  # characters of a text that may be broken into lines
_SENTENCE: Final = 48  # of one that needs room to be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell.

    Attributes:
        text: what is shown.
        value: what rows are sorted by; NaN goes last.
        more: what is told on hovering, in HTML.
    """

    text: str
    value: float | str = ""
    more: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table.

    Attributes:
        caption: what it is, in a sentence.
        columns: their titles.
        rows: their cells.
        numeric: which columns are numbers, by title.
    """

    caption: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    numeric: frozenset[str] = frozenset()


def cell(text: str, value: float | str | None = None, more: str = "") -> Cell:
    """Return a cell; without a value it is sorted by its text."""
    return Cell(text=text, value=text if value is None else value, more=more)


def html_table(table: Table) -> Html:
    """Return a table as HTML; the page's script sorts it when a title is pressed."""
    titles = [
        tag(
            "th",
            tag("button", title, type="button"),
            scope="col",
            class_="number" if title in table.numeric else False,
        )
        for title in table.columns
    ]
    body = [tag("tr", _cells(table, row)) for row in table.rows]
    drawn = tag("table", tag("thead", tag("tr", *titles)), tag("tbody", *body))
    scrolled = tag("div", drawn, class_="scroll", tabindex="0")
    # Outside the table: a caption would scroll away with it on a narrow screen.
    return (
        joined([tag("p", table.caption, class_="caption"), scrolled]) if table.caption else scrolled
    )


def _cells(table: Table, row: Sequence[Cell]) -> Html:
    found = []
    for place, (title, each) in enumerate(zip(table.columns, row, strict=True)):
        found.append(
            tag(
                "td" if place else "th",
                each.text,
                scope=False if place else "row",
                class_=_class(each, title, table),
                data_value=_sortable(each.value),
                title=each.more or (each.text if not place else False),
            )
        )
    return joined(found)


def _class(each: Cell, title: str, table: Table) -> str | bool:
    if title in table.numeric:
        return "number"
    if len(each.text) > _SENTENCE:
        return "sentence"
    return "long" if len(each.text) > _LONG else False


def _sortable(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return "" if math.isnan(value) else repr(float(value))


def markdown_table(table: Table) -> str:
    """Return a table in GitHub's Markdown, its caption below."""
    ruler = [" ---: " if title in table.numeric else " --- " for title in table.columns]
    lines = [
        _line(markdown(title) for title in table.columns),
        "|" + "|".join(ruler) + "|",
        *(_line(markdown(each.text) for each in row) for row in table.rows),
    ]
    caption = [f"\n{markdown(table.caption)}"] if table.caption else []
    return "\n".join([*lines, *caption]) + "\n"


def markdown(text: str) -> str:
    """Return text that Markdown shows as it is, in one line."""
    shown = " ".join(text.split())
    for character in "\\`*_{}[]|#~$":
        shown = shown.replace(character, f"\\{character}")
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
