"""What changed from one comparison to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chronotick.lab.comparing.comparison import Comparison

if TYPE_CHECKING:
    import pandas as pd

    from chronotick.lab.scoring.metrics import Target

KEYS = ["model", "trace", "horizon_s"]


def difference(
    before: Comparison, after: Comparison, metric: str = "mae", target: Target | None = None
) -> pd.DataFrame:
    """Errors of the models and tasks that both have, the largest change first.

    Args:
        before: a comparison.
        after: another.
        metric: one of :data:`chronotick.lab.scoring.COMPARABLE`.
        target: what forecasts are held against; ``None``: what ``before`` has.

    Returns:
        Columns ``model``, ``trace``, ``horizon_s``, ``before``, ``after``.
    """
    chosen = target or before.target
    left, right = (each.scores(chosen)[[*KEYS, metric]] for each in (before, after))
    merged = left.merge(right, on=KEYS, suffixes=("_before", "_after"))
    merged = merged.rename(columns={f"{metric}_before": "before", f"{metric}_after": "after"})
    change = (merged["after"] / merged["before"] - 1.0).abs()
    order = change.sort_values(ascending=False, kind="stable", na_position="last").index
    return merged.loc[order].reset_index(drop=True)
