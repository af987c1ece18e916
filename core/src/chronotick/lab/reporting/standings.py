"""The leaderboard and the tables of tasks, as tables."""

from __future__ import annotations

import math
from typing import Any, Final

import pandas as pd

from chronotick.lab.reporting.compared import TARGETS
from chronotick.lab.reporting.failing import in_short
from chronotick.lab.reporting.findings import Findings
from chronotick.lab.reporting.judging import Judgement, Standing
from chronotick.lab.reporting.latencies import ENOUGH
from chronotick.lab.reporting.quantities import (
    UNKNOWN,
    count,
    fraction,
    fractions,
    number,
    often,
    quantity,
    share,
    shares,
    size,
)
from chronotick.lab.reporting.tables import Cell, Table, cell
from chronotick.lab.reporting.texts import metric_name

_COLUMNS: Final = (
    *("model", "win rate", "95 % interval", "skill", "95 % interval of skill", "tasks"),
    *("failed tasks", "failed windows", "leaks", "latency p50", "latency p99"),
    *("calls", "deadline misses", "peak memory"),
)
_TEXTS: Final = frozenset({"model", "leaks"})
_NAN: Final = float("nan")


def board_table(findings: Findings, judgement: Judgement, standing: Standing) -> Table:
    """Return the leaderboard of a target and metric, with what else counts for each model."""
    failed = judgement.scores.groupby("model")[["failed", "windows"]].sum()
    return Table(
        caption=_caption(findings, judgement, standing),
        columns=_COLUMNS,
        rows=[
            [
                *_standing_cells(str(model), row),
                *_failure_cells(row, failed.loc[model]),
                _leak_cell(str(model), row, findings),
                *_cost_cells(str(model), findings),
            ]
            for model, row in standing.board.iterrows()
        ],
        numeric=frozenset(_COLUMNS) - _TEXTS,
    )


def _caption(findings: Findings, judgement: Judgement, standing: Standing) -> str:
    compared = standing.compared
    tasks = int(compared["tasks"].max()) if len(compared) else 0
    hosts = int(compared["hosts"].max()) if len(compared) else 0
    deadline = (
        "no deadline was set"
        if findings.deadline_s is None
        else f"deadline {quantity(findings.deadline_s, 's')}"
    )
    return (
        f"{TARGETS[judgement.target].capitalize()} by {metric_name(standing.metric)}: "
        f"{often(tasks, 'task')} (a trace at a horizon) of {often(hosts, 'host')}. Win rate: share "
        f"of comparisons won against the other models. Skill: 1 - geometric mean of the errors "
        f"divided by those of {findings.choices.baseline} (1: none, 0: as large, below 0: larger). "
        f"Latency: of a call for one window alone, of which there are as many as calls (of fewer "
        f"than {ENOUGH}, p99 is about their maximum); {deadline}."
    )


def _standing_cells(model: str, row: Any) -> list[Cell]:  # noqa: ANN401 - a pandas row
    cells = [cell(model)]
    told = {"win_rate": (share, shares), "skill_score": (fraction, fractions)}
    for name, (value, interval) in told.items():
        low, high = row.get(f"{name}_lower", _NAN), row.get(f"{name}_upper", _NAN)
        cells += [cell(value(row[name]), row[name]), cell(interval(low, high), low)]
    return [*cells, cell(count(row["tasks"]), float(row["tasks"]))]


def _failure_cells(row: Any, failed: Any) -> list[Cell]:  # noqa: ANN401 - pandas rows
    of = f"{count(failed['failed'])} of {count(failed['windows'])}"
    windows = cell(of if failed["failed"] else "0", float(failed["failed"]))
    return [cell(count(row["failed_tasks"]), float(row["failed_tasks"])), windows]


