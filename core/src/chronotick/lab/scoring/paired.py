"""Errors of all models on the same tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from chronotick.lab.counting import often
from chronotick.lab.scoring.columns import TASK, check_columns, floats
from chronotick.lab.scoring.errors import ScoringError
from chronotick.lab.scoring.failures import Lacking
from chronotick.lab.scoring.leaks import Leaked, flags

COMPARABLE: Final = (
    *("mae", "rmse", "median_ae", "p99_ae", "max_ae", "mase_drift"),
    *("ql", "wql", "sql_drift", "winkler_95"),
)
"""Scores of which less is better, and none is below 0: the metrics models can be compared by."""
OF_INTERVALS: Final = ("ql", "wql", "sql_drift", "winkler_95")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Errors:
    """One metric of all models on all tasks.

    Attributes:
        table: errors, tasks (trace, horizon) down, models across, both sorted; NaN where a model
            has no result or failed in some windows.
        lacking: the same shape; where there is no error, and why.
        seen: the same shape; whether the model has seen the trace in training.
        hosts: of each task.
        notes: what a reader has to know, in sentences.
    """

    table: pd.DataFrame
    lacking: Lacking
    seen: pd.DataFrame
    hosts: pd.Series
    notes: tuple[str, ...] = ()


def errors_of(scores: pd.DataFrame, metric: str, leaked: Leaked | None = None) -> Errors:
    """Arrange a metric by task and model.

    Args:
        scores: of :func:`~chronotick.lab.scoring.scores`, or a part of them.
        metric: one of ``COMPARABLE``.
        leaked: model to traces it has seen, in place of the column ``leaked``.

    Raises:
        ScoringError: there are no scores, they lack columns, the metric cannot be compared, a task
            of a model is there twice, or a trace has two hosts.
    """
    _check_metric(scores, metric)
    failed = (scores["failed"] > 0).to_numpy(dtype=bool)
    keys = scores[["model", *TASK, "host"]]
    kept = keys.astype(dict.fromkeys(("model", "trace", "host"), "str")).assign(
        error=np.where(failed, np.nan, floats(scores, metric)),
        failed=failed,
        seen=scores["leaked"].to_numpy(dtype=bool) if leaked is None else flags(scores, leaked),
    )
    again = kept.duplicated(["model", *TASK])
    if again.any():
        model, trace, horizon_s = kept.loc[again, ["model", *TASK]].iloc[0]
        raise ScoringError(
            f"model {model} has two scores of trace {trace} at {horizon_s:g} s. "
            "Compare scores of one run and one target at a time"
        )
    indexed = kept.set_index([*TASK, "model"])
    table = indexed["error"].unstack("model").sort_index()  # noqa: PD010 - never aggregates
    seen = indexed["seen"].unstack("model", fill_value=False)  # noqa: PD010
    without = indexed["failed"].unstack("model", fill_value=True)  # noqa: PD010
    without = without.reindex(index=table.index, columns=table.columns)
    return Errors(
        table=table,
        lacking=Lacking(failed=without, undefined=table.isna() & ~without),
        seen=seen.reindex(index=table.index, columns=table.columns),
        hosts=_hosts(kept, table),
        notes=_unlike_windows(scores, metric),
    )


def with_stand_in(table: pd.DataFrame, seen: pd.DataFrame, stand_in: str | None) -> pd.DataFrame:
    """Put the errors of a model that has seen nothing in place of those of models that have.

    Raises:
        ScoringError: there is no such model, or it has seen something.
    """
    if stand_in is None:
        return table
    if stand_in not in table.columns:
        raise ScoringError(
            f"stand_in {stand_in} has no scores. There are: {_listed(table.columns)}"
        )
    if seen[stand_in].any():
        raise ScoringError(f"stand_in {stand_in} has seen traces itself: name one that has not")
    return table.mask(seen, table[stand_in], axis=0)


def notes_on_leaks(seen: pd.DataFrame, stand_in: str | None) -> list[str]:
    """Say which models have seen how many of the tasks that are compared."""
    counts = seen.sum()
    so = "no forecasts of unseen data" if stand_in is None else f"replaced by those of {stand_in}"
    return [
        f"warning: {model} was trained on data of {count} of {often(len(seen), 'task')}: its "
        f"errors there are {so}"
        for model, count in counts[counts > 0].items()
    ]


def _check_metric(scores: pd.DataFrame, metric: str) -> None:
    if metric not in COMPARABLE:
        raise ScoringError(f"cannot compare by {metric!r}: choose {_listed(COMPARABLE)}")
    check_columns(scores, ("model", *TASK, "host", "failed", "leaked", metric), "scores")
    if metric in OF_INTERVALS:
        check_columns(scores, ("windows", "intervals"), "scores")
    if (scores[metric] < 0).any():
        raise ScoringError(f"{metric} is below 0 in some rows: these are no scores")


def _hosts(kept: pd.DataFrame, table: pd.DataFrame) -> pd.Series:
    pairs = kept[["trace", "host"]].drop_duplicates()
    doubled = pairs.loc[pairs["trace"].duplicated(), "trace"]
    if len(doubled):
        raise ScoringError(f"trace {doubled.iloc[0]} has scores of two hosts")
    host_of = pairs.set_index("trace")["host"]
    traces = table.index.get_level_values("trace")
    return pd.Series(host_of.reindex(traces).to_numpy(), index=table.index, name="host")


def _unlike_windows(scores: pd.DataFrame, metric: str) -> tuple[str, ...]:
    """A note where quantiles of some models are judged by other windows than those of others."""
    if metric not in OF_INTERVALS:
        return ()
    stated = scores[scores["intervals"] > 0]
    counts = (stated["windows"] * stated["intervals"]).round()
    of_task = counts.groupby([stated[name] for name in TASK])
    unlike = int((of_task.max() > of_task.min()).sum())
    note = (
        f"in {often(unlike, 'task')} {metric} of some models is of fewer windows than that of "
        "others: score the windows in common (common_windows)"
    )
    return (note,) if unlike else ()


def _listed(names: object) -> str:
    return ", ".join(map(str, names))  # type: ignore[call-overload]
