"""Rows that come in parts say what all of them at once say."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from chronotick.lab.scoring import ScoringError, common_windows, intervals_of_points, scores
from chronotick.lab.scoring.columns import QUANTILE_COLUMNS, QUANTILES
from chronotick.lab.scoring.metrics import Scoring
from chronotick.lab.scoring.residuals import BLOCK, FEWEST, Intervals
from chronotick.lab.scoring.windows import Common

WINDOWS = 2 * BLOCK + 50


def task(model: str, trace: str, horizon_s: float, seed: int) -> pd.DataFrame:
    """Windows of a model on a task; that called "points" states no quantiles, "half" some."""
    rng = np.random.default_rng(seed)
    origin_s = 1e9 + 16.0 * np.arange(WINDOWS)
    forecast = rng.normal(size=WINDOWS)
    frame = pd.DataFrame(
        {
            "model": model,
            "trace": trace,
            "host": f"host of {trace}",
            "kind": "clock",
            "unit": "s",
            "horizon_s": horizon_s,
            "origin_s": origin_s,
            "target_s": origin_s + horizon_s,
            "measured": np.where(rng.random(WINDOWS) < 0.1, np.nan, rng.normal(size=WINDOWS)),
            "truth": np.nan if trace == "b" else rng.normal(size=WINDOWS),
            "scale": 1.0,
            "forecast": forecast,
            "low": -2.0,
            "high": 2.0,
            "status": np.where(rng.random(WINDOWS) < 0.05, "crashed", "ok"),
        }
    )
    spread = np.where(np.arange(WINDOWS) % 40 < 30, 1.0, np.nan) if model == "half" else 1.0
    for level, name in zip(QUANTILES, QUANTILE_COLUMNS, strict=True):
        frame[name] = np.nan if model == "points" else forecast + (level - 0.5) * spread
    return frame


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    keys = [
        (model, trace, horizon_s)
        for model in ("points", "half", "all")
        for trace in ("b", "a")
        for horizon_s in (64.0, 4096.0)
    ]
    frames = [task(*key, seed) for seed, key in enumerate(keys)]
    return pd.concat(frames, ignore_index=True)


def cut(rows: pd.DataFrame, length: int) -> Iterator[pd.DataFrame]:
    for first in range(0, len(rows), length):
        yield rows.iloc[first : first + length]


LENGTHS = pytest.mark.parametrize("length", [100, 333, 3000])


@LENGTHS
def test_intervals(rows: pd.DataFrame, length: int):
    intervals = Intervals()
    parts = [intervals.filled(each) for each in cut(rows, length)]
    pd.testing.assert_frame_equal(pd.concat(parts), intervals_of_points(rows), check_exact=True)


def test_intervals_of_many_windows_are_quantiles_of_all_residuals_before(rows: pd.DataFrame):
    points = rows[(rows["model"] == "points") & (rows["trace"] == "a")]
    for _horizon_s, frame in points.groupby("horizon_s"):
        filled = intervals_of_points(frame)
        usable = (frame["status"] == "ok") & frame["measured"].notna()
        residual = (frame["measured"] - frame["forecast"]).where(usable)
        for index in frame.index[(frame["status"] == "ok")][::37]:
            known = residual[frame["target_s"] <= frame["origin_s"][index]].dropna()
            if len(known) >= FEWEST:
                made = filled.loc[index, list(QUANTILE_COLUMNS)].to_numpy(dtype=float)
                expected = np.quantile(known, QUANTILES, method="weibull")
                np.testing.assert_allclose(made, frame["forecast"][index] + expected, atol=1e-12)


@LENGTHS
@pytest.mark.parametrize("target", ["measured", "truth"])
def test_scores(rows: pd.DataFrame, length: int, target: str):
    filled = intervals_of_points(rows)
    scoring = Scoring(target)
    for each in cut(filled, length):
        scoring.add(each)
    whole = scores(filled, target)
    pd.testing.assert_frame_equal(scoring.table(), whole, rtol=1e-13)
    pd.testing.assert_frame_equal(scoring.table(), whole, rtol=1e-13)  # asked again
    exact = ["windows", "failed", "median_ae", "p99_ae", "max_ae"]
    pd.testing.assert_frame_equal(scoring.table()[exact], whole[exact], check_exact=True)


@LENGTHS
def test_common_windows(rows: pd.DataFrame, length: int):
    filled = intervals_of_points(rows)
    common = Common()
    for each in cut(filled, length):
        common.add(each)
    kept = pd.concat([common.of(each) for each in cut(filled, length)])
    assert 0 < len(kept) < len(rows)
    pd.testing.assert_frame_equal(kept, common_windows(filled))
    assert not common.has_all


def test_common_windows_are_the_rows_themselves_where_nothing_is_left_out(rows: pd.DataFrame):
    every = rows[(rows["model"] == "all")].assign(status="ok")
    assert common_windows(every) is every


@pytest.mark.parametrize("gather", [Scoring().add, Common().add, Intervals().filled])
def test_rows_that_are_scattered_or_come_twice_are_refused(rows: pd.DataFrame, gather):
    first, second = rows.iloc[:100], rows.iloc[100:200]
    gather(second)
    with pytest.raises(ScoringError, match="scattered, or there twice"):
        gather(first)
    gather(rows.iloc[WINDOWS : WINDOWS + 10])
    with pytest.raises(ScoringError, match="scattered, or there twice"):
        gather(rows.iloc[200:300])


def test_of_no_rows_there_are_no_scores():
    with pytest.raises(ScoringError, match="there are no rows"):
        Scoring().table()
