"""Tasks that some models lack: left out for all, refused, or imputed, and never silently."""

from __future__ import annotations

from typing import Final, Literal

import pandas as pd

from chronotick.lab.counting import often
from chronotick.lab.scoring.errors import ScoringError

Missing = Literal["drop", "error", "impute"]

STRATEGIES: Final = ("drop", "error", "impute")


def complete(
    table: pd.DataFrame, missing: Missing, *, failed: pd.DataFrame, imputed: pd.Series | None
) -> tuple[pd.DataFrame, list[str]]:
    """Have a value of every model in every task.

    Args:
        table: tasks down, models across.
        missing: see :func:`~chronotick.lab.scoring.leaderboard`.
        failed: of the same shape, what really failed.
        imputed: of each task, named after the model it is of; ``None``: there is none.

    Returns:
        The table without models that have no task at all (unless imputed) and without tasks that
        one of the others lacks, and notes of what was done.

    Raises:
        ScoringError: the strategy is not known, or cannot be followed.
    """
    if missing == "drop":
        return _without_failures(table, failed)
    if missing == "error":
        if table.isna().any(axis=None):
            raise ScoringError(f"of {often(len(table), 'task')}, failed: {_counts(failed)}")
        return table, []
    if missing == "impute":
        return _imputed(table, imputed)
    raise ScoringError(f"missing is {', '.join(STRATEGIES)}, not {missing!r}")


def _without_failures(table: pd.DataFrame, failed: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    never = table.columns[table.isna().all()]
    left = table.drop(columns=never).dropna()
    if left.empty:
        raise ScoringError(
            f"no task is left to compare: of {len(table)}, failed: {_counts(failed)}. Leave out "
            "such models, or score the windows in common (common_windows)"
        )
    notes = [f"warning: {each} has no task that can be compared" for each in never]
    gone = failed[~failed.index.isin(left.index)].drop(columns=never)
    if len(gone):
        verb = "is" if len(gone) == 1 else "are"
        notes.append(
            f"{len(gone)} of {often(len(table), 'task')} {verb} left out for all models. Failed "
            f"there: {_counts(gone)}"
        )
    return left, notes


def _imputed(table: pd.DataFrame, imputed: pd.Series | None) -> tuple[pd.DataFrame, list[str]]:
    if imputed is None:
        raise ScoringError("to impute, name the baseline whose errors are taken")
    if imputed.isna().any():
        raise ScoringError(
            f"nothing can be imputed from baseline {imputed.name}: it failed in "
            f"{int(imputed.isna().sum())} of {often(len(imputed), 'task')} itself"
        )
    lacking = table.isna().sum()
    notes = [
        f"warning: {name} failed in {count} of {often(len(table), 'task')}, and is given the "
        f"error of {imputed.name} there"
        for name, count in lacking[lacking > 0].items()
    ]
    return table.apply(lambda column: column.fillna(imputed)), notes


def _counts(failed: pd.DataFrame) -> str:
    counts = failed.sum()
    return ", ".join(f"{name} {count}" for name, count in counts[counts > 0].items())
