"""The report as one HTML file that needs nothing else, and what such pages have in common."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Final

from plotly.offline import get_plotlyjs

from chronotick.lab.reporting.findings import Findings
from chronotick.lab.reporting.fragments import selector
from chronotick.lab.reporting.headline import title
from chronotick.lab.reporting.html import Html, data, joined, tag
from chronotick.lab.reporting.palette import DARK
from chronotick.lab.reporting.sections import (
    Section,
    metric_choice,
    sections,
    summary,
    target_choice,
)

POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'"
)
"""What the page may load: nothing. Browsers hold it to that."""
NOTHING: Final = Html("")


def page(findings: Findings) -> str:
    """Return the report as HTML."""
    choices = [selector(target_choice(findings)), selector(metric_choice(findings))]
    return document(
        title(findings),
        summary(findings),
        list(sections(findings)),
        choices=tag("div", tag("div", *choices), class_="choices"),
        made_by="chronotick compare",
    )


def document(
    title: str, head: Html, parts: Sequence[Section], *, made_by: str, choices: Html = NOTHING
) -> str:
    """Return a page of sections, with the script that draws its figures and sorts its tables.

    Args:
        title: of the page.
        head: what stands between title and contents.
        parts: the sections.
        made_by: the command.
        choices: selectors for all of the page.
    """
    about = joined(
        [
            tag("meta", charset="utf-8"),
            tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="generator", content=made_by),
            tag("title", title),
            tag("style", Html(_resource("page.css"))),
        ]
    )
    body = joined(
        [
            tag("header", tag("h1", title), head, _contents(parts)),
            tag("noscript", tag("p", "Figures, sorting and selectors need JavaScript.")),
            choices,
            tag("main", *map(_section, parts)),
            tag("footer", f"Made by {made_by}. This file is complete: it loads nothing."),
            data("dark", DARK),
            _script(get_plotlyjs()),
            _script(_resource("page.js")),
        ]
    )
    return f'<!DOCTYPE html>\n<html lang="en"><head>{about}</head><body>{body}</body></html>\n'


def _contents(parts: Sequence[Section]) -> Html:
    links = [tag("li", tag("a", part.title, href=f"#{part.name}")) for part in parts]
    return tag("nav", tag("ol", *links), aria_label="contents")


def _section(part: Section) -> Html:
    return tag("section", tag("h2", part.title), tag("p", part.sentence), part.body, id=part.name)


def _script(text: str) -> Html:
    """A script, none of whose strings can end the element."""
    return tag("script", Html(text.replace("</script", "<\\/script").replace("<!--", "<\\!--")))


def _resource(name: str) -> str:
    return resources.files("chronotick.lab.reporting").joinpath(name).read_text(encoding="utf-8")
