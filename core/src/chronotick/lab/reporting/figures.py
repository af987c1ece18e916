"""Figures of a comparison for notebooks; the report is made of the same ones.

Every function takes a comparison and returns a figure of plotly. Colours and marks of models are
those of the report.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from chronotick.lab.reporting import calibrating
from chronotick.lab.reporting.compared import Choices, Compared, ReportError, Target
from chronotick.lab.reporting.findings import deadline_s
from chronotick.lab.reporting.judging import Standing, stand
from chronotick.lab.reporting.palette import styles
from chronotick.lab.reporting.plots import (
    calibration,
    forecasts,
    horizons,
    leaderboard,
    over_time,
    pairwise,
)
from chronotick.lab.reporting.plots.canvas import Styles, finished
from chronotick.lab.reporting.quantities import lead
from chronotick.lab.reporting.survey import Survey
from chronotick.lab.reporting.thinning import thinned_trace

_SAME = 1e-6  # of a horizon, as it is asked for


def plot_win_rates(
    compared: Compared,
    *,
    metric: str = "mae",
    target: Target | None = None,
    choices: Choices | None = None,
) -> go.Figure:
    """Draw win rates with their 95 % intervals as bars, the best on top.

    Args:
        compared: a comparison.
        metric: that models are compared by.
        target: ``truth`` or ``measured``; ``None``: the truth where it is known.
        choices: baseline and bootstrap.

    Raises:
        ReportError: there are no rows, or the baseline is not among the models.
        ScoringError: models cannot be compared by that metric.
    """
    view = _View(compared, target, choices)
    return finished(leaderboard.win_rates(view.standing(metric).compared, looks=view.looks))


def plot_skill(
    compared: Compared,
    *,
    metric: str = "mae",
    target: Target | None = None,
    choices: Choices | None = None,
) -> go.Figure:
    """Draw skill against the baseline with its 95 % intervals; see :func:`plot_win_rates`.

    The scale is logarithmic in errors relative to the baseline's.
    """
    view = _View(compared, target, choices)
    board = view.standing(metric).compared
    return finished(leaderboard.skill(board, view.choices.baseline, looks=view.looks))


def plot_pairwise(
    compared: Compared,
    *,
    metric: str = "mae",
    target: Target | None = None,
    choices: Choices | None = None,
) -> go.Figure:
    """Draw a heat map of the win rate of each model against each; see :func:`plot_win_rates`.

    ``*`` is where the 95 % interval excludes one half.
    """
    standing = _View(compared, target, choices).standing(metric)
    return finished(pairwise.win_rate_map(standing.pairs, standing.order))


def plot_mean_ranks(
    compared: Compared,
    *,
    metric: str = "mae",
    target: Target | None = None,
    choices: Choices | None = None,
) -> go.Figure:
    """Draw mean ranks with 95 % intervals; see :func:`plot_win_rates`.

    Demšar's critical-difference diagram ("Statistical comparisons of classifiers over multiple data
    sets", JMLR 7, 2006) joins models whose ranks differ by less than one critical difference, which
    supposes independent data sets. Tasks of one host are not: here intervals come from a bootstrap
    over hosts, and models are joined where no pair of them is decided.
    """
    view = _View(compared, target, choices)
    standing = view.standing(metric)
    return finished(pairwise.mean_rank_marks(standing.ranks, standing.groups, looks=view.looks))


def plot_error_by_horizon(
    compared: Compared,
    *,
    metric: str = "mae",
    target: Target | None = None,
    relative: bool = True,
    unit: str = "s",
    choices: Choices | None = None,
) -> go.Figure:
    """Draw the median error over traces against the horizon, log-log.

    Args:
        compared: a comparison.
        metric: that is drawn.
        target: ``truth`` or ``measured``; ``None``: the truth where it is known.
        relative: to the baseline's error on the same task; else as it is, of traces in ``unit``.
        unit: see there.
        choices: the baseline.

    Raises:
        ReportError: there are no rows, or the baseline is not among the models.
    """
    view = _View(compared, target, choices)
    scores = view.scores
    if not relative:
        scores = scores[scores["unit"] == unit]
    baseline = view.choices.baseline if relative else None
    spec = horizons.error_by_horizon(scores, metric, baseline=baseline, unit=unit, looks=view.looks)
    return finished(spec)


def plot_calibration(
    compared: Compared, *, target: Target | None = None, choices: Choices | None = None
) -> go.Figure:
    """Draw nominal against actual coverage of central intervals, the mean over tasks.

    Below the diagonal intervals are too narrow. Arguments and errors: :func:`plot_win_rates`.
    """
    view = _View(compared, target, choices)
    coverage = view.calibration.coverage()
    return finished(calibration.calibration(coverage, looks=view.looks))


def plot_deciles(
    compared: Compared, *, target: Target | None = None, choices: Choices | None = None
) -> go.Figure:
    """Draw which share of targets fell between neighbouring deciles, the mean over tasks.

    Like a histogram of the probability integral transform: flat at 10 % is right, a bowl is
    over-confident, a hill too cautious, a slope biased. Arguments and errors:
    :func:`plot_win_rates`.
    """
    view = _View(compared, target, choices)
    shares = view.calibration.deciles()
    return finished(calibration.deciles(shares, looks=view.looks))


def plot_coverage_by_horizon(
    compared: Compared, *, target: Target | None = None, choices: Choices | None = None
) -> go.Figure:
    """Draw how often 95 % intervals held the target at each horizon, the mean over traces.

    Arguments and errors: :func:`plot_win_rates`.
    """
    view = _View(compared, target, choices)
    coverage = calibrating.coverage_by_horizon(view.scores)
    return finished(calibration.coverage_by_horizon(coverage, looks=view.looks))


def plot_widths(
    compared: Compared, *, target: Target | None = None, choices: Choices | None = None
) -> go.Figure:
    """Draw the width of 95 % intervals, relative to the baseline's, against how often they hold.

    Arguments and errors: :func:`plot_win_rates`.
    """
    view = _View(compared, target, choices)
    baseline = view.choices.baseline
    found = calibrating.widths(view.scores, baseline)
    return finished(calibration.widths(found, baseline, looks=view.looks))


def plot_forecasts(
    compared: Compared,
    *,
    trace: str | None = None,
    origin_s: float | None = None,
    target: Target | None = None,
    choices: Choices | None = None,
) -> go.Figure:
    """Draw what each model said at an origin, with intervals of 80 and 95 %, and what came.

    Args:
        compared: a comparison.
        trace: which trace; ``None``: the first by name.
        origin_s: local time of the origin; the nearest one is taken. ``None``: the first.
        target: ``truth`` or ``measured``; ``None``: the truth where it is known.
        choices: as for the report.

    Returns:
        A panel for each horizon (four of them, evenly chosen, where there are more). Values are
        minus the last known one, in the trace's unit; the solid line is the target, the dotted one
        no change.

    Raises:
        ReportError: there are no rows, or no such trace.
    """
    view = _View(compared, target, choices)
    trace = view.trace(trace)
    origins_s = view.survey.counts.origins.values((trace,))
    place = 0 if origin_s is None else int(np.argmin(np.abs(origins_s - origin_s)))
    window = view.survey.rows.windows(trace, {origins_s[place]})
    return finished(forecasts.forecasts(window, view.target, looks=view.looks))


def plot_latency(
    compared: Compared,
    *,
    metric: str = "mae",
    target: Target | None = None,
    choices: Choices | None = None,
) -> go.Figure:
    """Draw what a forecast costs, in s for one window alone, against skill.

    The mark is the median; a line goes on to the 99th percentile. Arguments and errors:
    :func:`plot_win_rates`.
    """
    view = _View(compared, target, choices)
    told = view.survey.calls.table(deadline_s(compared, view.choices))
    board, baseline = view.standing(metric).compared, view.choices.baseline
    return finished(leaderboard.latency_against_skill(board, told, baseline, looks=view.looks))


def plot_error_over_time(
    compared: Compared,
    *,
    trace: str | None = None,
    horizon_s: float | None = None,
    target: Target | None = None,
    bins: int = over_time.BINS,
    choices: Choices | None = None,
) -> go.Figure:
    """Draw the size of each model's error on a trace over time.

    Args:
        compared: a comparison.
        trace: which trace; ``None``: the first by name.
        horizon_s: which horizon; ``None``: the nearest that the trace has.
        target: ``truth`` or ``measured``; ``None``: the truth where it is known.
        bins: points of a model at most; where there are more windows, means over equal stretches
            of time are drawn, and the note says so.
        choices: as for the report.

    Raises:
        ReportError: there are no rows, no such trace, or it has no such horizon.
    """
    view = _View(compared, target, choices)
    trace = view.trace(trace)
    horizon_s = view.horizon_s(trace, horizon_s)
    unit, thinned = thinned_trace(view.survey.rows, trace, [view.target], [horizon_s], bins)
    points = thinned[view.target, horizon_s]
    return finished(over_time.error_over_time(points, trace, horizon_s, unit, looks=view.looks))


class _View:
    """What figures of a comparison need."""

    def __init__(self, compared: Compared, target: Target | None, choices: Choices | None) -> None:
        self.choices = choices or Choices()
        self.survey = Survey(compared, self.choices)
        self.target: Target = target or self.survey.targets[0]
        self.looks: Styles = styles(self.survey.counts.models)

    @property
    def scores(self) -> pd.DataFrame:
        return self.survey.scores(self.target)

    @property
    def calibration(self) -> calibrating.Calibration:
        return self.survey.calibration[self.target]

    def trace(self, name: str | None) -> str:
        """A trace that there is; the first where none is asked for."""
        known = self.survey.counts.traces
        if name is not None and name not in known:
            raise ReportError(f"there is no trace {name}; there are {', '.join(known)}")
        return known[0] if name is None else name

    def horizon_s(self, trace: str, asked_s: float | None) -> float:
        """A horizon that the trace has; the nearest where none is asked for."""
        known = sorted(each for of, each in self.survey.counts.tasks if of == trace)
        if asked_s is None:
            return known[0]
        nearest = min(known, key=lambda each: abs(each - asked_s))
        if not math.isclose(nearest, asked_s, rel_tol=_SAME):
            told = ", ".join(map(lead, known))
            raise ReportError(f"{trace} has no horizon of {lead(asked_s)}; it has {told}")
        return nearest

    def standing(self, metric: str) -> Standing:
        return stand(self.survey.scores(self.target, metric), metric, self.choices)
