"""Quantiles of point models from their own earlier residuals: honest, and of the past alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from chronotick.lab.scoring import ScoringError, intervals_of_points, scores
from chronotick.lab.scoring.columns import QUANTILE_COLUMNS, QUANTILES
from chronotick.lab.scoring.residuals import FEWEST

Q = list(QUANTILE_COLUMNS)


def rows(count: int = 60, *, horizon_s: float = 64.0, seed: int = 0, **changed: object):
    """Windows of a point model that forecasts 0, of targets that are noise."""
    rng = np.random.default_rng(seed)
    origin_s = 1e9 + 64.0 * np.arange(count)
    columns: dict[str, object] = {
        "model": "m",
        "trace": "t",
        "host": "h",
        "kind": "clock",
        "unit": "s",
        "horizon_s": horizon_s,
        "origin_s": origin_s,
        "target_s": origin_s + horizon_s,
        "measured": rng.normal(size=count),
        "scale": 1.0,
        "forecast": rng.normal(size=count),
        "low": np.nan,
        "high": np.nan,
        "status": "ok",
        **dict.fromkeys(QUANTILE_COLUMNS, np.nan),
    }
    return pd.DataFrame({**columns, **changed})


@pytest.mark.parametrize("horizon_s", [64.0, 256.0, 100.0])
def test_quantiles_are_those_of_the_residuals_known_at_the_origin(horizon_s: float):
    frame = rows(horizon_s=horizon_s)
    filled = intervals_of_points(frame)
    residual = (frame["measured"] - frame["forecast"]).to_numpy()
    for index in range(len(frame)):
        known = residual[(frame["target_s"] <= frame["origin_s"][index]).to_numpy()]
        made = filled.loc[index, Q].to_numpy(dtype=float)
        if len(known) < FEWEST:
            assert np.isnan(made).all()
            assert filled["quantiles_from"][index] == ""
        else:
            expected = frame["forecast"][index] + np.quantile(known, QUANTILES, method="weibull")
            np.testing.assert_allclose(made, expected, rtol=0, atol=1e-12)
            assert filled["quantiles_from"][index] == "residuals"


def test_the_first_that_has_quantiles_has_twenty_residuals():
    filled = intervals_of_points(rows())
    assert filled["quantiles_from"].tolist().index("residuals") == FEWEST
    far = intervals_of_points(rows(horizon_s=640.0))
    assert far["quantiles_from"].tolist().index("residuals") == FEWEST + 9


def test_later_rows_change_nothing_earlier():
    frame = rows(90, horizon_s=320.0)
    for cut in (25, 26, 40, 89):
        later = frame.copy()
        later.loc[cut:, ["measured", "forecast"]] = 1e6
        later.loc[cut:, "status"] = "ok"
        later.loc[cut:, Q] = -7.0
        both = [intervals_of_points(each).loc[: cut - 1] for each in (frame, later)]
        # What is measured at the target of an earlier row is later than its forecast.
        pd.testing.assert_frame_equal(both[0], both[1])
        alone = intervals_of_points(frame.loc[: cut - 1])
        pd.testing.assert_frame_equal(both[0], alone)


def test_own_targets_change_nothing():
    frame = rows()
    other = frame.copy()
    other.loc[40, "measured"] = 1e6
    first, second = intervals_of_points(frame), intervals_of_points(other)
    pd.testing.assert_frame_equal(first.loc[:40, Q], second.loc[:40, Q])
    assert (first.loc[41, Q] != second.loc[41, Q]).any()


def test_the_order_of_rows_does_not_matter():
    frame = rows(50, horizon_s=128.0)
    shuffled = frame.sample(frac=1, random_state=2)
    filled = intervals_of_points(shuffled)
    assert filled.index.equals(shuffled.index)
    pd.testing.assert_frame_equal(filled.sort_index(), intervals_of_points(frame))


def test_models_horizons_and_traces_know_nothing_of_each_other():
    frames = [rows(30, seed=n, model=f"m{n % 2}", trace=f"t{n // 2 % 2}") for n in range(4)]
    frames.append(rows(30, seed=9, model="m0", trace="t0", horizon_s=128.0))
    together = intervals_of_points(pd.concat(frames, ignore_index=True))
    apart = pd.concat([intervals_of_points(each) for each in frames], ignore_index=True)
    pd.testing.assert_frame_equal(together, apart)


def test_what_a_model_states_is_kept():
    frame = rows()
    frame.loc[30:, Q] = np.linspace(-1, 1, 11)
    filled = intervals_of_points(frame)
    assert (filled.loc[30:, "quantiles_from"] == "model").all()
    pd.testing.assert_frame_equal(filled.loc[30:, Q], frame.loc[30:, Q])
    assert (filled.loc[20:29, "quantiles_from"] == "residuals").all()


def test_failures_and_gaps_are_no_residuals_and_get_no_quantiles():
    frame = rows()
    frame.loc[5:9, "measured"] = np.nan
    frame.loc[10:14, "status"] = "timed out"
    frame.loc[50, "forecast"] = np.nan
    filled = intervals_of_points(frame)
    assert filled["quantiles_from"].tolist().index("residuals") == FEWEST + 10
    assert filled.loc[[10, 50], Q].isna().all(axis=None)
    assert filled.loc[51, Q].notna().all()


def test_the_frame_that_was_given_stays_as_it_was():
    frame = rows()
    before = frame.copy(deep=True)
    intervals_of_points(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_intervals_hold_what_they_promise():
    frames = [rows(200, seed=n, trace=f"t{n}") for n in range(40)]
    table = scores(intervals_of_points(pd.concat(frames, ignore_index=True)))
    assert table["coverage_80"].mean() == pytest.approx(0.80, abs=0.01)
    assert table["coverage_95"].mean() == pytest.approx(0.945, abs=0.01)  # the first 19 hold less
    assert (table["intervals"] == 0.9).all()


def test_no_rows_are_an_error():
    with pytest.raises(ScoringError, match="there are no rows"):
        intervals_of_points(rows(0))
    with pytest.raises(ScoringError, match="lack the columns target_s"):
        intervals_of_points(rows().drop(columns="target_s"))


def test_all_failed_is_no_error():
    filled = intervals_of_points(rows(forecast=np.nan, status="crashed"))
    assert (filled["quantiles_from"] == "").all()
