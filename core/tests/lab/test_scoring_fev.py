"""Our numbers are fev's own: leaderboard, pairs, bootstrap bounds and metrics, on random tables."""

from __future__ import annotations

import fev.analysis
import fev.metrics
import numpy as np
import pandas as pd
import pytest
from fev.analysis import RESULTS_DTYPES

from chronotick.lab.scoring import leaderboard, pairwise, scores
from chronotick.lab.scoring.columns import DECILE_COLUMNS, DECILES, QUANTILE_COLUMNS, TAILS
from chronotick.lab.scoring.resampling import resampled

EXACT = {"rtol": 1e-12, "atol": 1e-12}
STATISTICS = ["win_rate", "skill_score"]
BOUNDED = [f"{name}{end}" for name in STATISTICS for end in ("", "_lower", "_upper")]


def random_scores(
    seed: int, models: int = 6, traces: int = 9, *, missing: float = 0.0, leaked: float = 0.0
) -> pd.DataFrame:
    """Scores of models on traces at three horizons, rounded so that there are ties."""
    rng = np.random.default_rng(seed)
    keys = [
        (f"m{model}", f"trace{trace}", horizon_s)
        for model in range(models)
        for trace in range(traces)
        for horizon_s in (64.0, 256.0, 1024.0)
    ]
    table = pd.DataFrame(keys, columns=["model", "trace", "horizon_s"])
    table["host"] = "host" + table["trace"].str[-1]
    spread = 0.3 + 3 * (table["model"] == "m5")  # far enough out to be clipped
    table["mae"] = np.exp(rng.normal(0, spread)).round(1) + 0.1
    others = ~table["model"].isin(["m0", "m1"])
    table["failed"] = (others & (rng.random(len(table)) < missing)).astype(int)
    table["leaked"] = others & (rng.random(len(table)) < leaked)
    return table.sample(frac=1, random_state=seed)


def summaries(table: pd.DataFrame) -> pd.DataFrame:
    """The same as fev stores them."""
    frame = pd.DataFrame(
        {
            "dataset_path": table["trace"],
            "horizon": table["horizon_s"].astype(int),
            "quantile_levels": "[0.5]",
            "model_name": table["model"],
            "test_error": table["mae"].mask(table["failed"] > 0),
            "trained_on_this_dataset": table["leaked"],
            "fev_version": "0.10.0",
        }
    )
    return frame.reindex(columns=list(RESULTS_DTYPES))


def assert_same(ours: pd.DataFrame, theirs: pd.DataFrame, columns: list[str]) -> None:
    assert set(ours.index) == set(theirs.index)
    aligned = theirs.loc[ours.index, columns].to_numpy()
    np.testing.assert_allclose(ours[columns].to_numpy(), aligned, **EXACT)


@pytest.mark.parametrize("missing", ["drop", "impute"])
@pytest.mark.parametrize("seed", range(6))
def test_leaderboards_are_those_of_fev(seed: int, missing):
    table = random_scores(seed, missing=0.05)
    theirs = fev.analysis.leaderboard(
        summaries(table), missing_strategy=missing, baseline_model="m0", n_resamples=200, seed=seed
    )
    ours = leaderboard(
        table, baseline="m0", missing=missing, cluster="task", bootstrap=200, seed=seed
    )
    assert_same(ours, theirs, BOUNDED)
    assert (ours["failed_tasks"] == theirs["num_failures"].loc[ours.index]).all()
    assert ours["win_rate"].is_monotonic_decreasing


@pytest.mark.parametrize("missing", ["drop", "impute"])
@pytest.mark.parametrize("seed", range(6))
def test_pairs_are_those_of_fev(seed: int, missing):
    table = random_scores(seed, missing=0.05)
    options = {"seed": seed}
    theirs = fev.analysis.pairwise_comparison(
        summaries(table), missing_strategy=missing, baseline_model="m0", n_resamples=200, **options
    )
    ours = pairwise(table, baseline="m0", missing=missing, cluster="task", bootstrap=200, **options)
    assert_same(ours, theirs, BOUNDED)
    assert ours.index.names == theirs.index.names


