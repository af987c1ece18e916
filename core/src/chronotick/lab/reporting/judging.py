"""From scores to standings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd

from chronotick.lab.counting import often
from chronotick.lab.reporting.compared import Choices, Compared, Target
from chronotick.lab.reporting.ranking import alike, mean_ranks
from chronotick.lab.reporting.reading import TEXTS
from chronotick.lab.scoring import (
    ScoringError,
    leaderboard,
    leaks,
    names_of,
    pairwise,
)

OF_POINTS: Final = ("mae", "rmse", "median_ae", "p99_ae", "max_ae", "mase_drift")
_TASK: Final = ["trace", "horizon_s"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Standing:
    """Models against each other by one metric.

    Attributes:
        metric: its name.
        board: as :func:`chronotick.lab.scoring.leaderboard` returns it; models that were asked on
            some tasks only stand last, with NaN.
        pairs: as :func:`chronotick.lab.scoring.pairwise` returns it.
        ranks: as :func:`chronotick.lab.reporting.ranking.mean_ranks` returns it.
        groups: models that cannot be told apart.
        notes: what a reader of the numbers must know, in sentences.
    """

    metric: str
    board: pd.DataFrame
    pairs: pd.DataFrame
    ranks: pd.DataFrame
    groups: list[list[str]]
    notes: tuple[str, ...] = ()

    @property
    def order(self) -> list[str]:
        """Models that were compared, the best first."""
        return [str(model) for model in self.board.index[self.board["tasks"] > 0]]

    @property
    def compared(self) -> pd.DataFrame:
        """The leaderboard without models that have no number in it."""
        return self.board.loc[self.order]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judgement:
    """What holds for one target.

    Attributes:
        target: ``truth`` or ``measured``.
        scores: of all windows, as :func:`chronotick.lab.scoring.scores` returns them.
        standings: by metric, where the models can be compared by it.
        reasons: by metric, why they cannot.
    """

    target: Target
    scores: pd.DataFrame
    standings: Mapping[str, Standing]
    reasons: Mapping[str, str] = field(default_factory=dict)


def seen_traces(compared: Compared) -> dict[str, frozenset[str]]:
    """Return which traces models say they have been trained on."""
    trained_on = {
        model: tuple(identity.get("trained_on") or ())
        for model, identity in compared.models.items()
    }
    known_as = {
        str(trace["name"]): names_of(
            str(trace["name"]), str(trace.get("path", "")), str(trace.get("digest", ""))
        )
        for trace in compared.traces
    }
    return leaks(trained_on, known_as)


def in_words(told: pd.DataFrame) -> pd.DataFrame:
    """Return scores with text that is of Python: they are few."""
    return told.astype({name: object for name in TEXTS if name in told})


def judge(target: Target, choices: Choices, scores_by: Callable[[str], pd.DataFrame]) -> Judgement:
    """Return what holds for a target.

    Args:
        target: it.
        choices: metrics, baseline and bootstrap.
        scores_by: return the scores that models are compared by a metric with.
    """
    standings: dict[str, Standing] = {}
    reasons: dict[str, str] = {}
    for metric in choices.metrics:
        found = _stand_or_why(metric, choices, scores_by)
        if isinstance(found, Standing):
            standings[metric] = found
        else:
            reasons[metric] = found
    told = scores_by(OF_POINTS[0])
    return Judgement(target=target, scores=told, standings=standings, reasons=reasons)


def _stand_or_why(
    metric: str, choices: Choices, scores_by: Callable[[str], pd.DataFrame]
) -> Standing | str:
    try:
        return stand(scores_by(metric), metric, choices)
    except ScoringError as error:
        return str(error)


def stand(told: pd.DataFrame, metric: str, choices: Choices) -> Standing:
    """Compare models by a metric.

    Args:
        told: scores; by metrics of quantiles, of the windows in which all models have some.
        metric: see :data:`chronotick.lab.scoring.COMPARABLE`.
        choices: baseline and bootstrap.

    Raises:
        ScoringError: they cannot be compared.
    """
    told, undefined = _defined(told, metric)
    asked = _tasks_asked(told)
    partial = asked[asked < asked.max()].drop(choices.baseline, errors="ignore")
    whole = told[~told["model"].isin(partial.index)]
    drawn: dict[str, Any] = {
        "cluster": choices.cluster,
        "bootstrap": choices.bootstrap,
        "seed": choices.seed,
    }
    board = leaderboard(whole, metric, baseline=choices.baseline, **drawn)
    notes = [*undefined, *_on_partial(partial, asked), *board.attrs.get("notes", ())]
    if metric not in OF_POINTS:
        notes.append(
            "computed from the windows in which every model has quantiles: those of point models "
            "are of their own earlier residuals, at least 20 of them"
        )
    pairs = pairwise(whole, metric, **drawn)
    order = [str(model) for model in board.index[board["tasks"] > 0]]
    ranks = mean_ranks(whole[whole["failed"] == 0], metric, models=order, **drawn)
    return Standing(
        metric=metric,
        board=_with(board, partial, told),
        pairs=pairs,
        ranks=ranks,
        groups=alike([str(model) for model in ranks.index], pairs),
        notes=tuple(notes),
    )


def _defined(told: pd.DataFrame, metric: str) -> tuple[pd.DataFrame, list[str]]:
    """Leave out tasks in which no model has the metric: that is no failure of theirs."""
    known = np.isfinite(told[metric]).groupby([told[name] for name in _TASK]).transform("any")
    if known.all() or not known.any():
        return told, []
    tasks, left = (len(part[_TASK].drop_duplicates()) for part in (told, told[known]))
    counted = often(tasks, "task")
    why = "too few windows with intervals, or no scale" if metric not in OF_POINTS else "no scale"
    note = f"in {tasks - left} of {counted} there is no such score ({why}): they do not count"
    return told[known], [note]


def _tasks_asked(told: pd.DataFrame) -> pd.Series:
    """How many tasks each model has rows of; the most are all there are."""
    return told.groupby("model").size()


def _on_partial(partial: pd.Series, asked: pd.Series) -> list[str]:
    return [
        f"{model} was asked on {count} of {often(asked.max(), 'task')}: it is not compared"
        for model, count in partial.items()
    ]


def _with(board: pd.DataFrame, partial: pd.Series, told: pd.DataFrame) -> pd.DataFrame:
    """Append models that are not compared."""
    if partial.empty:
        return board
    failed = told[told["failed"] > 0].groupby("model").size()
    more = pd.DataFrame(index=pd.Index(partial.index, name="model"), columns=board.columns)
    counts = {"tasks": 0, "hosts": 0, "leaked_tasks": 0}
    more = more.assign(**counts, failed_tasks=failed.reindex(partial.index).fillna(0))
    return pd.concat([board, more.astype(board.dtypes.to_dict())])
