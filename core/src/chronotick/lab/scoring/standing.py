"""How models stand to each other in each task; what is averaged over tasks."""

from __future__ import annotations

from typing import Final

import numpy as np

from chronotick.lab.scoring.columns import Floats
from chronotick.lab.scoring.resampling import Resampled

LEAST_RATIO: Final = 0.01  # beyond these no single task counts
LARGEST_RATIO: Final = 100.0


def ratios(first: Floats, second: Floats) -> Floats:
    """Ratios of errors, broadcast; two errors of 0 are equal, which fev leaves undefined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((first == 0) & (second == 0), 1.0, first / second)


def won(errors: Floats) -> Floats:
    """1 where the first of two models has less error, 1/2 in ties, ``[tasks, first, second]``."""
    first, second = errors[:, :, None], errors[:, None, :]
    return np.asarray((first < second) + 0.5 * (first == second))


def won_of_others(errors: Floats) -> Floats:
    """Mean of that over all other models, ``[tasks, models]``; NaN of a single model."""
    others = errors.shape[1] - 1
    if not others:
        return np.full(errors.shape, np.nan)
    return np.asarray((won(errors).sum(axis=2) - 0.5) / others)  # against itself it is a tie


def log_ratios(errors: Floats) -> Floats:
    """Logarithms of clipped ratios of each model to each, ``[tasks, first, second]``."""
    each = ratios(errors[:, :, None], errors[:, None, :])
    return np.log(np.clip(each, LEAST_RATIO, LARGEST_RATIO))


def flat(values: Floats) -> Floats:
    """Pairs of models in one row."""
    return values.reshape(len(values), -1)


def rate(mean: Floats) -> Floats:
    """A win rate is the mean itself."""
    return mean


def skill(mean_log_ratio: Floats) -> Floats:
    """1 minus the geometric mean of ratios."""
    return np.asarray(1 - np.exp(mean_log_ratio))


def columns(win_rate: Resampled, skill_score: Resampled, *, bounds: bool) -> dict[str, Floats]:
    """Both statistics, each with its bounds if there are any."""
    made = {}
    for name, each in (("win_rate", win_rate), ("skill_score", skill_score)):
        made[name] = each.estimate
        if bounds:
            made[f"{name}_lower"], made[f"{name}_upper"] = each.lower, each.upper
    return made
