"""Errors over the estimator's, and what the page says of them."""
# ruff: noqa: INP001, PLR2004 - a program, not a package; the claims state their numbers

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from tables import as_table

BASELINE = "kalman"
MODELS = ("chronos", "ttm")
BOOTSTRAP, SEED = 2000, 1
QUIET = ("hvac", "hvacs", "calm")  # clocks that are forecast badly on quiet paths
LARGE = 10.0  # from there on digits after the point mean nothing
HORIZONS = {64.0: "64 s", 256.0: "256 s", 1024.0: "1024 s", 3600.0: "1 h"}
ABLATED = {
    "short": "a third of the steps, all else as shipped",
    "no-cycles": "a third of the steps, and no cycles in the prior",
    "no-filter": "a third of the steps, and contexts without the estimator",
    "small": "a third of the steps, and a network of a tenth of the size",
}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the page is made of.

    Attributes:
        simulation: :func:`ratios` on simulated worlds, with the name of the set of ``weights``,
            and whether the clock is ``structured``: has cycles or load.
        scores: of the weights that come with plugins, there.
        recorded: what :func:`weights_recorded.recorded_ratios` found; may be empty.
        replayed: what :func:`weights_fused.fused` found.
    """

    simulation: pd.DataFrame
    scores: pd.DataFrame
    recorded: pd.DataFrame
    replayed: pd.DataFrame

    @property
    def own(self) -> pd.DataFrame:
        """Ratios of the weights that come with plugins."""
        return self.simulation[self.simulation["weights"] == "own"]


def ratios(scores: pd.DataFrame) -> pd.DataFrame:
    """Errors over those of the estimator on the same trace and horizon.

    Args:
        scores: as `Comparison.scores` gives them.

    Returns:
        ``trace``, ``network``, ``clock``, ``horizon_s``, ``model``, and logarithms of the ratios of
        ``rmse`` and ``mae``.

    Raises:
        ValueError: a model has no forecast for some windows.
    """
    index = ["trace", "network", "clock", "horizon_s", "model"]
    if (silent := scores.loc[scores["failed"] > 0, "model"].unique()).size:
        raise ValueError(f"{', '.join(silent)} left windows out: errors are of different ones")
    placed = scores.assign(horizon_s=_nearest(scores["horizon_s"]), **_place(scores["trace"]))
    table = placed.set_index(index)[["rmse", "mae"]]
    own = table.xs(BASELINE, level="model")
    logs = np.log(table / own.reindex(table.index.droplevel("model")).to_numpy())
    return logs.drop(BASELINE, level="model").reset_index()


def _place(traces: pd.Series) -> dict[str, pd.Series]:
    """The network and clock of simulated worlds, by their names."""
    return {"network": traces.str.split("-").str[0], "clock": traces.str.split("-").str[1]}


def _nearest(horizon_s: pd.Series) -> pd.Series:
    """Grids move horizons by a fraction of a step."""
    known = np.array([*HORIZONS])
    return horizon_s.map(lambda value: known[np.argmin(np.abs(np.log(known / value)))])


def mean_ratio(logs: pd.Series) -> tuple[float, float, float]:
    """Geometric mean over worlds, and the 95 % interval of drawing worlds."""
    values = logs.dropna().to_numpy()
    drawn = np.random.default_rng(SEED).choice(values, (BOOTSTRAP, len(values))).mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(np.exp(values.mean())), float(np.exp(low)), float(np.exp(high))


def facts(measured: Measured) -> dict[str, Any]:
    """All numbers of the page's sentences, by name."""
    own, replayed, recorded = measured.own, measured.replayed, measured.recorded
    found: dict[str, Any] = {}
    for group, chosen in (
        ("structured", own["structured"]),
        ("plain", ~own["structured"]),
        ("load", own["clock"] == "load"),
        ("rough", own["clock"] == "rough"),
        *((f"{clock}_dc", (own["clock"] == clock) & (own["network"] == "dc")) for clock in QUIET),
    ):
        found |= dict(_group(group, own[chosen]))
    asked = measured.scores[measured.scores["model"] == "chronos"]
    found["covered_least"], found["covered_most"] = _covered(asked)
    found["covered"] = asked["coverage_95"].mean()
    simulation = measured.simulation
    ablated = simulation[(simulation["model"] == "ttm") & simulation["structured"]]
    for weights in ABLATED:
        part = ablated[ablated["weights"] == weights]
        found |= dict(_group(weights.replace("-", "_"), part))
    without, with_them = _replayed(replayed)
    weight = replayed.loc[replayed["models"] == "with", "kalman"]
    found["kalman_least"], found["kalman_most"] = float(weight.min()), float(weight.max())
    found["fused_worst"] = float((with_them / without).max())
    found["fused_best"] = float((with_them / without).min())
    if len(recorded):
        nearest = recorded.assign(horizon_s=_nearest(recorded["horizon_s"]))
        means = nearest.groupby(["model", "horizon_s"], observed=True)["rmse"].mean()
        found |= {
            f"recorded_{model}_{horizon_s:.0f}": float(np.exp(mean))
            for (model, horizon_s), mean in means.items()
        }
    return found


