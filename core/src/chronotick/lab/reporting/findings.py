"""Everything that a report says, computed once: its HTML and its Markdown tell the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from chronotick.lab.reporting.compared import Choices, Compared, Target
from chronotick.lab.reporting.failing import failures, without_forecast
from chronotick.lab.reporting.judging import (
    Judgement,
    judge,
    known_targets,
    seen_traces,
    usable_rows,
)
from chronotick.lab.reporting.latencies import latencies
from chronotick.lab.reporting.palette import Style, styles


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Findings:
    """What a report says.

    Attributes:
        compared: the comparison.
        choices: what is shown of it.
        rows: with quantiles of point models (:func:`chronotick.lab.scoring.intervals_of_points`).
        judgements: by target, those that have any value to be judged by; the truth first.
        latency: as :func:`chronotick.lab.reporting.latencies.latencies` returns it.
        deadline_s: that latencies were held against; ``None``: none was set.
        failures: as :func:`chronotick.lab.reporting.failing.failures` returns them.
        silent: models without any forecast, and why.
        leaked: model to the traces it has seen.
        looks: styles of all models.
    """

    compared: Compared
    choices: Choices
    rows: pd.DataFrame
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
        return int(self.rows["host"].nunique())


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
    rows = usable_rows(compared, choices)
    leaked = seen_traces(compared)
    limit_s = deadline_s(compared, choices)
    return Findings(
        compared=compared,
        choices=choices,
        rows=rows,
        judgements={target: judge(rows, target, choices, leaked) for target in known_targets(rows)},
        latency=latencies(rows, limit_s),
        deadline_s=limit_s,
        failures=failures(rows),
        silent=without_forecast(rows),
        leaked=leaked,
        looks=styles(map(str, rows["model"].unique())),
    )


def deadline_s(compared: Compared, choices: Choices) -> float | None:
    """Return the time that a daemon would wait for a forecast, in s; ``None`` if none is known."""
    if choices.deadline_s is not None or not compared.runs:
        return choices.deadline_s
    stated = (compared.runs[-1].get("settings") or {}).get("deadline_s")
    return None if stated is None else float(stated)
