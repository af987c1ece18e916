"""From the rows of a comparison to scores and standings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd

from chronotick.lab.reporting.compared import TARGETS, Choices, Compared, ReportError, Target
from chronotick.lab.reporting.ranking import alike, mean_ranks
from chronotick.lab.scoring import (
    ScoringError,
    common_windows,
    intervals_of_points,
    leaderboard,
    leaks,
    names_of,
    pairwise,
    scores,
)

OF_POINTS: Final = ("mae", "rmse", "median_ae", "p99_ae", "max_ae", "mase_drift")
TEXTS: Final = ("job", "model", "trace", "host", "kind", "unit", "status")
_DIGITS: Final = 9  # of a horizon; those of traces with different steps differ by a nanosecond
_TASK: Final = ["trace", "horizon_s"]

Leaked = Mapping[str, frozenset[str]]


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


def usable_rows(compared: Compared, choices: Choices) -> pd.DataFrame:
    """Return the rows with quantiles of point models, and horizons that are the same everywhere.

    Raises:
        ReportError: there are none, or the baseline is not among the models.
    """
    rows = compared.rows
    if rows.empty:
        raise ReportError(
            "there is nothing to report: no window was computed. The results' problems say why"
        )
    models = sorted(rows["model"].unique())
    if choices.baseline not in models:
        raise ReportError(
            f"the baseline {choices.baseline} is not among the models ({', '.join(models)}). "
            "Name one of them, or compare again with it"
        )
    named = {value: float(f"{value:.{_DIGITS}g}") for value in rows["horizon_s"].unique()}
    # As categories, text takes a hundredth of the time to select, and a tenth of the memory.
    texts = rows[[name for name in TEXTS if name in rows]].astype("category")
    exact = rows.assign(horizon_s=rows["horizon_s"].map(named), **texts)
    if "quantiles_from" in exact:
        return exact
    try:
        return intervals_of_points(exact)
    except ScoringError as error:
        raise ReportError(str(error)) from error


def known_targets(rows: pd.DataFrame) -> list[Target]:
    """Return what forecasts can be judged by, the truth first.

    Raises:
        ReportError: nothing.
    """
    found = [target for target in TARGETS if np.isfinite(rows[target]).any()]
    if not found:
        raise ReportError(
            "no forecast can be judged: no target was measured and no trace knows the truth. "
            "Shorten --horizons, or take longer traces"
        )
    return found


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


def plain_scores(rows: pd.DataFrame, target: Target, leaked: Leaked) -> pd.DataFrame:
    """Return scores, with text that is no category: they are few."""
    told = scores(rows, target, leaked=leaked)
    return told.astype({name: object for name in TEXTS if name in told})


def judge(rows: pd.DataFrame, target: Target, choices: Choices, leaked: Leaked) -> Judgement:
    """Return what holds for a target."""
    told = plain_scores(rows, target, leaked)
    standings: dict[str, Standing] = {}
    reasons: dict[str, str] = {}
    for metric in choices.metrics:
        found = _stand_or_why(rows, target, metric, choices, leaked, told=told)
        if isinstance(found, Standing):
            standings[metric] = found
        else:
            reasons[metric] = found
    return Judgement(target=target, scores=told, standings=standings, reasons=reasons)


def _stand_or_why(
    rows: pd.DataFrame,
    target: Target,
    metric: str,
    choices: Choices,
    leaked: Leaked,
    *,
    told: pd.DataFrame,
) -> Standing | str:
    try:
        return stand(rows, target, metric, choices, leaked, told=told)
    except ScoringError as error:
        return str(error)


def stand(
    rows: pd.DataFrame,
    target: Target,
    metric: str,
    choices: Choices,
    leaked: Leaked,
    *,
    told: pd.DataFrame | None = None,
) -> Standing:
    """Compare models by a metric.

    Metrics of quantiles are of the windows in which all models have some; those of points are of
    all windows.

    Args:
        rows: as :func:`usable_rows` returns them.
        target: that forecasts are judged by.
        metric: see :data:`chronotick.lab.scoring.COMPARABLE`.
        choices: baseline and bootstrap.
        leaked: as :func:`seen_traces` returns it.
        told: scores of all windows, where they are known already.

    Raises:
        ScoringError: they cannot be compared.
    """
    if metric not in OF_POINTS:
        told = plain_scores(common_windows(rows), target, leaked)
    elif told is None:
        told = plain_scores(rows, target, leaked)
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
    why = "too few windows with intervals, or no scale" if metric not in OF_POINTS else "no scale"
    note = f"in {tasks - left} of {tasks} tasks there is no such score ({why}): they do not count"
    return told[known], [note]


def _tasks_asked(told: pd.DataFrame) -> pd.Series:
    """How many tasks each model has rows of; the most are all there are."""
    return told.groupby("model").size()


def _on_partial(partial: pd.Series, asked: pd.Series) -> list[str]:
    return [
        f"{model} was asked on {count} of {asked.max()} tasks: it is not compared"
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
