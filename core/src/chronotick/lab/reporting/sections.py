"""The sections of a report, in its order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from chronotick.lab.reporting import headline
from chronotick.lab.reporting.compared import TARGETS
from chronotick.lab.reporting.examples import TRACES_RULE, WINDOWS_RULE
from chronotick.lab.reporting.findings import Findings
from chronotick.lab.reporting.fragments import Choice, panel, panels, selector
from chronotick.lab.reporting.gallery import (
    board_drawings,
    calibration_drawings,
    example_drawings,
    horizon_drawings,
    latency_drawings,
    pair_drawings,
    shown_traces,
    trace_drawings,
)
from chronotick.lab.reporting.html import Html, joined, tag
from chronotick.lab.reporting.identity import (
    command_of,
    left_out_table,
    models_table,
    other_problems,
    run_facts,
    traces_table,
)
from chronotick.lab.reporting.quantities import lead, often
from chronotick.lab.reporting.standings import (
    board_table,
    failures_table,
    task_table,
)
from chronotick.lab.reporting.tables import html_table
from chronotick.lab.reporting.texts import METRICS, SENTENCES, SOURCE, TITLES, metric_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section.

    Attributes:
        name: of its anchor.
        title: of it.
        sentence: what it shows, with units.
        body: its contents.
    """

    name: str
    title: str
    sentence: str
    body: Html


def target_choice(findings: Findings) -> Choice:
    """What forecasts are judged by."""
    options = [(target, TARGETS[target]) for target in findings.judgements]
    return Choice(name="target", label="judged by", options=options)


def metric_choice(findings: Findings) -> Choice:
    """Which metric models are compared by."""
    options = [(metric, metric_name(metric)) for metric in findings.choices.metrics]
    return Choice(name="metric", label="metric", options=options)


def sections(findings: Findings) -> Iterator[Section]:
    """Yield the sections after the headline."""
    chosen = target_choice(findings).first | metric_choice(findings).first
    for name, body in _BODIES.items():
        yield Section(
            name=name,
            title=TITLES[name],
            sentence=SENTENCES[name],
            body=body(findings, chosen),
        )


def _boards(findings: Findings, chosen: Mapping[str, str]) -> Html:
    parts = []
    for target, judgement in findings.judgements.items():
        for metric in findings.choices.metrics:
            standing = judgement.standings.get(metric)
            if standing is None:
                content = tag("p", f"No leaderboard: {judgement.reasons[metric]}.", class_="notes")
            else:
                table = html_table(board_table(findings, judgement, standing))
                notes = [tag("li", f"{note}.") for note in standing.notes]
                content = joined([table, tag("ul", *notes, class_="notes")])
            parts.append(panel(content, {"target": target, "metric": metric}, chosen))
    figures = panels(board_drawings(findings), findings.looks, chosen)
    return joined([*parts, figures])


def _pairs(findings: Findings, chosen: Mapping[str, str]) -> Html:
    return panels(pair_drawings(findings), findings.looks, chosen)


def _horizons(findings: Findings, chosen: Mapping[str, str]) -> Html:
    return panels(horizon_drawings(findings), findings.looks, chosen)


def _calibration(findings: Findings, chosen: Mapping[str, str]) -> Html:
    return panels(calibration_drawings(findings), findings.looks, chosen)


def _examples(findings: Findings, chosen: Mapping[str, str]) -> Html:
    drawings = list(example_drawings(findings))
    names = dict.fromkeys(drawing.when["example"] for drawing in drawings)
    if not names:
        return tag("p", "No window can be shown: models cannot be compared.", class_="notes")
    choice = Choice(name="example", label="trace", options=[(name, name) for name in names])
    drawn = panels(drawings, findings.looks, {**chosen, **choice.first})
    rules = tag("p", f"How they were chosen. {TRACES_RULE} {WINDOWS_RULE}", class_="faint")
    return joined([rules, tag("div", selector(choice), class_="local"), drawn])


