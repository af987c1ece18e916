"""Mean ranks over tasks, and which models cannot be told apart."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from chronotick.lab.reporting.plots.pairwise import decided
from chronotick.lab.scoring.resampling import draws

_INTERVAL = (2.5, 97.5)


def mean_ranks(
    scores: pd.DataFrame,
    metric: str,
    *,
    models: Sequence[str],
    cluster: str = "host",
    bootstrap: int = 1000,
    seed: int = 123,
) -> pd.DataFrame:
    """Return the mean rank of each model, with a bootstrap interval.

    Ranks are taken on each task (1 the smallest error, ties share their mean) on which all models
    have a score.

    Args:
        scores: as :func:`chronotick.lab.scoring.scores` returns it.
        metric: a column of it; less is better.
        models: which models are ranked.
        cluster: what the bootstrap resamples: ``host`` or ``task``.
        bootstrap: resamples.
        seed: of the bootstrap.

    Returns:
        Index model, the best first; ``rank``, ``rank_lower``, ``rank_upper`` (95 %), ``tasks``.
    """
    table = scores[scores["model"].isin(models)].pivot_table(
        index=["host", "trace", "horizon_s"], columns="model", values=metric
    )
    table = table.reindex(columns=list(models)).dropna()
    ranks = table.rank(axis=1)
    if cluster == "host":
        labels = ranks.index.get_level_values("host")
    else:
        labels = pd.RangeIndex(len(ranks))
    drawn = _resampled(ranks.to_numpy(), pd.factorize(labels)[0], bootstrap, seed)
    low, high = np.percentile(drawn, _INTERVAL, axis=0) if drawn.size else (np.nan, np.nan)
    found = pd.DataFrame(
        {"rank": ranks.mean(), "rank_lower": low, "rank_upper": high, "tasks": len(ranks)},
        index=pd.Index(list(models), name="model"),
    )
    return found.sort_values("rank", kind="stable")


def _resampled(ranks: np.ndarray, labels: np.ndarray, bootstrap: int, seed: int) -> np.ndarray:
    """Mean ranks ``[bootstrap, models]`` of clusters drawn with replacement."""
    clusters = int(labels.max()) + 1 if labels.size else 0
    if clusters < 2:  # noqa: PLR2004 - of one, nothing can be drawn that differs
        return np.empty((0, ranks.shape[1]))
    sums = np.zeros((clusters, ranks.shape[1]))
    np.add.at(sums, labels, ranks)
    sizes = np.bincount(labels, minlength=clusters)
    times = draws(clusters, bootstrap, seed)  # the same clusters as for win rates and skill
    return (times @ sums) / (times @ sizes)[:, np.newaxis]


def alike(order: Sequence[str], pairs: pd.DataFrame) -> list[list[str]]:
    """Return the largest runs of neighbours in ``order`` no pair of which is decided.

    Where there are no intervals, nothing can be decided, and there are none.

    Args:
        order: models, the best first.
        pairs: as :func:`chronotick.lab.scoring.pairwise` returns it.
    """
    runs: list[tuple[int, int]] = []
    for start in range(len(order)):
        stop = start + 1
        while stop < len(order) and not any(
            not _open(pairs, order[place], order[stop]) for place in range(start, stop)
        ):
            stop += 1
        if stop - start > 1 and (not runs or stop > runs[-1][1]):
            runs.append((start, stop))
    return [list(order[start:stop]) for start, stop in runs]


def _open(pairs: pd.DataFrame, first: str, second: str) -> bool:
    """Whether there is an interval, and it leaves open who is better."""
    if (first, second) not in pairs.index:
        return False
    pair = pairs.loc[(first, second)]
    return math.isfinite(pair.get("win_rate_lower", math.nan)) and not decided(pair)
