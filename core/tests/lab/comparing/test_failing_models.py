"""Models that fail on some windows or on all: rows say which and why, and the run goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chronotick.lab.comparing import Comparison, sessions
from chronotick.lab.comparing.windows import Windows
from chronotick.lab.traces import Trace
from chronotick.plugin.contract import ModelSpec
from chronotick.plugin.registry import Plugins
from chronotick.workers.restart import RestartRules

Rows = pd.DataFrame


def of(comparison: Comparison, model: str) -> Rows:
    rows = comparison.rows
    return rows[rows["model"] == model].set_index("origin_s").sort_index()


def at(rows: Rows, horizon_s: float) -> Rows:
    return rows[rows["horizon_s"] == horizon_s]


@pytest.fixture
def newest(compare, wild: Trace, make_settings, known_windows: Path) -> pd.Series:
    """The newest value of each context, by origin: what the picky model looks at."""
    compare("", wild)
    preparation = make_settings().preparation
    (grid,) = preparation.grids(wild)
    windows = Windows.opened(known_windows / preparation.key(wild, grid), 64.0)
    values = [each[~np.isnan(each)][-1] for each in np.asarray(windows.values)]
    return pd.Series(values, index=windows.table["origin_s"])


@pytest.mark.parametrize(
    ("how", "above", "reason"),
    [("raise", 5, "picky: I do not like one of these"), ("abort", 2, "SIGABRT")],
)
def test_only_the_windows_that_a_model_fails_on_fail(  # noqa: PLR0917 - fixtures, and the case
    compare, wild: Trace, newest: pd.Series, how: str, above: int, reason: str
):
    """An exception leaves the process alive, ``abort`` ends it; both are looked for by halving."""
    limit = float(newest.nlargest(above + 1).iloc[-1])
    found = compare("picky", wild, checkpoints={"picky": f"{how}@{limit!r}"})
    rows = at(of(found, "picky"), 128.0)
    bad = newest.loc[rows.index] > limit
    assert bad.sum() == above
    assert rows.loc[~bad, "status"].eq("ok").all()
    assert rows.loc[~bad, "forecast"].notna().all()
    assert rows.loc[bad, "status"].str.contains(reason).all()
    assert rows.loc[bad, ["forecast", "q0.5", "latency_s"]].isna().all(axis=None)
    echo = at(of(compare("echo", wild), "echo"), 128.0)
    np.testing.assert_array_equal(rows.loc[~bad, "forecast"], echo.loc[~bad, "forecast"])
    failed = [(e.model, e.trace, e.horizon_s, e.windows) for e in found.failures().itertuples()]
    assert failed == [("picky", "wild", horizon_s, above) for horizon_s in (128.0, 256.0)]
    assert not found.problems  # of a model that was asked and answered


def test_a_model_without_memory_for_many_windows_is_asked_for_fewer(compare, wild: Trace):
    found = compare("narrow", wild)
    assert (of(found, "narrow")["status"] == "ok").all()
    assert found.models["narrow"]["batch"] <= 4


def test_nearer_horizons_are_forecast_where_the_farthest_is_too_far(compare, calm: Trace):
    """``short`` forecasts five steps, and takes eight samples."""
    rows = of(compare("short", calm, horizons_s=(128.0, 320.0, 640.0)), "short")
    near = rows["horizon_s"] <= 320.0
    assert (rows.loc[near, "status"] == "ok").all()
    assert (rows.loc[~near, "status"] == "a horizon of 10 steps; it forecasts 5").all()
    assert rows.loc[~near, "forecast"].isna().all()


def test_a_horizon_beyond_a_model_costs_nothing(compare, calm: Trace):
    found = compare("short", calm, horizons_s=(640.0,))
    assert of(found, "short")["status"].unique().tolist() == [
        "a horizon of 10 steps; it forecasts 5"
    ]
    assert not found.problems
    before = compare.stamps()
    compare("short", calm, horizons_s=(640.0,))
    assert compare.stamps() == before  # it is a result, not a mishap


def test_contexts_that_hold_too_little_are_not_asked_for(compare, calm: Trace):
    """``fussy`` wants 80 measurements; 90 steps hold as many after a while."""
    early = {"warm_up_s": 600.0, "context": 90, "horizons_s": (128.0,)}
    rows = of(compare("fussy", calm, **early), "fussy")
    few = rows["context"] < 80
    assert 0 < few.sum() < len(rows)
    assert (rows.loc[~few, "status"] == "ok").all()
    wanted = rows.loc[few, "context"].astype(str) + " measurements in the context, not 80"
    assert rows.loc[few, "status"].tolist() == wanted.tolist()


def test_a_model_that_cannot_be_loaded_says_so_in_all_windows(compare, calm: Trace, wild: Trace):
    found = compare("gone echo", calm, wild, checkpoints={})
    rows = of(found, "gone")
    assert rows["status"].str.contains("NoSuchModel").all()
    assert set(rows["trace"]) == {"calm", "wild"}
    assert (of(found, "echo")["status"] == "ok").all()
    assert any(each["reason"].startswith("gone: ") for each in found.problems)
    assert found.leaderboard(bootstrap=0).loc["gone", "failed_tasks"] == 4


def test_the_next_run_tries_again(compare, plugins: Plugins, calm: Trace):
    """Nothing is remembered of a model that could not run; what others did is not done again."""
    assert not (of(compare("gone", calm), "gone")["status"] == "ok").any()
    before = compare.stamps()
    mended = replace(plugins.models["gone"], worker="chronotick.plugin.echo:Echo")
    compare.plugins = replace(plugins, models={**plugins.models, "gone": mended})
    found = compare("gone", calm)
    assert (of(found, "gone")["status"] == "ok").all()
    assert not found.problems
    after = compare.stamps()
    assert not [name for name in after if name.endswith(".failed.parquet")]
    others = {name: stamp for name, stamp in before.items() if not name.startswith("gone/")}
    assert others.items() <= after.items()


def test_missing_weights_are_named(compare, calm: Trace):
    found = compare("echo", calm, checkpoints={"echo": "missing-weights"})
    assert (of(found, "echo")["status"] == "echo: no weights, as asked for").all()


@pytest.fixture
def few_deaths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a model up after three deaths in a row: thirty take their time."""
    rules = RestartRules(base_s=0.01, cap_s=0.01, crashes=3, proven_answers=1, proven_s=0.0)
    monkeypatch.setattr(sessions, "RULES", rules)


