"""Every number that the page's sentences give, and whether the sentences still hold."""
# ruff: noqa: INP001, PLR2004 - a program, not a package; the claims state their numbers

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from chronotick.lab import Comparison
from chronotick.lab.scoring import common_windows, leaderboard, scores

BASELINE = "kalman"
US = 1e6
Fact = tuple[str, Any]


def facts(classical: Comparison, everything: Comparison) -> dict[str, Any]:
    """All numbers by name: shares from 0 to 1, times as the name says.

    Args:
        classical: the comparison without models of machine learning.
        everything: with them; the same where there are none.
    """
    truth, measured = (classical.scores(target) for target in ("truth", "measured"))
    found = dict(_sizes(classical, everything))
    for target, table in (("truth", truth), ("measured", measured)):
        found |= dict(_standing(target, table)) | dict(_coverage(target, table))
    found |= dict(_places(truth, measured)) | dict(_bounds(classical.rows))
    return found | dict(_quantiles(classical.rows)) | dict(_draws(truth))


def contradicted(known: Mapping[str, Any]) -> list[str]:
    """Findings of the page that the numbers do not bear out."""
    return [words for words, holds in _claims(known) if not holds]


def _claims(known: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    most = max(known[f"truth_best_{model}"] for model in ("line", "hold", "drift", "naive"))
    yield "the estimator wins most tasks", known["truth_best_kalman"] > most
    yield "line's skill against truth is negative", known["truth_skill_line_upper"] < 0
    smaller = known["measured_skill_line"] > known["truth_skill_line"]
    yield "differences are smaller against what was measured", smaller
    yield "noise hides them over a WAN", known["wan_hold_measured"] < known["wan_hold_truth"]
    yield "hold is nearly as good in the data centre", known["dc_hold"] < 0.1
    yield "drift is better under load at one hour", known["load_drift"] < 1.0
    bias, size = known["wan_load_2_bias"], known["wan_load_2_mae"]
    yield "wan-load-2 is all asymmetry", known["wan_load_2_naive"] < size < 1.1 * abs(bias)
    yield "95 % intervals hold the truth", known["truth_coverage_95_min"] >= 0.95
    yield "80 % intervals are too wide", known["truth_coverage_80_min"] > 0.8
    yield "they are not for measured values", known["measured_coverage_95_min"] < 0.95
    yield "line has better intervals of these", known["winkler_line"] > known["winkler_kalman"]
    yield "naive's forecasts leave the bound", known["naive_outside_3600"] > 0.1
    yield "the bound always held", known["bound_violations"] == 0
    yield "naive rises when quantiles are scored", known["naive_sql"] > known["truth_win_naive"]
    yield "intervals by task are narrower", known["by_task"] < known["by_host"]


def _sizes(classical: Comparison, everything: Comparison) -> Iterator[Fact]:
    rows = classical.rows
    yield "hosts", rows["host"].nunique()
    yield "windows", len(rows[["trace", "origin_s"]].drop_duplicates())
    yield "forecasts", len(rows)
    yield "failed", int((rows["status"] != "ok").sum())
    yield "all_forecasts", len(everything.rows)
    yield "all_failed", int((everything.rows["status"] != "ok").sum())
    yield "asked", int(everything.latency()["asked"].max())
    yield "foundation", len(everything.models) - len(classical.models)


def _standing(target: str, table: pd.DataFrame) -> Iterator[Fact]:
    board = leaderboard(table, "mae", baseline=BASELINE)
    best = _errors(table).idxmin(axis=1).value_counts()
    yield "tasks", int(board["tasks"].max())
    for model, row in board.iterrows():
        yield f"{target}_best_{model}", int(best.get(model, 0))
        yield f"{target}_win_{model}", row["win_rate"]
        yield f"{target}_skill_{model}", row["skill_score"]
        yield f"{target}_skill_{model}_lower", row["skill_score_lower"]
        yield f"{target}_skill_{model}_upper", row["skill_score_upper"]
    yield f"{target}_line_larger", 1.0 - board.loc["line", "skill_score"]
    yield f"{target}_lost", int(len(_errors(table)) - best[BASELINE])


def _coverage(target: str, table: pd.DataFrame) -> Iterator[Fact]:
    """How often the estimator's intervals held: means over hosts, by horizon."""
    own = table[table["model"] == BASELINE]
    for name in ("coverage_80", "coverage_95"):
        by_horizon = own.groupby("horizon_s")[name].mean()
        yield f"{target}_{name}_min", by_horizon.min()
        yield f"{target}_{name}_max", by_horizon.max()
    by_host = own.groupby("host")["coverage_95"].mean()
    yield f"{target}_worst", by_host.min()
    yield f"{target}_worst_host", by_host.idxmin()


def _places(truth: pd.DataFrame, measured: pd.DataFrame) -> Iterator[Fact]:
    """Where the estimator is no better than others, and where that cannot be seen."""
    dc = _relative(truth, "hold", "dc-")
    yield "dc_hold", dc[dc.index > 64].max() - 1.0
    yield "load_drift", _relative(truth, "drift", "-load-")[3600]
    yield "wan_hold_truth", _relative(truth, "hold", "wan-")[64]
    yield "wan_hold_measured", _relative(measured, "hold", "wan-")[64]
    one = truth[(truth["trace"] == "wan-load-2") & (truth["horizon_s"].round() == 64)]
    one = one.set_index("model")
    yield "wan_load_2_bias", one.loc[BASELINE, "bias"] * US
    yield "wan_load_2_mae", one.loc[BASELINE, "mae"] * US
    yield "wan_load_2_naive", one.loc["naive", "mae"] * US


def _bounds(rows: pd.DataFrame) -> Iterator[Fact]:
    """Hard limits against the truth, and forecasts against hard limits."""
    own = rows[(rows["model"] == BASELINE) & rows["low"].notna() & rows["truth"].notna()]
    yield "bound_checks", len(own)
    yield "bound_violations", int((~own["truth"].between(own["low"], own["high"])).sum())
    naive = rows[(rows["model"] == "naive") & rows["low"].notna()]
    outside = ~naive["forecast"].between(naive["low"], naive["high"])
    for horizon_s, share in outside.groupby(naive["horizon_s"].round()).mean().items():
        yield f"naive_outside_{horizon_s:.0f}", share


def _quantiles(rows: pd.DataFrame) -> Iterator[Fact]:
    """Win rates by scores of quantiles, from the windows in which all models have them."""
    fair = common_windows(rows)
    sql = leaderboard(scores(fair, "truth"), "sql_drift", baseline=BASELINE)
    yield "naive_sql", sql.loc["naive", "win_rate"]
    winkler = leaderboard(scores(fair, "measured"), "winkler_95", baseline=BASELINE)
    for model in ("line", BASELINE):
        yield f"winkler_{model}", winkler.loc[model, "win_rate"]


def _draws(table: pd.DataFrame) -> Iterator[Fact]:
    """How wide the interval of line's skill is when hosts are drawn, and when tasks are."""
    widths = []
    for cluster in ("host", "task"):
        row = leaderboard(table, "mae", baseline=BASELINE, cluster=cluster).loc["line"]
        widths.append(row["skill_score_upper"] - row["skill_score_lower"])
        yield f"by_{cluster}", widths[-1]
    yield "wider", widths[0] / widths[1]


def _relative(table: pd.DataFrame, model: str, among: str) -> pd.Series:
    """Median over hosts of a model's error in multiples of the estimator's, by horizon."""
    errors = _errors(table[table["trace"].str.contains(among)])
    return (errors[model] / errors[BASELINE]).groupby(level="horizon_s").median()


def _errors(table: pd.DataFrame) -> pd.DataFrame:
    """Mean absolute error by task and model."""
    rounded = table.assign(horizon_s=table["horizon_s"].round())
    return rounded.pivot_table(index=["trace", "horizon_s"], columns="model", values="mae")
