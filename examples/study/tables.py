"""The page's tables, as Markdown."""
# ruff: noqa: INP001 - a program, not a package

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from chronotick.lab import Comparison

CLASSICAL = ("line", "hold", "drift", "naive")
US = 1e6
MIB = 1 << 20


def tables(classical: Comparison, everything: Comparison) -> dict[str, str]:
    """All tables by name."""
    truth, measured = (_placed(classical.scores(target)) for target in ("truth", "measured"))
    return {
        "standing": _standing(classical),
        "ratios_truth": _ratios(truth),
        "ratios_measured": _ratios(measured),
        "ratios_clock": _ratios(truth, by="clock"),
        "losses": _losses(truth),
        "coverage": _coverage(truth, measured),
        "standing_all": _standing(everything),
        "machinery": _machinery(everything),
    }


def as_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows below a header, in Markdown; all columns but the first are numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _placed(table: pd.DataFrame) -> pd.DataFrame:
    """Scores with the network and the clock of their world, and the horizon without its noise."""
    parts = table["trace"].str.split("-", expand=True)
    return table.assign(network=parts[0], clock=parts[1], horizon_s=table["horizon_s"].round())


def _standing(compared: Comparison) -> str:
    boards = [compared.leaderboard("mae", target) for target in ("truth", "measured")]
    rows = [
        (f"`{model}`", *(cell for board in boards for cell in _standing_of(board.loc[model])))
        for model in boards[0].index
    ]
    header = ("", "win rate", "skill against truth", "win rate", "skill against measured values")
    return as_table(header, rows)


def _standing_of(row: pd.Series) -> tuple[str, str]:
    low, high = row["skill_score_lower"], row["skill_score_upper"]
    if low == high == 0:
        return f"{row['win_rate']:.3f}", "0"
    return f"{row['win_rate']:.3f}", f"{row['skill_score']:.2f} ({low:.2f} to {high:.2f})"


def _ratios(table: pd.DataFrame, by: str = "network") -> str:
    """Median errors of the estimator in µs, and of the others in multiples of it."""
    errors = table.pivot_table(index=["trace", by, "horizon_s"], columns="model", values="mae")
    relative = errors.div(errors["kalman"], axis=0).groupby([by, "horizon_s"]).median()
    own = errors["kalman"].groupby([by, "horizon_s"]).median()
    rows = [
        (
            f"{place}, {horizon_s:.0f} s",
            f"{own[place, horizon_s] * US:.1f}",
            *(f"{relative.loc[(place, horizon_s), model]:.2f}" for model in CLASSICAL),
        )
        for place, horizon_s in relative.index
    ]
    return as_table((by, "`kalman`, µs", *(f"`{model}`" for model in CLASSICAL)), rows)


def _losses(table: pd.DataFrame) -> str:
    """Tasks in which something else than the estimator has the smallest error."""
    errors = table.pivot_table(index=["trace", "horizon_s"], columns="model", values="mae")
    best = errors.idxmin(axis=1)
    lost = best[best != "kalman"]
    rows = [
        (
            f"{trace}, {horizon_s:.0f} s",
            f"`{model}`",
            f"{errors.loc[(trace, horizon_s), 'kalman'] * US:.1f}",
            f"{errors.loc[(trace, horizon_s), model] * US:.1f}",
        )
        for (trace, horizon_s), model in lost.items()
    ]
    return as_table(("task", "best", "`kalman`, µs", "best, µs"), rows)


def _coverage(truth: pd.DataFrame, measured: pd.DataFrame) -> str:
    names = ("coverage_80", "coverage_95")
    means = [
        table.groupby(["model", "horizon_s"])[list(names)].mean() for table in (truth, measured)
    ]
    rows = [
        (
            f"`{model}`, {horizon_s:.0f} s",
            *(
                f"{100 * each.loc[(model, horizon_s), name]:.1f} %"
                for each in means
                for name in names
            ),
        )
        for model in ("kalman", "line")
        for horizon_s in sorted(truth["horizon_s"].unique())
    ]
    header = ("", "80 %, truth", "95 %, truth", "80 %, measured", "95 %, measured")
    return as_table(header, rows)


def _machinery(compared: Comparison) -> str:
    """What models of machine learning cost here."""
    latency, board = compared.latency(), compared.leaderboard()
    rows = [
        (
            f"`{name}`",
            f"{about['parameters']:,}",
            f"{about['windows_per_s']:.0f}",
            str(about["batch"]),
            f"{1e3 * latency.loc[name, 'p50_s']:.1f}",
            f"{1e3 * latency.loc[name, 'p99_s']:.1f}",
            f"{about['peak_memory_bytes'] / MIB:.0f}",
            str(board.loc[name, "failed_tasks"]),
        )
        for name, about in compared.models.items()
        if about.get("peak_memory_bytes")
    ]
    header = ("", "parameters", "windows/s", "batch", "one alone: 50 %, ms", "99 %, ms")
    return as_table((*header, "peak memory, MiB", "failed tasks"), rows)