def _group(name: str, part: pd.DataFrame) -> Iterator[tuple[str, float]]:
    for (model, horizon_s), logs in part.groupby(["model", "horizon_s"]):
        key = f"{name}_{model}_{horizon_s:.0f}"
        found = zip((key, f"{key}_low", f"{key}_high"), mean_ratio(logs["rmse"]), strict=True)
        yield from found
        yield f"{key}_mae", mean_ratio(logs["mae"])[0]


def claims(known: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """What the page says in words, and whether it is so."""
    for model in MODELS:
        yield f"{model}: its gain under load is certain", known[f"load_{model}_3600_high"] < 1.0
        for group in ("hvac_dc", "hvacs_dc", "calm_dc", "rough"):
            yield f"{model} fails at {group}", known[f"{group}_{model}_3600"] > 1.0
        for horizon in ("1024", "3600"):
            may_be_chance = known[f"structured_{model}_{horizon}_high"] > 1.0
            yield f"{model}: all structure at {horizon} s may be chance", may_be_chance
        yield f"{model}: better with structure at 1024 s", known[f"structured_{model}_1024"] < 1.0
        yield (
            f"{model}: mean errors gain less",
            (known[f"structured_{model}_1024_mae"] > known[f"structured_{model}_1024"]),
        )
    yield "cycles in the prior did not help", known["no_cycles_ttm_3600"] < known["short_ttm_3600"]
    yield "nor did size", known["small_ttm_3600"] < known["short_ttm_3600"]
    yield "more steps did", known["structured_ttm_3600"] < known["short_ttm_3600"]
    yield (
        "coverage is not everywhere as wanted",
        (known["covered_least"] < 0.9 and known["covered_most"] > 0.98),
    )
    if "recorded_chronos_64" in known:
        yield "64 s of recorded clocks is missed", known["recorded_chronos_64"] > 1.0
    yield "fused time is as good with them as without", known["fused_worst"] < 1.02


def tables(measured: Measured) -> dict[str, str]:
    """All tables of the page, by name."""
    return {
        "table_groups": _groups(measured.simulation),
        "table_worlds": _worlds(measured.own),
        "table_ablations": _ablations(measured.simulation),
        "table_coverage": _coverage(measured.scores),
        "table_replayed": _replay_table(measured.replayed),
        "table_recorded": _recorded(measured.recorded) if len(measured.recorded) else "",
        "table_hub": _hub(measured.simulation),
    }


def _groups(simulation: pd.DataFrame) -> str:
    rows = []
    for weights in ("own", "random"):
        rows += _by_group(simulation, weights, MODELS, f", {weights} weights")
    rows += _by_group(simulation, "own", ("hold", "line"), "")
    return as_table(("", "clocks", *HORIZONS.values()), rows)


def _by_group(
    simulation: pd.DataFrame,
    weights: str,
    names: tuple[str, ...],
    words: str,
) -> list[tuple[str, ...]]:
    table = simulation[simulation["weights"] == weights]
    return [
        (f"`{name}`{words}", group, *_cells(table[chosen & (table["model"] == name)]))
        for name in names
        for group, chosen in (
            ("cycles, load", table["structured"]),
            ("neither", ~table["structured"]),
        )
    ]


def _cells(part: pd.DataFrame) -> list[str]:
    cells = []
    for horizon_s in HORIZONS:
        logs = part.loc[part["horizon_s"] == horizon_s, "rmse"].dropna()
        if logs.empty:
            cells.append("-")
            continue
        mean, low, high = mean_ratio(logs)
        form = ".0f" if mean > LARGE else ".3f"
        cells.append(f"{mean:{form}} ({low:{form}} to {high:{form}})")
    return cells


def _worlds(own: pd.DataFrame) -> str:
    rows = []
    for (network, clock), part in own.groupby(["network", "clock"], sort=False):
        cells = []
        for model in MODELS:
            means = part[part["model"] == model].groupby("horizon_s")["rmse"].mean()
            cells += [f"{np.exp(means[horizon_s]):.3f}" for horizon_s in HORIZONS]
        rows.append((f"{network}, {clock}", *cells))
    heads = [f"`{model}`, {words}" for model in MODELS for words in HORIZONS.values()]
    return as_table(("", *heads), rows)


def _ablations(simulation: pd.DataFrame) -> str:
    rows = []
    for weights, words in {"own": "as shipped", **ABLATED}.items():
        rows += _by_group(simulation, weights, ("ttm",), f", {words}")
    return as_table(("", "clocks", *HORIZONS.values()), rows)


def _hub(simulation: pd.DataFrame) -> str:
    names = tuple(simulation.loc[simulation["weights"] == "hub", "model"].unique())
    chosen = tuple(name for name in names if name in MODELS)
    rows = _by_group(simulation, "hub", chosen, ", other weights")
    return as_table(("", "clocks", *HORIZONS.values()), rows)


def _covered(scores: pd.DataFrame) -> tuple[float, float]:
    """Least and most over networks and clocks, all worlds and horizons of each together."""
    kind = scores["trace"].str.rpartition("-")[0]
    means = scores.groupby(kind)["coverage_95"].mean()
    return float(means.min()), float(means.max())


def _coverage(scores: pd.DataFrame) -> str:
    table = scores.assign(**_place(scores["trace"]))
    rows = []
    table["horizon"] = _nearest(table["horizon_s"]).map(HORIZONS)
    for model in ("chronos", BASELINE):
        chosen = table[table["model"] == model]
        for index in ("network", "horizon"):
            means = chosen.pivot_table(
                index=index, columns="clock", values="coverage_95", sort=False
            ).sort_index(axis=1)
            rows += [
                (f"`{model}`, {place}", *(f"{100 * value:.1f} %" for value in row))
                for place, row in means.iterrows()
            ]
    return as_table(("", *sorted(table["clock"].unique())), rows)


def _replayed(replayed: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    table = replayed.pivot_table(index=["world", "when"], columns="models", values="rms_s")
    return table["without"], table["with"]


def _replay_table(replayed: pd.DataFrame) -> str:
    without, with_them = _replayed(replayed)
    rows = []
    for world in dict.fromkeys(replayed["world"]):
        cells = []
        for when in ("answered", "outage"):
            before, after = without[world, when], with_them[world, when]
            cells += [f"{before * 1e6:.1f} µs", f"{after / before:.3f}"]
        rows.append((f"`{world}`", *cells))
    header = ("", "servers answer: without", "with / without", "outages: without", "with / without")
    return as_table(header, rows)


def _recorded(recorded: pd.DataFrame) -> str:
    rows = []
    table = recorded.assign(horizon_s=_nearest(recorded["horizon_s"]))
    for trace, part in table.groupby("trace", observed=True):
        counts = part[part["model"] == "hold"].set_index("horizon_s")["windows"]
        rows.append((f"{trace}, windows", *(str(counts.get(each, "-")) for each in HORIZONS)))
        for model in ("chronos", "ttm", "line", "hold"):
            chosen = part[part["model"] == model].set_index("horizon_s")
            rows.append((f"{trace}, `{model}`", *(_recorded_cell(chosen, h) for h in HORIZONS)))
        covered = part[part["model"] == "chronos"].set_index("horizon_s")["covered"]
        cells = (f"{100 * covered[h]:.0f} %" if h in covered.dropna() else "-" for h in HORIZONS)
        rows.append((f"{trace}, within 95 % of `chronos`", *cells))
    return as_table(("", *HORIZONS.values()), rows)


def _recorded_cell(chosen: pd.DataFrame, horizon_s: float) -> str:
    if horizon_s not in chosen.index:
        return "-"
    ratio, low, high = np.exp(chosen.loc[horizon_s, ["rmse", "low", "high"]].astype(float))
    form = ".0f" if ratio > LARGE else ".3f"
    if np.isnan(low):
        return f"{ratio:{form}}"
    return f"{ratio:{form}} ({low:{form}} to {high:{form}})"
