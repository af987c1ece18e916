"""Everything that a report says, computed once: its HTML and its Markdown tell the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import pandas as pd

from chronotick.lab.reporting.amounts import Counts
from chronotick.lab.reporting.calibrating import Calibration
from chronotick.lab.reporting.compared import Choices, Compared, Target
from chronotick.lab.reporting.judging import Judgement, judge
from chronotick.lab.reporting.palette import Style, styles
from chronotick.lab.reporting.reading import Rows
from chronotick.lab.reporting.survey import Survey


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Findings:
    """What a report says.

    Attributes:
        compared: the comparison.
        choices: what is shown of it.
        rows: in parts, with quantiles of point models.
        counts: how much there is of what.
        calibration: by target.
        judgements: by target, those that have any value to be judged by; the first is shown first.
        latency: as :meth:`chronotick.lab.reporting.latencies.Calls.table` returns it.
        deadline_s: that latencies were held against; ``None``: none was set.
        failures: as :meth:`chronotick.lab.reporting.failing.Failures.table` returns them.
        silent: models without any forecast, and why.
        leaked: model to the traces it has seen.
        looks: styles of all models.
    """

    compared: Compared
    choices: Choices
    rows: Rows
    counts: Counts
    calibration: Mapping[Target, Calibration]
    judgements: Mapping[Target, Judgement]
    latency: pd.DataFrame
    deadline_s: float | None
    failures: pd.DataFrame
    silent: Mapping[str, str]
    leaked: Mapping[str, frozenset[str]]
    looks: Mapping[str, Style]

    @property
    def hosts(self) -> int:
        """How many hosts there are."""
        return len(self.counts.hosts)


def find(compared: Compared, choices: Choices | None = None) -> Findings:
    """Compute what a report says.

    Args:
        compared: a finished comparison, or one that still goes on.
        choices: what to show of it.

    Raises:
        ReportError: there are no rows, the baseline is not among the models, or nothing can be
            judged.
    """
    choices = choices or Choices()
    survey = Survey(compared, choices)
    limit_s = deadline_s(compared, choices)
    return Findings(
        compared=compared,
        choices=choices,
        rows=survey.rows,
        counts=survey.counts,
        calibration=survey.calibration,
        judgements={
            target: judge(target, choices, partial(survey.scores, target))
            for target in survey.targets
        },
        latency=survey.calls.table(limit_s),
        deadline_s=limit_s,
        failures=survey.failures.table(),
        silent=survey.failures.silent(),
        leaked=survey.leaked,
        looks=styles(survey.counts.models),
    )


def deadline_s(compared: Compared, choices: Choices) -> float | None:
    """Return the time that a daemon would wait for a forecast, in s; ``None`` if none is known."""
    if choices.deadline_s is not None or not compared.runs:
        return choices.deadline_s
    stated = (compared.runs[-1].get("settings") or {}).get("deadline_s")
    return None if stated is None else float(stated)