def _latency(findings: Findings, chosen: Mapping[str, str]) -> Html:
    return panels(latency_drawings(findings), findings.looks, chosen)


def _traces(findings: Findings, chosen: Mapping[str, str]) -> Html:
    shown = shown_traces(findings)
    horizons = [lead(horizon) for horizon in findings.counts.horizons_s]
    trace = Choice(name="trace", label="trace", options=[(name, name) for name in shown])
    horizon = Choice(name="horizon", label="horizon", options=[(each, each) for each in horizons])
    chosen = {**chosen, **trace.first, **horizon.first}
    total = len(findings.counts.traces)
    cut = Html("")
    if total > len(shown):
        some = (
            f"{often(len(shown), 'trace')} of {total} can be looked at here, evenly chosen by name"
        )
        cut = tag("p", f"{some}; the results have all.", class_="notes")
    return joined(
        [
            cut,
            tag("div", selector(trace), selector(horizon), class_="local"),
            panels(trace_drawings(findings), findings.looks, chosen),
            _task_tables(findings, shown, chosen),
        ]
    )


def _task_tables(findings: Findings, shown: list[str], chosen: Mapping[str, str]) -> Html:
    parts = []
    for target, judgement in findings.judgements.items():
        scores = judgement.scores[judgement.scores["trace"].isin(shown)]
        for (trace, horizon_s), task in scores.groupby(["trace", "horizon_s"], sort=True):
            when = {"target": target, "trace": str(trace), "horizon": lead(horizon_s)}
            parts.append(panel(html_table(task_table(task)), when, chosen))
    return joined(parts)


def _failures(findings: Findings, _chosen: Mapping[str, str]) -> Html:
    failed, left_out = findings.failures, left_out_table(findings)
    return joined(
        [
            html_table(failures_table(findings))
            if len(failed)
            else tag("p", "Every model gave a forecast for every window."),
            tag("p", "No trace was left out.") if left_out is None else html_table(left_out),
            *(tag("p", problem) for problem in other_problems(findings)),
        ]
    )


def _reproduce(findings: Findings, _chosen: Mapping[str, str]) -> Html:
    definitions = [
        part for name, told in METRICS.items() for part in (tag("dt", name), tag("dd", told))
    ]
    drawn = findings.choices
    return joined(
        [
            *_runs(findings),
            tag("h3", "Models"),
            html_table(models_table(findings)),
            tag("h3", "Traces"),
            html_table(traces_table(findings)),
            tag("h3", "Metrics in brief"),
            tag("dl", *definitions),
            tag(
                "p",
                f"Here: baseline {drawn.baseline}, intervals from {drawn.bootstrap} resamples by "
                f"{drawn.cluster}, seed {drawn.seed}. {SOURCE}",
            ),
        ]
    )


def _runs(findings: Findings) -> Iterator[Html]:
    for run in reversed(findings.compared.runs):
        yield tag("pre", command_of(run) or "the command is not known")
        facts = [
            part for name, told in run_facts(run) for part in (tag("dt", name), tag("dd", told))
        ]
        yield tag("dl", *facts)


Body = Callable[[Findings, Mapping[str, str]], Html]

_BODIES: Final[Mapping[str, Body]] = {
    "leaderboard": _boards,
    "pairs": _pairs,
    "horizons": _horizons,
    "calibration": _calibration,
    "examples": _examples,
    "latency": _latency,
    "traces": _traces,
    "failures": _failures,
    "reproduce": _reproduce,
}


def summary(findings: Findings) -> Html:
    """Return what is told before all sections."""
    warned = [tag("li", text) for text in headline.warnings(findings)]
    found = [
        tag("p", headline.finding(findings, judgement), class_="lead")
        for judgement in findings.judgements.values()
    ]
    told = f"{headline.compared(findings)} {headline.when(findings)}"
    return joined([*found, tag("p", told), tag("ul", *warned, class_="warnings")])