@pytest.mark.parametrize("switch", ["crash-on-load", "crash-on-forecast"])
def test_a_model_that_always_dies_is_given_up(
    compare, calm: Trace, wild: Trace, few_deaths: None, switch: str
):
    found = compare("echo", calm, wild, checkpoints={"echo": switch})
    rows = of(found, "echo")
    assert rows["status"].str.contains("SIGABRT").all()
    assert len(rows) == len(of(found, "kalman"))
    assert [name for name in compare.stamps() if "echo/" in name and "failed" not in name] == []


def test_a_model_that_dies_now_and_then_is_never_given_up(
    compare, calm: Trace, few_deaths: None, plugins: Plugins
):
    """Each answer proves that it can: deaths count in a row."""
    rows = of(compare("echo", calm, checkpoints={"echo": "crash-after=2"}, most_batch=2), "echo")
    assert (rows["status"] == "ok").sum() > len(rows) / 2


@pytest.mark.parametrize("switch", ["raise", "nan", "wrong-shape"])
def test_no_answer_and_a_bad_one_are_told_apart(compare, calm: Trace, switch: str):
    rows = of(compare("echo", calm, checkpoints={"echo": switch}), "echo")
    words = {
        "raise": "an exception, as asked for",
        "nan": "not finite",
        "wrong-shape": "shape",
    }
    assert rows["status"].str.contains(words[switch]).all()
    assert rows["forecast"].isna().all()


def test_models_of_others_get_a_process_of_their_own(
    compare, calm: Trace, make_plugins: Callable[..., Plugins], spec_of: Callable[..., ModelSpec]
):
    """Without an environment only ChronoTick's own run in this process: nothing could end them."""
    spec = replace(spec_of("theirs", "chronotick.plugin.echo:Echo"), environment=None)
    compare.plugins = make_plugins(spec, origin="somebody 1.0")
    found = compare("theirs", calm, checkpoints={"theirs": "crash-after=5"})
    assert (of(found, "theirs")["status"] == "ok").all()
    assert found.models["theirs"]["peak_memory_bytes"] > 10e6
    assert found.models["theirs"]["plugin"] == "somebody"
