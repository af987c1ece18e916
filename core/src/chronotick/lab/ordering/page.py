"""A study as a page of the same kind as the report of a comparison."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from functools import partial

from chronotick.lab.counting import often
from chronotick.lab.ordering.figures import false_orders, looks_of, unknown_orders, waits
from chronotick.lab.ordering.study import Study
from chronotick.lab.ordering.summary import sentences, sure_level, undecided
from chronotick.lab.ordering.tables import (
    nodes_table,
    orders_table,
    points_table,
    unknown_table,
    waits_table,
)
from chronotick.lab.reporting.fragments import Choice, panels, selector
from chronotick.lab.reporting.gallery import Drawing
from chronotick.lab.reporting.html import Html, joined, tag
from chronotick.lab.reporting.identity import words
from chronotick.lab.reporting.page import document
from chronotick.lab.reporting.quantities import quantity
from chronotick.lab.reporting.sections import Section
from chronotick.lab.reporting.tables import html_table

_times = partial(quantity, unit="s")


def page(study: Study, command: str = "") -> str:
    """Return a study as one HTML file that needs nothing else.

    Args:
        study: it.
        command: what makes it again.
    """
    return document(
        f"Order of events on {often(len(study.nodes), 'node')}",
        _head(study),
        [_orders(study), _unknown(study), _waits(study), _stamps(study), _again(study, command)],
        made_by="chronotick lab order",
    )


def _head(study: Study) -> Html:
    settings = study.settings
    asked = (
        f"{often(settings.events, 'pair')} of events, {_times(settings.least_s)} to "
        f"{_times(settings.most_s)} apart in true time, on "
        f"{often(len(study.events.pairs), 'pair')} of nodes. Each node stamps its event with what "
        "it knew then; from the intervals of each level follows before, after or unknown. In "
        "brackets, and as whiskers: bootstrap intervals of 95 % over node pairs."
    )
    found = [tag("p", each, class_="lead") for each in sentences(study, _times)]
    notes = [note for note in (undecided(study), *study.notes) if note]
    return joined([*found, tag("p", asked), _listed(notes)])


def _listed(notes: Iterable[str]) -> Html:
    told = [tag("li", note) for note in notes]
    return tag("ul", *told, class_="notes") if told else Html("")


def _orders(study: Study) -> Section:
    drawing = Drawing(name="false-orders", spec=false_orders(study))
    return Section(
        name="orders",
        title="Definite and false answers",
        sentence="How often the order is told, and how often wrongly, in percent of pairs.",
        body=joined([_drawn(study, [drawing]), html_table(orders_table(study))]),
    )


def _unknown(study: Study) -> Section:
    # The highest confidence first: what is chosen at first is the first option.
    levels = [sure_level(study), *(each for each in study.levels if each != sure_level(study))]
    choice = Choice(name="level", label="level", options=[(each, each) for each in levels])
    drawings = [
        Drawing(
            name=f"unknown-{each.replace('.', '-')}",
            spec=unknown_orders(study, each),
            when={"level": each},
        )
        for each in study.levels
    ]
    chosen = tag("div", selector(choice), class_="local")
    drawn = panels(drawings, looks_of(study), choice.first)
    return Section(
        name="unknown",
        title="Unknown orders",
        sentence="How far apart events must be for their order to be known.",
        body=joined([chosen, drawn, html_table(unknown_table(study))]),
    )


def _waits(study: Study) -> Section:
    drawing = Drawing(name="waits", spec=waits(study))
    return Section(
        name="waits",
        title="Commit-wait",
        sentence="How long a node waits before it may let others see its event.",
        body=joined([_drawn(study, [drawing]), html_table(waits_table(study))]),
    )


def _stamps(study: Study) -> Section:
    return Section(
        name="stamps",
        title="Corrected stamps alone",
        sentence="What comes of comparing stamps without their intervals.",
        body=html_table(points_table(study)),
    )


def _again(study: Study, command: str) -> Section:
    settings = "; ".join(f"{name}: {words(each)}" for name, each in asdict(study.settings).items())
    return Section(
        name="reproduce",
        title="Nodes, and how to reproduce",
        sentence="Of whom this is, and what makes it again. Terms are explained on the page "
        "docs/ordering.md of ChronoTick's documentation.",
        body=joined(
            [
                html_table(nodes_table(study)),
                tag("pre", command or "the command is not known"),
                tag("p", f"Settings: {settings}.", class_="faint"),
            ]
        ),
    )


def _drawn(study: Study, drawings: Iterable[Drawing]) -> Html:
    return panels(drawings, looks_of(study), {})
