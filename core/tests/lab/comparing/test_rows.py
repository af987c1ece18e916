"""Rows: one for each window, model and horizon that can be judged, in the trace's own unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chronotick.history import open_history
from chronotick.lab.comparing import Comparison
from chronotick.lab.comparing.grids import Grid
from chronotick.lab.comparing.rows import (
    NOT_ENOUGH,
    SCHEMA,
    Answers,
    Label,
    rows_of,
)
from chronotick.lab.comparing.windows import PER_HORIZON, Windows
from chronotick.lab.scoring.columns import QUANTILE_COLUMNS
from chronotick.lab.traces import Trace, read_traces

S = 1_000_000_000
IN_UNIT = ("last", "measured", "truth", "forecast", *QUANTILE_COLUMNS)
MINUTE = 60.0

MakeTrace = Callable[..., Trace]


def test_every_row_has_the_columns_of_the_contract(compared: Comparison):
    assert list(compared.rows.columns) == [*SCHEMA.names, "quantiles_from"]
    rows = compared.rows
    assert not rows.duplicated(["model", "trace", "horizon_s", "origin_s"]).any()
    assert set(rows["model"]) == {"kalman", "naive", "drift", "hold", "line", "echo"}
    assert set(rows["trace"]) == {"calm", "wild"}
    np.testing.assert_array_equal(rows["target_s"], rows["origin_s"] + rows["horizon_s"])
    assert (rows["status"] == "ok").all()
    assert (rows["kind"] == "clock").all()
    assert (rows["unit"] == "s").all()
    assert rows["context"].between(25, 32).all()


def test_all_models_are_judged_by_the_same(compared: Comparison):
    keys = ["trace", "horizon_s", "origin_s"]
    judged = ["last", "measured", "truth", "scale", "low", "high"]
    counts = compared.rows.groupby(keys)[judged].nunique(dropna=False)
    assert (counts == 1).all(axis=None)
    assert compared.rows.groupby(keys).size().nunique() == 1


def test_the_truth_lies_within_the_limits(compared: Comparison):
    rows = compared.rows
    assert rows["truth"].between(rows["low"], rows["high"]).all()


def test_the_echo_model_says_the_last_value_carried_on_by_the_trend(compared: Comparison):
    """Its residual is held; ``hold`` does the same in this process."""
    rows = compared.rows.set_index(["trace", "horizon_s", "origin_s"])
    ours, theirs = (
        rows[rows["model"] == name]["forecast"].sort_index() for name in ("hold", "echo")
    )
    np.testing.assert_array_equal(ours, theirs)


def test_point_models_get_intervals_and_others_keep_their_own(compare, calm: Trace):
    rows = compare("echo", calm, windows=60).rows
    by_model = rows.groupby("model")["quantiles_from"].unique().to_dict()
    assert by_model["echo"].tolist() == ["model"]
    assert "residuals" in by_model["hold"]


def label(**more: object) -> Label:
    told = {"job": "j", "model": "m", "trace": "t", "host": "h", "kind": "series", "unit": "MW"}
    return Label(**told | more)


def small_windows() -> tuple[Windows, Grid]:
    table = {name: np.full((2, 2), 1.0) for name in PER_HORIZON}
    table |= {"origin_s": np.array([10.0, 20.0]), "context": np.array([3.0, np.nan])}
    table["last"] = np.array([0.5, np.nan])
    windows = Windows(
        step_s=1.0, values=np.zeros((2, 4), np.float32), noise=np.zeros((2, 4)), table=table
    )
    return windows, Grid(step_ns=S, context=4, steps=(1, 3))


def test_values_come_back_in_the_unit_of_the_trace():
    windows, grid = small_windows()
    answers = Answers.none(2, 2)
    answers.mean[:], answers.quantiles[:] = 2.0, 3.0
    rows = rows_of(label(unit_per_s=10.0, zero=100.0), windows, grid, answers).to_pandas()
    assert rows["forecast"].tolist() == [120.0] * 4
    assert rows["q0.1"].tolist() == [130.0] * 4
    assert rows["last"].tolist()[:2] == [105.0, 105.0]
    assert rows["scale"].tolist() == [10.0] * 4  # a difference: without the zero
    assert rows["measured"].tolist() == rows["low"].tolist() == [110.0] * 4
    assert rows["context"].tolist() == [3, 3, 0, 0]


def test_what_cannot_be_judged_is_left_out():
    windows, grid = small_windows()
    windows.table["measured"][0, 1] = np.nan
    windows.table["truth"][0] = np.nan
    windows.table["truth"][1] = np.nan
    windows.table["measured"][1, 0] = np.nan
    rows = rows_of(label(), windows, grid, Answers.none(2, 2)).to_pandas()
    assert rows[["origin_s", "horizon_s"]].to_numpy().tolist() == [[10.0, 1.0], [20.0, 3.0]]


def test_no_row_is_ok_without_a_forecast():
    windows, grid = small_windows()
    answers = Answers.none(2, 2)
    answers.mean[0, 0] = 1.0
    answers.beyond[1] = "too far"
    answers.status[1] = "broken"
    rows = rows_of(label(), windows, grid, answers).to_pandas()
    assert rows["status"].tolist() == ["ok", "too far", "broken", "broken"]
    answers.beyond[1] = ""
    assert rows_of(label(), windows, grid, answers).to_pandas()["status"][1] == NOT_ENOUGH


def forecasts(compare: Callable[..., Comparison], trace: Trace) -> dict[str, np.ndarray]:
    """Columns in the trace's unit, of all models, in the same order."""
    rows = compare("", trace, horizons_s=(MINUTE, 4 * MINUTE), warm_up_s=40 * MINUTE).rows
    ordered = rows.sort_values(["model", "horizon_s", "origin_s"])
    assert (ordered["status"] == "ok").all()
    return {name: ordered[name].to_numpy() for name in (*IN_UNIT, "scale")}


