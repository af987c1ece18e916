"""Which windows are shown as examples: by rules, so that nobody can pick the prettiest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from chronotick.lab.reporting.reading import Rows
from chronotick.lab.scoring.columns import Floats, codes
from chronotick.lab.scoring.parts import Key, keys_of, members_of

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
_CURVE: Final = ("horizon_s", "model")


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


def examples(
    rows: Rows, targets: Sequence[str], trace: str, origins_s: Floats
) -> dict[str, list[Example]]:
    """Choose windows of a trace by the rule of :data:`WINDOWS_RULE`, by target.

    Args:
        rows: of a comparison.
        targets: ``truth``, ``measured``.
        trace: its name.
        origins_s: of its windows, in ascending order.
    """
    needed = ["model", "horizon_s", "origin_s", "forecast", *targets]
    hard = {target: Difficulty(target, origins_s) for target in targets}
    for part in rows.of(trace, needed):
        for each in hard.values():
            each.add(part)
    return {target: _examples(trace, each.table()) for target, each in hard.items()}


def _examples(trace: str, hard: pd.Series) -> list[Example]:
    places = {"typical": (len(hard) - 1) // 2, "best": 0, "worst": len(hard) - 1}
    return [
        Example(
            trace=trace,
            kind=kind,
            origin_s=float(hard.index[place]),
            difficulty=float(hard.iloc[place]),
        )
        for kind, place in places.items()
        if len(hard)
    ]


class Difficulty:
    """How hard each window of a trace was, of rows that come in parts.

    Args:
        target: ``truth`` or ``measured``.
        origins_s: of the windows, in ascending order.
    """

    def __init__(self, target: str, origins_s: Floats) -> None:
        self._target, self._origins_s = target, origins_s
        self._errors: dict[Key, Floats] = {}

    def add(self, rows: pd.DataFrame) -> None:
        """Take note of some rows."""
        error = (rows["forecast"] - rows[self._target]).abs().to_numpy()
        place = np.searchsorted(self._origins_s, rows["origin_s"].to_numpy())
        curve = codes(rows, _CURVE)
        for key, members in zip(keys_of(rows, curve, _CURVE), members_of(curve), strict=True):
            unknown = np.full(len(self._origins_s), np.nan)
            self._errors.setdefault(key, unknown)[place[members]] = error[members]

    def table(self) -> pd.Series:
        """Return it, the easiest window first; the index is the origin.

        Only windows with the most judged horizons count.
        """
        curves = [(key[0], _relative(error)) for key, error in self._errors.items()]
        horizons = np.zeros(len(self._origins_s), dtype=np.int64)
        for wanted in {horizon_s for horizon_s, _error in curves}:
            known = [np.isfinite(error) for horizon_s, error in curves if horizon_s == wanted]
            horizons += np.any(known, axis=0)
        chosen = (horizons == horizons.max(initial=0)) & (horizons > 0)
        if not chosen.any():
            return pd.Series(dtype=float)
        hard = _medians(np.stack([error[chosen] for _horizon_s, error in curves], axis=1))
        return pd.Series(hard, index=self._origins_s[chosen]).sort_values(kind="stable")


def _relative(error: Floats) -> Floats:
    """Errors of a model at a horizon, over their mean."""
    known = error[np.isfinite(error)]
    usual = known.mean() if len(known) else 0.0
    return error / (usual or np.nan)


def _medians(values: Floats) -> Floats:
    """Of each row, without NaN, of which no row has nothing else."""
    ranked = np.sort(values, axis=1)
    count = np.isfinite(ranked).sum(axis=1)
    middle = np.stack([(count - 1) // 2, count // 2], axis=1)
    return np.asarray(np.take_along_axis(ranked, middle, axis=1).mean(axis=1))


def _first_middle_last(names: list[str]) -> list[str]:
    places = sorted({0, (len(names) - 1) // 2, len(names) - 1}) if names else []
    return [names[place] for place in places]
