"""Which windows are shown as examples: by rules, so that nobody can pick the prettiest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

TRACES_RULE: Final = (
    "Traces are put in the order of the best model's error relative to the baseline's (geometric "
    "mean over horizons); the first (largest gain), the middle and the last one are shown."
)
WINDOWS_RULE: Final = (
    "Of each, windows are put in the order of their difficulty: each model's absolute error "
    "divided by its mean on that trace and horizon, the median of that over models and horizons. "
    "Best is the first window, typical the middle one, worst the last; ties go to the earlier one."
)
KINDS: Final = ("typical", "best", "worst")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A window to be shown.

    Attributes:
        trace: name of the trace.
        kind: one of :data:`KINDS`.
        origin_s: local time at the end of its context.
        difficulty: error relative to what is usual on that trace; 1 is usual.
    """

    trace: str
    kind: str
    origin_s: float
    difficulty: float


def example_traces(scores: pd.DataFrame, metric: str, leader: str, baseline: str) -> list[str]:
    """Choose traces by the rule of :data:`TRACES_RULE`.

    Args:
        scores: as :func:`chronotick.lab.scoring.scores` returns it.
        metric: a column of it.
        leader: the best model.
        baseline: whom it is compared with.
    """
    ours, theirs = (
        scores[scores["model"] == model].set_index(["trace", "horizon_s"])[metric]
        for model in (leader, baseline)
    )
    ratio = np.log((ours / theirs).replace([0.0, np.inf], np.nan)).dropna()
    gain = ratio.groupby(level="trace").mean().sort_values(kind="stable")
    names = [str(name) for name in gain.index]
    return _first_middle_last(names)


def examples(rows: pd.DataFrame, target: str, traces: Iterable[str]) -> list[Example]:
    """Choose windows by the rule of :data:`WINDOWS_RULE`.

    Args:
        rows: rows of a comparison.
        target: ``truth`` or ``measured``.
        traces: names of the traces to choose from.
    """
    found = []
    for trace in traces:
        hard = difficulty(rows[rows["trace"] == trace], target)
        if hard.empty:
            continue
        places = {"typical": (len(hard) - 1) // 2, "best": 0, "worst": len(hard) - 1}
        found += [
            Example(
                trace=trace,
                kind=kind,
                origin_s=float(hard.index[place]),
                difficulty=float(hard.iloc[place]),
            )
            for kind, place in places.items()
        ]
    return found


def difficulty(rows: pd.DataFrame, target: str) -> pd.Series:
    """Return how hard each window of a trace was, the easiest first; the index is the origin.

    Only windows with the most judged horizons count.
    """
    error = (rows["forecast"] - rows[target]).abs()
    usual = error.groupby([rows["model"], rows["horizon_s"]], observed=True).transform("mean")
    relative = (error / usual.replace(0.0, np.nan)).dropna()
    if relative.empty:
        return relative
    rows = rows.loc[relative.index]
    horizons = rows.groupby("origin_s")["horizon_s"].nunique()
    hard = relative.groupby(rows["origin_s"]).median()
    return hard[horizons == horizons.max()].sort_values(kind="stable")


def _first_middle_last(names: list[str]) -> list[str]:
    places = sorted({0, (len(names) - 1) // 2, len(names) - 1}) if names else []
    return [names[place] for place in places]