def test_a_series_comes_back_in_its_unit(compare, series_of: MakeTrace, wave: np.ndarray):
    trace = series_of(wave, truth=wave + 7.0, unit="MW")
    rows = compare("", trace, horizons_s=(MINUTE,), warm_up_s=40 * MINUTE).rows
    place = np.rint((rows["target_s"] - trace.time_s[0]) / MINUTE).astype(int)
    usual = np.median(np.abs(np.diff(wave)))
    np.testing.assert_allclose(rows["measured"], wave[place], atol=1e-3 * usual)
    np.testing.assert_allclose(rows["truth"], wave[place] + 7.0, rtol=1e-12)
    np.testing.assert_allclose(rows["last"], wave[place - 1], atol=1e-3 * usual)
    assert (rows["unit"] == "MW").all()
    assert (rows["kind"] == "series").all()
    assert rows["low"].isna().all()  # nothing bounds it


def test_a_history_of_the_daemon_keeps_its_nanoseconds(compare, calm: Trace, tmp_path: Path):
    """Offsets since the boot are decades, of which a float of seconds loses a quarter of a us."""
    assert calm.recording is not None
    decades_ns = 1_763_640_000 * S
    with open_history(tmp_path / "history.sqlite3", 30).history as history:
        for each in calm.recording.arrivals:
            moved = each.measurement.offset_ns + decades_ns
            history.add_measurement(replace(each.measurement, offset_ns=moved), selected=True)
    (trace,) = read_traces([str(tmp_path)]).traces
    found = compare("", trace, calm).rows
    by_trace = [
        found[found["trace"] == name].sort_values(["model", "horizon_s", "origin_s"])
        for name in ("history", "calm")
    ]
    ours, wanted = ((each["forecast"] - each["measured"]).to_numpy() for each in by_trace)
    # When replies came is known to half a delay: the same windows, but for a few nanoseconds.
    np.testing.assert_allclose(ours, wanted, atol=2e-9)
    assert np.median(np.abs(wanted)) > 1e-7
    unix = by_trace[0]["origin_s"].to_numpy() - by_trace[1]["origin_s"].to_numpy()
    assert np.abs(unix - decades_ns / S).max() < 1.0


@pytest.mark.parametrize(("factor", "more"), [(2.0**20, 0.0), (1.0, 1e3), (-1e-9, 0.0)])
def test_another_unit_is_the_same_comparison(
    compare, series_of: MakeTrace, wave: np.ndarray, factor: float, more: float
):
    """Offsets are whole nanoseconds, a usual step 10 us: a ten-thousandth of it is rounding."""
    before = forecasts(compare, series_of(wave, "before"))
    after = forecasts(compare, series_of(wave * factor + more, "after"))
    usual = np.median(np.abs(np.diff(wave)))
    levels = (*QUANTILE_COLUMNS,) if factor > 0 else (*reversed(QUANTILE_COLUMNS),)
    there = dict(zip((*QUANTILE_COLUMNS, "scale"), (*levels, "scale"), strict=True))
    for name in (*IN_UNIT, "scale"):
        wanted = before[there.get(name, name)]
        wanted = wanted * abs(factor) if name == "scale" else wanted * factor + more
        np.testing.assert_allclose(
            after[name], wanted, atol=2e-2 * usual * abs(factor), err_msg=name
        )
    if factor == 2.0**20:  # nothing is rounded otherwise
        np.testing.assert_array_equal(after["forecast"], before["forecast"] * factor)
