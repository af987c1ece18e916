"""Words of a report that no number changes."""

from __future__ import annotations

from typing import Final

METRIC_NAMES: Final = {
    "mae": "MAE",
    "rmse": "RMSE",
    "median_ae": "median absolute error",
    "p99_ae": "99th percentile of absolute errors",
    "max_ae": "largest absolute error",
    "mase_drift": "MASE (drift)",
    "ql": "quantile loss",
    "wql": "WQL",
    "sql_drift": "SQL (drift)",
    "winkler_95": "Winkler score of 95 % intervals",
}
"""Names of the metrics that models can be compared by."""
WITHOUT_UNIT: Final = frozenset({"mase_drift", "wql", "sql_drift"})
"""Those that are ratios; others have the unit of the trace."""
METRICS: Final = {
    "Error": "forecast minus target, in the trace's unit. Target: the true value (clock error "
    "against truth), or the value measured at the horizon (forecast of the series).",
    "Task": "one trace at one horizon. Its windows make one score; all tasks count alike.",
    "MAE, RMSE, median, p99, max, bias": "mean, root mean square, median, 99th percentile and "
    "largest absolute error, and the mean of the signed error. Of fewer than 100 windows, p99 is "
    "about the largest.",
    "MASE (drift)": "mean of absolute errors, each divided by the mean error |y(t) - 2 y(t-h) + "
    "y(t-2h)| that a straight line through two points makes within the window's own context.",
    "Quantile loss": "mean over the nine deciles of 2 |(y - q) ((y <= q) - level)|; WQL: its sum "
    "over the sum of |y|; SQL (drift): divided by the same scale as MASE.",
    "Winkler 95 %": "width of the 95 % interval plus 40 times the target's distance outside it.",
    "Outside bound": "share of forecasts that the hard limits a daemon publishes rule out.",
    "Win rate": "share of comparisons with all other models, over all tasks, in which the model "
    "has the smaller error; ties count half.",
    "Skill": "1 - geometric mean over tasks of the error divided by the baseline's, each ratio "
    "clipped to [0.01, 100]: 0.25 is a quarter less error, -3 four times as much.",
    "Intervals": "95 %, from a paired bootstrap that draws hosts with all their tasks (or tasks, "
    "if so chosen), the same draws for every model. Of one host there are none.",
    "Failures": "a task in which a model failed, be it in one window, is left out for all models, "
    "which is said below the table. Nothing is imputed.",
    "Intervals of point models": "the forecast plus quantiles of the model's own earlier residuals "
    "at that horizon on that trace, once there are 20 of them.",
    "Latency": "time of the whole call for one window alone, seen from outside the model.",
}
"""Definitions in brief, by what they define."""
TITLES: Final = {
    "leaderboard": "Leaderboard",
    "pairs": "Models in pairs",
    "horizons": "Error by horizon",
    "calibration": "Calibration",
    "examples": "Example forecasts",
    "latency": "Latency against skill",
    "traces": "Trace by trace",
    "failures": "Failures and problems",
    "reproduce": "How to reproduce",
}
"""Of the sections, by their anchors."""
SENTENCES: Final = {
    "leaderboard": "Who makes the smaller errors, with what it costs: win rate in "
    "percent, skill as a fraction, both with 95 % intervals where there are several hosts; "
    "failures as counts, latency in seconds, memory in bytes. Press a title to sort.",
    "pairs": "Who beats whom on the same tasks, in percent of tasks, and who cannot be told apart.",
    "horizons": "How errors grow with the time ahead: relative to the baseline's (a ratio; below "
    "1 is better), and as they are, in the traces' unit.",
    "calibration": "Whether intervals hold as often as they promise, in percent, and how wide they "
    "are.",
    "examples": "What models said in single windows: forecasts and intervals minus the last known "
    "value, in the trace's unit, beside what came.",
    "latency": "What a forecast costs, in seconds for one window, and what it is worth: "
    "skill, the share of the baseline's error that it saves.",
    "traces": "Errors of every model on one trace at one horizon over time, in the trace's "
    "unit, and all scores of that task.",
    "failures": "Windows without a forecast, as counts with the reason, and traces that were left "
    "out.",
    "reproduce": "Commands, versions, hashes and definitions; with them every number here can be "
    "computed again.",
}
"""What each section shows."""
SOURCE: Final = (
    "Win rate and skill are those of fev (Shchur et al., fev-bench, arXiv 2509.26468, 2025). Exact "
    "formulas, and what differs, are on the page docs/scoring.md of ChronoTick's documentation."
)


def metric_name(metric: str) -> str:
    """Return a metric's name for people."""
    return METRIC_NAMES.get(metric, metric)