def _leak_cell(model: str, row: Any, findings: Findings) -> Cell:  # noqa: ANN401 - a pandas row
    traces = sorted(findings.leaked.get(model, ()))
    if not traces:
        return cell("none known", 0.0)
    told = f"{often(int(row['leaked_tasks']), 'task')} seen"
    return cell(told, float(len(traces)), more=f"trained on {', '.join(traces)}")


def _cost_cells(model: str, findings: Findings) -> list[Cell]:
    time = findings.latency.loc[model]
    identity = findings.compared.models.get(model, {})
    memory = identity.get("peak_memory_bytes") or None  # 0: it shares a process with others
    missed = UNKNOWN
    if time["asked"] and math.isfinite(time["missed"]):
        missed = f"{count(time['missed'])} of {count(time['asked'])}"
    return [
        cell(quantity(time["p50_s"], "s"), time["p50_s"]),
        cell(quantity(time["p99_s"], "s"), time["p99_s"]),
        cell(count(time["asked"]) if time["asked"] else UNKNOWN, float(time["asked"])),
        cell(missed, time["missed"] if time["asked"] else _NAN),
        cell(UNKNOWN, _NAN) if memory is None else cell(size(float(memory)), float(memory)),
    ]


_TASK_COLUMNS: Final = (
    *("model", "windows", "failed", "MAE", "RMSE", "median", "p99", "max", "bias"),
    *("MASE (drift)", "SQL (drift)", "80 % held", "95 % held", "95 % width", "Winkler 95 %"),
    "outside bound",
)


def task_table(task: pd.DataFrame) -> Table:
    """Return all scores on one task, the smallest MAE first.

    Args:
        task: rows of :func:`chronotick.lab.scoring.scores` of one trace and horizon.
    """
    unit = str(task["unit"].iloc[0])
    return Table(
        caption="",
        columns=_TASK_COLUMNS,
        rows=[_task_row(row, unit) for row in task.sort_values("mae").to_dict("records")],
        numeric=frozenset(_TASK_COLUMNS[1:]),
    )


def _task_row(row: Any, unit: str) -> list[Cell]:  # noqa: ANN401 - a pandas row
    errors = ("mae", "rmse", "median_ae", "p99_ae", "max_ae", "bias")
    held = ("coverage_80", "coverage_95")
    return [
        cell(str(row["model"])),
        *(cell(count(row[name]), float(row[name])) for name in ("windows", "failed")),
        *(cell(quantity(row[name], unit), row[name]) for name in errors),
        *(cell(number(row[name]), row[name]) for name in ("mase_drift", "sql_drift")),
        *(cell(share(row[name]), row[name]) for name in held),
        *(cell(quantity(row[name], unit), row[name]) for name in ("width_95", "winkler_95")),
        cell(share(row["outside_bound"]), row["outside_bound"]),
    ]


def failures_table(findings: Findings) -> Table:
    """Return where models gave no forecast, and why; a long one is cut, which it says."""
    failed, most = in_short(findings.failures, findings.counts.horizons), findings.choices.listed
    windows = int(findings.failures["failed"].sum())
    total = f"{often(windows, 'forecast')} in {often(len(findings.failures), 'task')}"
    cut = (
        f" The first {most} rows are shown; the results have them all."
        if len(failed) > most
        else ""
    )
    return Table(
        caption=f"Forecasts that there are not: {total}.{cut}",
        columns=("model", "trace", "horizon", "failed windows", "of", "reason"),
        rows=[_failure_row(row) for row in failed.head(most).to_dict("records")],
        numeric=frozenset({"failed windows", "of"}),
    )


def _failure_row(row: dict[str, Any]) -> list[Cell]:
    others = int(row["other_reasons"])
    more = f" (the most frequent; {often(others, 'other reason')} besides)" if others else ""
    return [
        cell(str(row["model"])),
        cell(str(row["trace"])),
        cell(str(row["horizon"])),
        cell(count(row["failed"]), float(row["failed"])),
        cell(count(row["windows"]), float(row["windows"])),
        cell(f"{row['reason']}{more}"),
    ]
