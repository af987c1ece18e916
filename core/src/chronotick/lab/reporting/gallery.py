"""Every figure of a report, by name: pages place them, exports write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pandas as pd

from chronotick.lab.reporting import calibrating
from chronotick.lab.reporting.compared import TARGETS, Target
from chronotick.lab.reporting.examples import Example, example_traces, examples
from chronotick.lab.reporting.findings import Findings
from chronotick.lab.reporting.judging import OF_POINTS, Judgement, Standing
from chronotick.lab.reporting.plots import calibration, horizons, leaderboard, over_time, pairwise
from chronotick.lab.reporting.plots.canvas import Spec
from chronotick.lab.reporting.plots.forecasts import forecasts
from chronotick.lab.reporting.quantities import lead, number
from chronotick.lab.reporting.thinning import thinned_trace

_FEWEST_BINS = 24


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawing:
    """A figure of a report.

    Attributes:
        name: of its files; letters, digits and ``-``.
        spec: it, as :func:`chronotick.lab.reporting.plots.canvas.canvas` returns it.
        when: which choices of the reader it belongs to.
    """

    name: str
    spec: Spec
    when: Mapping[str, str] = field(default_factory=dict)


def all_drawings(findings: Findings, *, per_trace: bool = False) -> Iterator[Drawing]:
    """Yield the figures of a report, in its order.

    Args:
        findings: what the report says.
        per_trace: those of every trace and horizon as well.
    """
    for draw in (board_drawings, pair_drawings, horizon_drawings, calibration_drawings):
        yield from draw(findings)
    yield from example_drawings(findings)
    yield from latency_drawings(findings)
    if per_trace:
        yield from trace_drawings(findings)


def board_drawings(findings: Findings) -> Iterator[Drawing]:
    """Win rates and skill, by target and metric."""
    for when, name, standing in _standings(findings):
        board, baseline = standing.compared, findings.choices.baseline
        win = leaderboard.win_rates(board, looks=findings.looks)
        skill = leaderboard.skill(board, baseline, looks=findings.looks)
        yield Drawing(name=f"win-rate-{name}", spec=win, when=when)
        yield Drawing(name=f"skill-{name}", spec=skill, when=when)


def pair_drawings(findings: Findings) -> Iterator[Drawing]:
    """Pairs and mean ranks, by target and metric."""
    for when, name, standing in _standings(findings):
        pairs = pairwise.win_rate_map(standing.pairs, standing.order)
        ranks = pairwise.mean_rank_marks(standing.ranks, standing.groups, looks=findings.looks)
        yield Drawing(name=f"pairwise-{name}", spec=pairs, when=when)
        yield Drawing(name=f"mean-ranks-{name}", spec=ranks, when=when)


def horizon_drawings(findings: Findings) -> Iterator[Drawing]:
    """Errors by horizon: relative to the baseline, and as they are for each unit."""
    for judgement in findings.judgements.values():
        for metric in findings.choices.metrics:
            when = {"target": judgement.target, "metric": metric}
            name = f"{judgement.target}-{_slug(metric)}"
            relative = horizons.error_by_horizon(
                judgement.scores,
                metric,
                baseline=findings.choices.baseline,
                looks=findings.looks,
            )
            yield Drawing(name=f"relative-error-by-horizon-{name}", spec=relative, when=when)
            for unit, scores in _by_unit(judgement, metric):
                spec = horizons.error_by_horizon(scores, metric, unit=unit, looks=findings.looks)
                ending = f"-{_slug(unit)}" if unit != "s" else ""
                yield Drawing(name=f"error-by-horizon-{name}{ending}", spec=spec, when=when)


def calibration_drawings(findings: Findings) -> Iterator[Drawing]:
    """Coverage, deciles, coverage by horizon and width, by target."""
    looks, baseline = findings.looks, findings.choices.baseline
    for target, judgement in findings.judgements.items():
        when = {"target": target}
        curve = findings.calibration[target].coverage()
        tenths = findings.calibration[target].deciles()
        by_horizon = calibrating.coverage_by_horizon(judgement.scores)
        widths = calibrating.widths(judgement.scores, baseline)
        for name, spec in (
            ("calibration", calibration.calibration(curve, looks=looks)),
            ("deciles", calibration.deciles(tenths, looks=looks)),
            ("coverage-by-horizon", calibration.coverage_by_horizon(by_horizon, looks=looks)),
            ("width-against-coverage", calibration.widths(widths, baseline, looks=looks)),
        ):
            yield Drawing(name=f"{name}-{target}", spec=spec, when=when)


def example_drawings(findings: Findings) -> Iterator[Drawing]:
    """A typical, the best and the worst window of a few traces, by target."""
    chosen = {
        target: _example_traces(findings, judgement)
        for target, judgement in findings.judgements.items()
    }
    of_trace = {
        trace: _ExamplesOf(findings, trace)
        for trace in dict.fromkeys(trace for traces in chosen.values() for trace in traces)
    }
    for target, traces in chosen.items():
        for number_, trace in enumerate(traces, start=1):
            for each, spec in of_trace[trace].drawn(target):
                name = f"example-{target}-{number_}-{each.kind}"
                yield Drawing(name=name, spec=spec, when={"target": target, "example": trace})


def latency_drawings(findings: Findings) -> Iterator[Drawing]:
    """Latency against skill, by target and metric."""
    for when, name, standing in _standings(findings):
        spec = leaderboard.latency_against_skill(
            standing.compared,
            findings.latency,
            findings.choices.baseline,
            looks=findings.looks,
        )
        yield Drawing(name=f"latency-against-skill-{name}", spec=spec, when=when)


def trace_drawings(findings: Findings) -> Iterator[Drawing]:
    """Errors over time of the traces that can be looked at, by target, trace and horizon."""
    traces = shown_traces(findings)
    ahead = findings.counts.horizons_s
    curves = len(traces) * len(ahead) * len(findings.judgements) * len(findings.looks)
    bins = min(max(findings.choices.points // max(curves, 1), _FEWEST_BINS), over_time.BINS)
    for place, trace in enumerate(traces, start=1):
        unit, thinned = thinned_trace(findings.rows, trace, list(findings.judgements), ahead, bins)
        for (target, horizon_s), points in thinned.items():
            spec = over_time.error_over_time(points, trace, horizon_s, unit, looks=findings.looks)
            yield Drawing(
                name=f"over-time-{target}-{place}-{_slug(lead(horizon_s))}",
                spec=spec,
                when={"target": target, "trace": trace, "horizon": lead(horizon_s)},
            )


def shown_traces(findings: Findings) -> list[str]:
    """Return the traces that can be looked at one by one: evenly chosen where there are many."""
    names = findings.counts.traces
    most = findings.choices.traces
    if len(names) <= most:
        return names
    return [names[place * len(names) // most] for place in range(most)]


def _standings(findings: Findings) -> Iterator[tuple[dict[str, str], str, Standing]]:
    for target, judgement in findings.judgements.items():
        for metric, standing in judgement.standings.items():
            when = {"target": target, "metric": metric}
            yield when, f"{target}-{_slug(metric)}", standing


def _by_unit(judgement: Judgement, metric: str) -> Iterator[tuple[str, pd.DataFrame]]:
    if metric in OF_POINTS and metric != "mase_drift":
        for unit, scores in judgement.scores.groupby("unit", sort=True):
            yield str(unit), scores
    else:  # scaled: the unit cancels
        yield "s", judgement.scores


def _example_traces(findings: Findings, judgement: Judgement) -> list[str]:
    metric = findings.choices.metrics[0]
    standing = judgement.standings.get(metric)
    baseline = findings.choices.baseline
    if standing is None:
        return []
    leader = next((model for model in standing.order if model != baseline), baseline)
    return example_traces(judgement.scores, metric, leader, baseline)


class _ExamplesOf:
    """Windows of a trace that are shown."""

    def __init__(self, findings: Findings, trace: str) -> None:
        self._findings = findings
        starts = findings.counts.origins.values((trace,))
        self._chosen = examples(findings.rows, list(findings.judgements), trace, starts)
        origins_s = {each.origin_s for some in self._chosen.values() for each in some}
        self._windows = findings.rows.windows(trace, origins_s)

    def drawn(self, target: Target) -> Iterator[tuple[Example, Spec]]:
        for each in self._chosen[target]:
            yield each, self._drawn(target, each)

    def _drawn(self, target: Target, each: Example) -> Spec:
        return forecasts(
            self._windows[self._windows["origin_s"] == each.origin_s],
            target,
            title=f"{each.trace}: {each.kind} window",
            note=(
                f"Origin at {each.origin_s:.3f} s of local time; errors are "
                f"{number(each.difficulty)} times what is usual on this trace. All values minus "
                f"the last one known (dotted); solid line: what came ({TARGETS[target]}); thick: "
                "80 %, thin: 95 % intervals."
            ),
            looks=self._findings.looks,
        )


def _slug(text: str) -> str:
    kept = "".join(each if each.isascii() and each.isalnum() else "-" for each in text.lower())
    return kept.strip("-") or "none"