@pytest.mark.parametrize("seed", range(3))
def test_without_resampling_there_are_no_bounds_in_both(seed: int):
    table = random_scores(seed)
    theirs = fev.analysis.leaderboard(summaries(table), baseline_model="m1")
    ours = leaderboard(table, baseline="m1", missing="error", bootstrap=0)
    assert_same(ours, theirs, STATISTICS)
    for statistic in STATISTICS:
        assert f"{statistic}_lower" not in theirs
        assert f"{statistic}_lower" not in ours
    pairs = pairwise(table, missing="error", bootstrap=0)
    assert_same(pairs, fev.analysis.pairwise_comparison(summaries(table)), STATISTICS)


@pytest.mark.parametrize("seed", range(3))
def test_a_stand_in_for_leaked_results_is_that_of_fev(seed: int):
    table = random_scores(seed, leaked=0.3)
    options = {"leakage_imputation_model": "m1", "n_resamples": 50}
    theirs = fev.analysis.leaderboard(summaries(table), baseline_model="m0", **options)
    ours = leaderboard(table, baseline="m0", stand_in="m1", cluster="task", bootstrap=50)
    assert_same(ours, theirs, BOUNDED)
    share = ours["leaked_tasks"] / ours["tasks"]
    np.testing.assert_allclose(share, theirs["training_corpus_overlap"].loc[ours.index], **EXACT)
    pairs = pairwise(table, stand_in="m1", cluster="task", bootstrap=50)
    assert_same(pairs, fev.analysis.pairwise_comparison(summaries(table), **options), BOUNDED)


def test_the_bootstrap_draws_as_fev_does():
    values = np.random.default_rng(3).normal(size=(40, 4))
    theirs = fev.analysis.bootstrap(values, lambda v: v.mean(0) ** 2, n_resamples=333, seed=7)
    ours = resampled(values, np.arange(40), np.square, resamples=333, seed=7)
    for our, their in zip((ours.estimate, ours.lower, ours.upper), theirs, strict=True):
        np.testing.assert_allclose(our, their, **EXACT)


@pytest.fixture(scope="module", params=range(4))
def windows(request) -> pd.DataFrame:
    """Rows of one model on one trace; some targets are missing, some scales 0 or unknown."""
    rng = np.random.default_rng(request.param)
    count = 60
    table = pd.DataFrame(
        {
            "model": "m",
            "trace": "t",
            "host": "h",
            "kind": "series",
            "unit": "",
            "horizon_s": 64.0,
            "origin_s": np.arange(count) * 64.0,
            "measured": rng.normal(size=count).round(1),
            "scale": np.exp(rng.normal(size=count)),
            "forecast": rng.normal(size=count).round(1),
            "low": np.nan,
            "high": np.nan,
            "status": "ok",
        }
    )
    table.loc[rng.random(count) < 0.1, "measured"] = np.nan
    table.loc[rng.random(count) < 0.1, "scale"] = 0.0
    table.loc[rng.random(count) < 0.1, "scale"] = np.nan
    table[list(QUANTILE_COLUMNS)] = np.sort(rng.normal(size=(count, 11)), axis=1).round(1)
    return table


OURS = {"MAE": "mae", "RMSE": "rmse", "MASE": "mase_drift", "MQL": "ql"}
OURS |= {"WQL": "wql", "SQL": "sql_drift"}


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")  # fev's, at scale 0
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:Mean of empty slice:RuntimeWarning")  # fev's, at scale NaN
@pytest.mark.parametrize("name", OURS)
def test_metrics_are_those_of_fev(windows: pd.DataFrame, name: str):
    # An item of fev's is a window of ours; a past of two values with the seasonal error we have.
    count = len(windows)
    past = np.column_stack([np.zeros(count), windows["scale"]]).reshape(-1, 1)
    theirs = fev.metrics.get_metric(name).compute(
        y_true=windows["measured"].to_numpy().reshape(count, 1, 1),
        y_pred=windows["forecast"].to_numpy().reshape(count, 1, 1),
        y_past=past,
        y_past_lengths=np.full(count, 2),
        q_pred=windows[list(DECILE_COLUMNS)].to_numpy().reshape(count, 1, 1, -1),
        seasonality=1,
        quantile_levels=list(DECILES),
    )
    ours = scores(windows)[OURS[name]].item()
    assert ours == pytest.approx(theirs, rel=1e-12)
    assert set(TAILS).isdisjoint(DECILE_COLUMNS)
