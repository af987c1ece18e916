"""Models against each other: leaderboard and pairs, as fev 0.10 defines the numbers.

Win rate and skill score are those of fev (Shchur et al., "fev-bench: A realistic benchmark for time
series forecasting", arXiv 2509.26468, 2025); a test holds them to fev's own. What differs is said
on the page on scoring.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from chronotick.lab.counting import often
from chronotick.lab.scoring.clusters import Cluster, Drawing
from chronotick.lab.scoring.errors import ScoringError
from chronotick.lab.scoring.failures import Missing, complete
from chronotick.lab.scoring.leaks import Leaked
from chronotick.lab.scoring.paired import errors_of, notes_on_leaks, with_stand_in
from chronotick.lab.scoring.resampling import Method
from chronotick.lab.scoring.standing import (
    LARGEST_RATIO,
    LEAST_RATIO,
    columns,
    flat,
    log_ratios,
    rate,
    ratios,
    skill,
    won,
    won_of_others,
)

SEED: Final = 123  # fev's


def leaderboard(
    scores: pd.DataFrame,
    metric: str = "mae",
    *,
    baseline: str = "kalman",
    cluster: Cluster = "host",
    bootstrap: int = 1000,
    seed: int = SEED,
    missing: Missing = "drop",
    interval: Method = "percentile",
    leaked: Leaked | None = None,
    stand_in: str | None = None,
) -> pd.DataFrame:
    """Rank models over all tasks.

    Args:
        scores: of :func:`~chronotick.lab.scoring.scores`, or a part of them: of one horizon, say.
        metric: one of ``COMPARABLE``.
        baseline: the model that skill is relative to.
        cluster: what is resampled: hosts with all their tasks, or tasks as fev does.
        bootstrap: resamples of the 95 % intervals; 0: no columns with bounds.
        seed: of the resamples.
        missing: what to do about tasks in which a model failed, be it in one window: ``"drop"``
            them for all models, raise an ``"error"``, or ``"impute"`` the baseline's error.
        interval: ``"percentile"`` or ``"bca"``.
        leaked: model to traces it has seen, in place of the column ``leaked``.
        stand_in: a model that has seen nothing, whose errors replace those of models on traces
            that they have seen; ``None``: they stay, and are counted in ``leaked_tasks``.

    Returns:
        Indexed by ``model``, best ``win_rate`` first: ``win_rate``, ``skill_score``, each with
        ``_lower`` and ``_upper``, ``tasks`` and ``hosts`` that were compared, ``failed_tasks`` of
        all tasks (not those in which a model merely has no quantiles yet, or no scale), and
        ``leaked_tasks`` of those compared. A model that failed in every task stands last, with NaN.
        ``attrs["notes"]`` is a list of sentences that belong under the table: what was dropped or
        imputed, leaks, and a warning below 20 hosts; the rest of ``attrs`` repeats the arguments.

    Raises:
        ScoringError: the scores cannot be compared that way; see the message.
    """
    errors = errors_of(scores, metric, leaked)
    relative, on_zero = _relative(errors.table, baseline)
    replaced = with_stand_in(relative, errors.seen, stand_in)
    lacking = errors.lacking
    limited = replaced.clip(LEAST_RATIO, LARGEST_RATIO)
    kept, on_failures = complete(limited, missing, lacking=lacking, imputed=relative[baseline])
    drawing = Drawing(errors.hosts.loc[kept.index], cluster, bootstrap, seed, interval)
    values, seen = kept.to_numpy(), errors.seen.loc[kept.index]
    win_rate = drawing.of(won_of_others(values), rate)
    skill_score = drawing.of(np.log(values), skill)
    table = pd.DataFrame(
        {
            **columns(win_rate, skill_score, bounds=bootstrap > 0),
            "tasks": len(kept),
            "hosts": drawing.different_hosts,
        },
        index=kept.columns,
    )
    table = table.reindex(errors.table.columns).fillna({"tasks": 0, "hosts": 0})
    table["failed_tasks"], table["leaked_tasks"] = lacking.failed.sum(), seen.sum()
    counts = ["tasks", "hosts", "failed_tasks", "leaked_tasks"]
    table = table.astype(dict.fromkeys(counts, np.int64))
    table = table.sort_values("win_rate", ascending=False, kind="stable")
    notes = [*errors.notes, *on_zero, *on_failures, *notes_on_leaks(seen, stand_in)]
    asked = {"metric": metric, "missing": missing, "baseline": baseline, "stand_in": stand_in}
    table.attrs = _attributes(drawing, notes, **asked)
    return table


def pairwise(
    scores: pd.DataFrame,
    metric: str = "mae",
    *,
    cluster: Cluster = "host",
    bootstrap: int = 1000,
    seed: int = SEED,
    missing: Missing = "drop",
    baseline: str | None = None,
    interval: Method = "percentile",
    leaked: Leaked | None = None,
    stand_in: str | None = None,
) -> pd.DataFrame:
    """Compare each model with each.

    Args:
        scores: as for :func:`leaderboard`, and so are the other arguments.
        metric: see there.
        cluster: see there.
        bootstrap: see there.
        seed: see there.
        missing: see there.
        baseline: whose errors are imputed; needed for that alone.
        interval: see there.
        leaked: see there.
        stand_in: see there.

    Returns:
        Indexed by ``(model_1, model_2)``, models by mean rank: ``win_rate``, the share of tasks in
        which ``model_1`` has the smaller error, ties counting half, and ``skill_score``, 1 minus
        the geometric mean of the ratios of its errors to those of ``model_2``, each with ``_lower``
        and ``_upper``. Models that failed in every task are left out. ``attrs`` as there, with
        the numbers of ``tasks`` and ``hosts``.

    Raises:
        ScoringError: the scores cannot be compared that way; see the message.
    """
    errors = errors_of(scores, metric, leaked)
    if baseline is not None:
        _check_baseline(errors.table, baseline)
    kept, on_failures = complete(
        with_stand_in(errors.table, errors.seen, stand_in),
        missing,
        lacking=errors.lacking,
        imputed=None if baseline is None else errors.table[baseline],
    )
    kept = kept[kept.rank(axis=1).mean().sort_values(kind="stable").index]
    drawing = Drawing(errors.hosts.loc[kept.index], cluster, bootstrap, seed, interval)
    values = kept.to_numpy()
    win_rate = drawing.of(flat(won(values)), rate)
    skill_score = drawing.of(flat(log_ratios(values)), skill)
    table = pd.DataFrame(
        columns(win_rate, skill_score, bounds=bootstrap > 0),
        index=pd.MultiIndex.from_product([kept.columns] * 2, names=["model_1", "model_2"]),
    )
    seen = errors.seen.loc[kept.index, kept.columns]
    notes = [*errors.notes, *on_failures, *notes_on_leaks(seen, stand_in)]
    asked = {"metric": metric, "missing": missing, "baseline": baseline, "stand_in": stand_in}
    table.attrs = {
        **_attributes(drawing, notes, **asked),
        "tasks": len(kept),
        "hosts": drawing.different_hosts,
    }
    return table


def _relative(table: pd.DataFrame, baseline: str) -> tuple[pd.DataFrame, list[str]]:
    """Errors over those of the baseline."""
    _check_baseline(table, baseline)
    of_baseline = table[baseline]
    if of_baseline.isna().all():
        raise ScoringError(f"baseline {baseline} has no task without failures: name another")
    values = ratios(table.to_numpy(), of_baseline.to_numpy()[:, None])
    relative = pd.DataFrame(values, index=table.index, columns=table.columns)
    zero = int(of_baseline.eq(0).sum())
    note = (
        f"{baseline} has an error of 0 in {often(zero, 'task')} (constant traces?): other errors "
        f"of 0 count as equal there, any other as {LARGEST_RATIO:g} times as large"
    )
    return relative, [note] if zero else []


def _check_baseline(table: pd.DataFrame, baseline: str) -> None:
    if baseline not in table.columns:
        raise ScoringError(
            f"baseline {baseline} has no scores. There are: {', '.join(table.columns)}"
        )


def _attributes(drawing: Drawing, notes: list[str], **asked: str | None) -> dict[str, Any]:
    return {"notes": [*notes, *drawing.notes()], **asked, **drawing.settings()}
