"""What changed from one comparison to another."""

from __future__ import annotations

import pandas as pd

from chronotick.lab.comparing.comparison import Comparison
from chronotick.lab.scoring import scores
from chronotick.lab.scoring.metrics import Target

KEYS = ["model", "trace", "horizon_s"]
WINDOW = [*KEYS, "origin_s"]


def difference(
    before: Comparison, after: Comparison, metric: str = "mae", target: Target | None = None
) -> pd.DataFrame:
    """Errors in the windows that both have, by model and task, the largest change first.

    Args:
        before: a comparison.
        after: another.
        metric: one of :data:`chronotick.lab.scoring.COMPARABLE`.
        target: what forecasts are held against; ``None``: what ``before`` has.

    Returns:
        Columns ``model``, ``trace``, ``horizon_s``, ``windows`` (in both), ``before``, ``after``.
    """
    chosen = target or before.target
    left, right = _same_windows(before, after)
    if left.empty:
        return pd.DataFrame(columns=[*KEYS, "windows", "before", "after"])
    first, second = (scores(each, chosen)[[*KEYS, "windows", metric]] for each in (left, right))
    merged = first.merge(second[[*KEYS, metric]], on=KEYS, suffixes=("_before", "_after"))
    merged = merged.rename(columns={f"{metric}_before": "before", f"{metric}_after": "after"})
    change = (merged["after"] / merged["before"] - 1.0).abs()
    order = change.sort_values(ascending=False, kind="stable", na_position="last").index
    return merged.loc[order].reset_index(drop=True)


def _same_windows(before: Comparison, after: Comparison) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of both that are of the same model, trace (by content), horizon and origin."""
    digests = [{each["name"]: each["digest"] for each in one.traces} for one in (before, after)]
    same = {name for name, digest in digests[0].items() if digests[1].get(name) == digest}
    rows = [one.rows[one.rows["trace"].isin(same)].set_index(WINDOW) for one in (before, after)]
    common = rows[0].index.intersection(rows[1].index)
    left, right = (each.loc[common].reset_index() for each in rows)
    return left, right
