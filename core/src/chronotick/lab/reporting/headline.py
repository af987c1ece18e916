"""The finding in a few sentences, computed from the numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chronotick.lab.reporting.compared import FEW_HOSTS, SERIES, TARGETS
from chronotick.lab.reporting.dating import dated
from chronotick.lab.reporting.findings import Findings
from chronotick.lab.reporting.identity import problems_told
from chronotick.lab.reporting.judging import Judgement, Standing
from chronotick.lab.reporting.quantities import (
    count,
    fraction,
    fractions,
    lead,
    often,
    share,
    shares,
)
from chronotick.lab.reporting.texts import metric_name

_OF_CLOCKS: Final = "Comparison of clock models"


def title(findings: Findings) -> str:
    """Return what the report is called, by what was compared on."""
    kinds = {trace.get("kind") == SERIES for trace in findings.compared.traces}
    if kinds == {True}:
        return "Comparison of models of series"
    return "Comparison of models of clocks and series" if len(kinds) > 1 else _OF_CLOCKS


def finding(findings: Findings, judgement: Judgement) -> str:
    """Return which model is best by win rate, and whether it is shown to beat the baseline."""
    metric = findings.choices.metrics[0]
    standing = judgement.standings.get(metric)
    about = TARGETS[judgement.target].capitalize()
    if standing is None:
        why = judgement.reasons[metric]
        return f"{about}: models cannot be compared by {metric_name(metric)}. {why}."
    best, *tied = _best(standing)
    row = standing.board.loc[best]
    told = (
        f"{about} ({metric_name(metric)}, {often(int(row['tasks']), 'task')} of "
        f"{often(int(row['hosts']), 'host')}): {best} has the highest win rate, "
        f"{share(row['win_rate'])}{_interval(row, 'win_rate', shares)}"
        f"{f', and so has {_listed(tied)}' if tied else ''}."
    )
    return f"{told} {_skill(best, row, findings.choices.baseline)}{_alike(best, standing)}"


def _best(standing: Standing) -> list[str]:
    """Models with the highest win rate, the one with the highest skill first."""
    board = standing.compared
    tied = board[np.isclose(board["win_rate"], board["win_rate"].max(), rtol=0, atol=1e-12)]
    return [str(model) for model in tied.sort_values("skill_score", ascending=False).index]


def _interval(
    row: Any,  # noqa: ANN401 - a pandas row
    name: str,
    told: Callable[[float, float], str],
) -> str:
    low, high = row.get(f"{name}_lower", math.nan), row.get(f"{name}_upper", math.nan)
    if not math.isfinite(low):
        return " (no interval can be given)"
    return f" (95 % interval {told(low, high)})"


def _skill(best: str, row: Any, baseline: str) -> str:  # noqa: ANN401 - a pandas row
    if best == baseline:
        return "It is the baseline: no model is shown to be better than it."
    low, high = row.get("skill_score_lower", math.nan), row.get("skill_score_upper", math.nan)
    told = (
        f"Its skill against {baseline} is {fraction(row['skill_score'])}"
        f"{_interval(row, 'skill_score', fractions)}"
    )
    if not math.isfinite(low):
        return f"{told}: whether it is better than {baseline} cannot be told."
    if low > 0:
        return f"{told}, which excludes 0: it is better than {baseline} on such hosts."
    if high < 0:
        return f"{told}, which lies below 0: on the whole its errors are larger than {baseline}'s."
    return f"{told}, which includes 0: that it is better than {baseline} is not shown."


def _alike(best: str, standing: Standing) -> str:
    group = next((group for group in standing.groups if best in group), [])
    others = [model for model in group if model != best]
    if not others:
        return ""
    return (
        " By win rate in pairs, which is how often and not by how much its errors are smaller, it "
        f"cannot be told apart from {_listed(others)}."
    )


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def few_hosts(findings: Findings) -> str:
    """Return the warning that there are few hosts, or nothing."""
    hosts = findings.hosts
    if hosts >= FEW_HOSTS:
        return ""
    if hosts == 1 and findings.choices.cluster == "host":
        return (
            "1 host only: no interval can be given, since these come from drawing hosts. All "
            "numbers hold for this host; about others they say nothing."
        )
    return (
        f"{often(hosts, 'host')} only: intervals are computed by drawing hosts, and with fewer "
        f"than {FEW_HOSTS} of them they are rough and too narrow. Conclusions hold for these "
        "hosts; about others they say little."
    )


def compared(findings: Findings) -> str:
    """Return what was compared on what, in a sentence."""
    counts = findings.counts
    horizons = ", ".join(lead(horizon) for horizon in counts.horizons_s)
    windows = sum(counts.windows.values())
    models, traces = often(len(counts.models), "model"), often(len(counts.traces), "trace")
    failed = int(findings.failures["failed"].sum())
    told = f"{count(failed)} of them failed." if failed else "None of them failed."
    return (
        f"{models} on {traces} of {often(findings.hosts, 'host')}: {often(windows, 'window')} at "
        f"horizons of {horizons}; {often(counts.rows, 'forecast')} asked for. {told}"
    )


def when(findings: Findings) -> str:
    """Return when it was computed, or nothing."""
    return dated(findings.compared.runs)


def _unfinished(findings: Findings) -> str:
    """Return a warning where more rows are to come, or nothing."""
    run = findings.compared.runs[-1] if findings.compared.runs else {}
    if run.get("interrupted"):
        return "The run was interrupted: these are partial results. The same command goes on."
    if run.get("started") and not run.get("ended"):
        return "The run had not ended when this was written: these are partial results."
    return ""


def warnings(findings: Findings) -> list[str]:
    """Return what must be seen before any number is read."""
    told = [_unfinished(findings), few_hosts(findings)]
    if findings.silent:
        told.append(
            f"{_listed(list(findings.silent))} gave no forecast at all; the section on failures "
            "says why."
        )
    for model, traces in findings.leaked.items():
        told.append(
            f"{model} was trained on {often(len(traces), 'trace')} of this comparison "
            f"({', '.join(sorted(traces))}): there it has seen the answers."
        )
    problems = len(problems_told(findings))
    if problems:
        told.append(f"{often(problems, 'problem')}; the section on failures says which.")
    return [text for text in told if text]
