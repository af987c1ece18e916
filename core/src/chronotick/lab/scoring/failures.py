"""Tasks that some models lack: left out for all, refused, or imputed, and never silently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chronotick.lab.counting import often
from chronotick.lab.scoring.errors import ScoringError

Missing = Literal["drop", "error", "impute"]

STRATEGIES: Final = ("drop", "error", "impute")
_UNDEFINED: Final = "no score there (no quantiles yet, or no scale), which is no failure"


@dataclass(frozen=True, slots=True, eq=False)
class Lacking:
    """Which models lack a value in which tasks: tasks down, models across.

    Attributes:
        failed: there is no result, or of a part of the windows only.
        undefined: all windows have a forecast, and yet the metric is not defined: a point model has
            quantiles once it has enough residuals, and a constant context has no scale.
    """

    failed: pd.DataFrame
    undefined: pd.DataFrame

    def of(self, tasks: NDArray[np.bool_]) -> Lacking:
        """In some of the tasks."""
        return Lacking(self.failed[tasks], self.undefined[tasks])

    def without(self, models: pd.Index) -> Lacking:
        """Of the other models."""
        return Lacking(self.failed.drop(columns=models), self.undefined.drop(columns=models))

    def counted(self) -> str:
        """``failed: a 2; no score there ...: b 1``."""
        parts = (("failed", self.failed), (_UNDEFINED, self.undefined))
        return "; ".join(f"{why}: {_counts(each)}" for why, each in parts if each.any(axis=None))

    def in_sentences(self) -> str:
        """The same of tasks that were left out."""
        parts = (("Failed there", self.failed), (_UNDEFINED.capitalize(), self.undefined))
        return ". ".join(f"{why}: {_counts(each)}" for why, each in parts if each.any(axis=None))


def complete(
    table: pd.DataFrame, missing: Missing, *, lacking: Lacking, imputed: pd.Series | None
) -> tuple[pd.DataFrame, list[str]]:
    """Have a value of every model in every task.

    Args:
        table: tasks down, models across.
        missing: see :func:`~chronotick.lab.scoring.leaderboard`.
        lacking: what is really not there, and why.
        imputed: of each task, named after the model it is of; ``None``: there is none.

    Returns:
        The table without models that have no task at all (unless imputed) and without tasks that
        one of the others lacks, and notes of what was done.

    Raises:
        ScoringError: the strategy is not known, or cannot be followed.
    """
    if missing == "drop":
        return _without_gaps(table, lacking)
    if missing == "error":
        if table.isna().any(axis=None):
            raise ScoringError(f"of {often(len(table), 'task')}, {lacking.counted()}")
        return table, []
    if missing == "impute":
        return _imputed(table, imputed)
    raise ScoringError(f"missing is {', '.join(STRATEGIES)}, not {missing!r}")


def _without_gaps(table: pd.DataFrame, lacking: Lacking) -> tuple[pd.DataFrame, list[str]]:
    never = table.columns[table.isna().all()]
    left = table.drop(columns=never).dropna()
    if left.empty:
        raise ScoringError(
            f"no task is left to compare: of {len(table)}, {lacking.counted()}. Leave out "
            "such models, or score the windows in common (common_windows)"
        )
    notes = [f"warning: {each} has no task that can be compared" for each in never]
    gone = ~table.index.isin(left.index)
    if gone.any():
        count = int(gone.sum())
        why = lacking.of(gone).without(never).in_sentences()
        notes.append(
            f"{count} of {often(len(table), 'task')} {'is' if count == 1 else 'are'} left out for "
            f"all models. {why}"
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
    empty = table.isna().sum()
    notes = [
        f"warning: {name} failed in {count} of {often(len(table), 'task')}, and is given the "
        f"error of {imputed.name} there"
        for name, count in empty[empty > 0].items()
    ]
    return table.apply(lambda column: column.fillna(imputed)), notes


def _counts(failed: pd.DataFrame) -> str:
    counts = failed.sum()
    return ", ".join(f"{name} {count}" for name, count in counts[counts > 0].items())
