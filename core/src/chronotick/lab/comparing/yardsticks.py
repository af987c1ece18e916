"""Forecasts that need no model: what everything else is measured by. They are always compared."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from chronotick.lab.comparing.grids import Grid
from chronotick.lab.comparing.rows import Answers
from chronotick.lab.comparing.windows import Windows
from chronotick.lab.scoring.columns import QUANTILES

Vector = NDArray[np.float64]
Yardstick = Callable[[Windows, Grid, float], Answers]


def kalman(windows: Windows, grid: Grid, season: float) -> Answers:
    """What the daemon publishes by itself: the estimator's expectation, its calibrated interval."""
    del season
    answers = Answers.none(len(windows), len(grid.steps))
    answers.mean[:] = windows.table["mean"]
    z = np.array([NormalDist().inv_cdf(level) for level in QUANTILES])
    sigma = windows.table["sigma"]
    answers.quantiles[:] = answers.mean[:, :, np.newaxis] + sigma[:, :, np.newaxis] * z
    return answers


def naive(windows: Windows, grid: Grid, season: float) -> Answers:
    """The last measured value."""
    del season
    answers = Answers.none(len(windows), len(grid.steps))
    answers.mean[:] = windows.table["last"][:, np.newaxis]
    return answers


def drift(windows: Windows, grid: Grid, season: float) -> Answers:
    """The line through the first and the last measured value of the context (naive drift)."""
    del season
    answers = Answers.none(len(windows), len(grid.steps))
    ahead = np.array(grid.steps, dtype=float)
    for number in range(len(windows)):
        values = _as_measured(windows, number)
        known = np.flatnonzero(~np.isnan(values))
        if known.size:
            first, last = known[0], known[-1]
            slope = (values[last] - values[first]) / max(last - first, 1)  # of one value: 0
            age = len(values) - 1 - last
            answers.mean[number] = values[last] + slope * (ahead + age)
    return answers


def seasonal(windows: Windows, grid: Grid, season: float) -> Answers:
    """The value one season before the target, or the newest before that where there is none."""
    answers = Answers.none(len(windows), len(grid.steps))
    for number in range(len(windows)):
        values = _filled(_as_measured(windows, number))
        for place, steps in enumerate(grid.steps):
            seasons = math.ceil(round(steps / season, 6))  # as many as lead back into the context
            back = round(seasons * season) - steps  # steps before the origin
            if back < len(values):
                answers.mean[number, place] = values[len(values) - 1 - back]
    return answers


YARDSTICKS: dict[str, Yardstick] = {
    "kalman": kalman,
    "naive": naive,
    "drift": drift,
    "seasonal": seasonal,
}


def _as_measured(windows: Windows, number: int) -> Vector:
    """The context with its trend put back, in s."""
    residual: Vector = windows.values[number].astype(np.float64)
    offset_s, frequency = windows.table["trend"][number, :2]
    steps_back = np.arange(len(residual) - 1, -1, -1.0)
    trend: Vector = offset_s - frequency * steps_back * windows.step_s
    return residual + trend


def _filled(values: Vector) -> Vector:
    """Gaps take the value before them; those at the beginning stay."""
    known = np.where(~np.isnan(values), np.arange(len(values)), -1)
    newest = np.maximum.accumulate(known)
    return np.where(newest >= 0, values[newest], np.nan)
