"""Scores of windows: by hand, with gaps, failures and scales that do not exist."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from chronotick.lab.scoring import SCORES, ScoringError, common_windows, scores
from chronotick.lab.scoring.columns import DECILE_COLUMNS, QUANTILE_COLUMNS, QUANTILES, TAILS

ERRORS = [name for name in SCORES if name not in {"windows", "failed", "intervals", "leaked"}]


def rows(count: int = 4, model: str = "m", trace: str = "t", **changed: object) -> pd.DataFrame:
    """Windows of a point model with errors 1, 1, 1 ...; any column may be given."""
    columns: dict[str, object] = {
        "model": model,
        "trace": trace,
        "host": f"host of {trace}",
        "kind": "clock",
        "unit": "s",
        "horizon_s": 64.0,
        "origin_s": 64.0 * np.arange(count),
        "target_s": 64.0 * np.arange(1, count + 1),
        "measured": np.zeros(count),
        "truth": np.nan,
        "scale": 2.0,
        "forecast": np.ones(count),
        "low": np.nan,
        "high": np.nan,
        "status": "ok",
        **dict.fromkeys(QUANTILE_COLUMNS, np.nan),
    }
    return pd.DataFrame({**columns, **changed})


def with_quantiles(frame: pd.DataFrame, width: float = 1.0) -> pd.DataFrame:
    """Quantiles of a uniform spread about the forecast, ``width`` from level 0 to 1."""
    made = {
        name: frame["forecast"] + width * (level - 0.5)
        for name, level in zip(QUANTILE_COLUMNS, QUANTILES, strict=True)
    }
    return frame.assign(**made)


def only(frame: pd.DataFrame) -> pd.Series:
    assert len(frame) == 1
    return frame.iloc[0]


def test_errors_by_hand():
    score = only(scores(rows(forecast=[1.0, -2.0, 3.0, 0.0])))
    assert score["windows"] == 4
    assert score["failed"] == 0
    assert score["mae"] == 1.5
    assert score["rmse"] == pytest.approx(math.sqrt(14 / 4))
    assert score["median_ae"] == 1.5
    assert score["p99_ae"] == pytest.approx(2.97)  # linear between the two largest
    assert score["max_ae"] == 3.0
    assert score["bias"] == 0.5  # forecast minus target
    assert score["mase_drift"] == 0.75
    assert not score["leaked"]


def test_intervals_by_hand():
    # From -0.475 to 0.475 about 0; targets inside, at an end, outside by 0.025 and by 0.525.
    frame = with_quantiles(rows(forecast=np.zeros(4), measured=[0.0, 0.475, -0.5, 1.0]))
    score = only(scores(frame))
    assert score["intervals"] == 1.0
    assert score["coverage_80"] == 0.25
    assert score["coverage_95"] == 0.5
    assert score["width_95"] == pytest.approx(0.95)
    assert score["winkler_95"] == pytest.approx(0.95 + 40 * (0.025 + 0.525) / 4)


def test_quantile_loss_of_a_point_mass_is_the_absolute_error():
    score = only(scores(with_quantiles(rows(measured=[1.0, -2.0, 0.5, 4.0]), width=0.0)))
    assert score["ql"] == pytest.approx(score["mae"])
    assert score["sql_drift"] == pytest.approx(score["mase_drift"])
    assert score["wql"] == pytest.approx(score["mae"] / 1.875)


def test_point_models_have_no_scores_of_intervals():
    score = only(scores(rows()))
    assert score["intervals"] == 0
    assert (
        score[["ql", "wql", "sql_drift", "coverage_80", "coverage_95", "winkler_95"]].isna().all()
    )
    assert score["mae"] == 1.0


def test_models_with_deciles_alone_have_no_95_percent_interval():
    frame = with_quantiles(rows()).assign(**dict.fromkeys(TAILS, np.nan))
    score = only(scores(frame))
    assert score["intervals"] == 1
    assert score[["ql", "coverage_80"]].notna().all()
    assert score[["coverage_95", "width_95", "winkler_95"]].isna().all()


@pytest.mark.parametrize("missing", [np.nan, np.inf])
def test_windows_without_quantiles_are_left_out_of_their_scores(missing: float):
    frame = with_quantiles(rows(measured=[1.0, 2.0, 3.0, 50.0]))
    frame.loc[3, "q0.5"] = missing
    score, rest = only(scores(frame)), only(scores(frame[:3]))
    assert score["intervals"] == 0.75
    assert score[["ql", "wql", "sql_drift"]].tolist() == rest[["ql", "wql", "sql_drift"]].tolist()


def test_windows_without_a_target_do_not_count():
    gap = only(scores(rows(measured=[0.0, np.nan, 0.0, np.nan], forecast=[1.0, 9.0, 3.0, 9.0])))
    assert gap["windows"] == 2
    assert gap["failed"] == 0
    assert gap["mae"] == 2.0


def test_the_truth_is_a_target_of_its_own():
    frame = pd.concat([rows(truth=0.75), rows(trace="series")])
    truth = only(scores(frame, "truth"))
    assert truth["trace"] == "t"  # the other knows none
    assert truth["mae"] == 0.25
    assert list(scores(frame)["trace"]) == ["series", "t"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_forecast_that_is_no_number_is_a_failure(bad: float):
    score = only(scores(with_quantiles(rows(forecast=[1.0, bad, 1.0, 1.0]))))
    assert score["failed"] == 1
    assert score["mae"] == 1.0
    assert score["intervals"] == 0.75


def test_a_status_that_is_not_ok_is_a_failure_whatever_the_number():
    score = only(scores(with_quantiles(rows(status=["ok", "timed out", None, "ok"]))))
    assert score["failed"] == 2
    assert score["intervals"] == 0.5


def test_a_window_that_only_others_have_is_a_failure():
    table = scores(pd.concat([rows(4), rows(3, model="partial")])).set_index("model")
    assert list(table["windows"]) == [4, 4]
    assert table["failed"].to_dict() == {"m": 0, "partial": 1}


def test_a_model_that_failed_throughout_has_no_error_but_a_row():
    score = only(scores(rows(forecast=np.nan, status="out of memory")))
    assert score["failed"] == score["windows"] == 4
    assert score[ERRORS].isna().all()
    assert score["intervals"] == 0


def test_windows_of_scale_zero_or_unknown_are_left_out_of_scaled_errors():
    frame = with_quantiles(rows(scale=[0.0, np.nan, 2.0, 4.0], forecast=[5.0, 5.0, 2.0, 4.0]))
    score = only(scores(frame))
    assert score["mase_drift"] == 1.0
    assert score["mae"] == 4.0
    assert score["sql_drift"] > 0


def test_a_constant_target_has_errors_but_no_scaled_ones():
    score = only(scores(with_quantiles(rows(scale=0.0))))
    assert score["mae"] == 1.0
    assert score[["mase_drift", "sql_drift", "wql"]].isna().all()  # WQL: all targets are 0
    assert score["ql"] > 0


def test_limits_of_the_truth():
    frame = rows(
        measured=[0.0, 0.0, 3.0, 0.0],
        forecast=[0.0, 1.5, 1.5, 2.0],
        low=[-1.0, -1.0, -1.0, np.nan],
        high=[1.0, 1.0, 1.0, np.nan],
    )
    score = only(scores(frame))
    assert score["outside_bound"] == pytest.approx(2 / 3)
    assert score["bound_missed"] == pytest.approx(1 / 3)
    assert np.isnan(only(scores(rows()))["outside_bound"])


def test_enormous_errors_overflow_without_a_warning():
    score = only(scores(rows(forecast=1e300)))
    assert score["rmse"] == np.inf
    assert score["mae"] == pytest.approx(1e300)


def test_each_model_trace_and_horizon_is_a_row_in_order():
    frames = [rows(model=m, trace=t, horizon_s=h) for h in (8.0, 1.0) for t in "ba" for m in "nm"]
    table = scores(pd.concat(frames, ignore_index=True))
    keys = list(table[["model", "trace", "horizon_s"]].itertuples(index=False, name=None))
    assert keys == sorted(keys)
    assert len(keys) == 8
    assert list(table["host"]) == [f"host of {trace}" for _, trace, _ in keys]


def test_categories_from_parquet_are_scored_alike():
    frame = pd.concat([rows(model="a"), rows(model="b", trace="u")], ignore_index=True)
    packed = frame.assign(**{n: frame[n].astype("category") for n in ("model", "trace", "host")})
    pd.testing.assert_frame_equal(scores(packed), scores(frame))


def test_the_order_of_rows_does_not_matter():
    frame = with_quantiles(pd.concat([rows(9, model="a"), rows(9, model="b")], ignore_index=True))
    shuffled = frame.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(scores(shuffled), scores(frame))


# Windows in common


def test_windows_in_common_are_those_where_no_model_failed():
    frame = pd.concat(
        [rows(), rows(model="fails", forecast=[1.0, np.nan, 1.0, 1.0]), rows(trace="u")]
    )
    left = common_windows(frame)
    assert left.groupby(["model", "trace"]).size().to_dict() == {
        ("fails", "t"): 3,
        ("m", "t"): 3,
        ("m", "u"): 4,
    }
    assert (scores(left)["failed"] == 0).all()


def test_windows_in_common_have_the_quantiles_of_all_models_that_have_any():
    late = with_quantiles(rows(model="late"))
    late.loc[:1, list(QUANTILE_COLUMNS)] = np.nan
    deciles = with_quantiles(rows(model="deciles")).assign(**dict.fromkeys(TAILS, np.nan))
    frame = pd.concat([late, deciles, rows(model="point"), with_quantiles(rows())])
    left = common_windows(frame)
    assert sorted(left["origin_s"].unique()) == [128.0, 192.0]
    assert len(left) == 8


def test_a_model_that_never_has_a_forecast_takes_no_window_from_others():
    frame = pd.concat([rows(), rows(model="dead", forecast=np.nan, status="crashed")])
    assert len(common_windows(frame)) == 8


# Bad input


def test_no_rows_are_an_error():
    for function in (scores, common_windows):
        with pytest.raises(ScoringError, match="there are no rows"):
            function(rows(0))


def test_missing_columns_are_named():
    with pytest.raises(ScoringError, match=r"lack the columns scale, q0\.5"):
        scores(rows().drop(columns=["q0.5", "scale"]))
    with pytest.raises(ScoringError, match="lack the columns truth"):
        scores(rows().drop(columns="truth"), "truth")


def test_another_target_is_an_error():
    with pytest.raises(ScoringError, match="measured or truth, not 'forecast'"):
        scores(rows(), "forecast")


def test_no_target_at_all_is_an_error():
    with pytest.raises(ScoringError, match=r"no trace knows the truth.*what was measured"):
        scores(rows(), "truth")
    with pytest.raises(ScoringError, match="no window has a measured target"):
        scores(rows(measured=np.nan))


def test_a_window_twice_is_an_error_that_names_it():
    frame = pd.concat([rows(), rows(1)], ignore_index=True)
    with pytest.raises(ScoringError, match=r"1 rows hold a window again.*model m, trace t.*64 s"):
        scores(frame)


def test_a_row_that_does_not_say_what_it_is_about_is_an_error():
    with pytest.raises(ScoringError, match="1 of 4 rows have no host"):
        scores(rows(host=["a", "a", None, "a"]))
    assert set(DECILE_COLUMNS) < set(QUANTILE_COLUMNS)
