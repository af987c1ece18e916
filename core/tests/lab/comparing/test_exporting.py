"""What other programs are given, and what changed from one comparison to another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import fev.analysis
import numpy as np
import pandas as pd
import pytest

from chronotick.lab.comparing import Comparison
from chronotick.lab.comparing.differing import difference
from chronotick.lab.comparing.exporting import fev_summaries, write
from chronotick.lab.comparing.reproducing import NoSuchRowError, command_of, row_of
from chronotick.lab.scoring import ScoringError
from chronotick.lab.traces import Trace

EXACT = {"rtol": 1e-12, "atol": 1e-12}


@pytest.fixture
def failing(compare, calm: Trace, wild: Trace) -> Comparison:
    """The echo model cannot be loaded."""
    return compare("echo", calm, wild, checkpoints={"echo": "missing-weights"})


@pytest.mark.parametrize("target", ["truth", "measured"])
def test_fev_finds_the_same_skill_and_win_rates(compared: Comparison, tmp_path: Path, target):
    """From the file as it was written, without a warning."""
    path = tmp_path / "fev.csv"
    assert write(compared, path, "fev", target) == 6 * 2 * 2
    theirs = fev.analysis.leaderboard(str(path), baseline_model="kalman")
    ours = compared.leaderboard(target=target)
    assert set(ours.index) == set(theirs.index)
    for name in ("win_rate", "skill_score"):
        np.testing.assert_allclose(ours[name], theirs[name].loc[ours.index], **EXACT)


def test_fev_is_told_of_failures(failing: Comparison, tmp_path: Path):
    path = tmp_path / "fev.csv"
    write(failing, path, "fev")
    theirs = fev.analysis.leaderboard(str(path), baseline_model="kalman", missing_strategy="impute")
    assert theirs.loc["echo", "num_failures"] == 4
    with pytest.raises(ValueError, match="missing"):
        fev.analysis.leaderboard(str(path), baseline_model="kalman", missing_strategy="error")


def test_horizons_of_fev_are_whole_in_some_unit(compared: Comparison):
    assert set(fev_summaries(compared)["horizon_unit"]) == {"s"}
    shorter = Comparison(compared.directory)
    shorter.rows = compared.rows.assign(horizon_s=compared.rows["horizon_s"] / 1000)
    found = fev_summaries(shorter)
    assert set(found["horizon_unit"]) == {"ms"}
    assert set(found["horizon"]) == {128, 256}


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_rows_are_exported_whole(compared: Comparison, tmp_path: Path, form: str):
    path = tmp_path / f"rows.{form}"
    assert write(compared, path, form) == len(compared.rows)
    read = pd.read_csv(path) if form == "csv" else pd.read_parquet(path)
    assert list(read.columns) == list(compared.rows.columns)
    for name in read:
        ours, theirs = (each[name].astype(object).fillna("") for each in (compared.rows, read))
        assert ours.tolist() == theirs.tolist(), name


def test_a_comparison_does_not_differ_from_itself(compared: Comparison):
    found = difference(compared, compared)
    assert len(found) == 6 * 2 * 2
    np.testing.assert_array_equal(found["before"], found["after"])


def test_the_largest_change_comes_first_and_what_is_unknown_last(
    compare, compared: Comparison, calm: Trace
):
    found = difference(
        compared, compare("echo", calm, context=16, checkpoints={"echo": "missing-weights"})
    )
    change = (found["after"] / found["before"] - 1.0).abs().to_numpy()
    known = change[~np.isnan(change)]
    assert (np.diff(known) <= 0).all()
    assert known[0] > 0
    assert found["model"].tolist()[-2:] == ["echo"] * 2
    assert np.isnan(change[-2:]).all()


def test_nothing_in_common_is_an_empty_table(compare, compared: Comparison, calm: Trace):
    other = replace(calm, name="other")
    assert difference(compared, compare("", other)).empty


def test_a_target_that_nobody_knows_is_an_error(compare, series: Trace):
    found = compare("", series, warm_up_s=2400.0, horizons_s=(60.0,))
    assert found.target == "measured"
    with pytest.raises(ScoringError, match="no trace knows the truth"):
        difference(found, found, target="truth")


def test_a_row_is_found_by_job_and_number(compared: Comparison):
    job = compared.rows["job"].iloc[0]
    of_job = compared.rows[compared.rows["job"] == job]
    assert row_of(compared, f"{job}:3").equals(of_job.iloc[3])
    assert row_of(compared, job[:12]).equals(of_job.iloc[0])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "names no row"),
        ("zzz:0", "names no row"),
        ("{job}:x", "names no row"),
        ("{job}:\u00b2", "names no row"),
        ("{job}:9999", "that job has 24 rows, numbered from 0"),
    ],
)
def test_a_row_that_is_not_there_is_an_error(compared: Comparison, name: str, words: str):
    job = compared.rows["job"].iloc[0]
    with pytest.raises(NoSuchRowError, match=words):
        row_of(compared, name.format(job=job))


def test_the_command_of_a_row_names_all_that_decides_it(compare, calm: Trace, wild: Trace):
    more = {"checkpoints": {"echo": "late=0"}, "device": "cpu"}
    found = compare("echo", calm, wild, reading=("--host", "h"), **more)
    row = found.rows[(found.rows["model"] == "echo") & (found.rows["trace"] == "wild")].iloc[-1]
    command = command_of(found, row, "elsewhere")
    assert command[:4] == ["chronotick", "compare", "--traces", wild.path]
    pairs = dict(zip(command[2::2], command[3::2], strict=True))
    assert pairs["--models"] == "echo"
    assert pairs["--checkpoint"] == "echo=late=0"
    assert pairs["--horizons"] == "128.0s,256.0s"
    assert float(pairs["--origin"]) == row["origin_s"]
    assert (pairs["--context"], pairs["--device"]) == ("32", "cpu")
    assert (pairs["--host"], pairs["--out"]) == ("h", "elsewhere")
    yardstick = found.rows[found.rows["model"] == "naive"].iloc[0]
    assert "--models" not in command_of(found, yardstick)


def test_a_comparison_draws_its_figures_by_name(compared: Comparison):
    assert compared.plot_skill().data
    with pytest.raises(ValueError, match=r"no figure is called 'nothing'; there are .*skill"):
        compared.plot("nothing")
    with pytest.raises(AttributeError):
        compared.no_such_thing  # noqa: B018 - that is the test


def test_latency_is_of_windows_asked_alone(compared: Comparison):
    found = compared.latency()
    assert set(found.index) == {"hold", "line", "echo"}
    assert found["asked"].tolist() == [2, 2, 2]  # one a job
    assert (found["p50_s"] > 0).all()


def test_latency_is_known_where_the_first_window_cannot_be_judged(compare, calm: Trace):
    """It was asked alone, and has no row: now the first that has one is, and others are not."""
    late = {"truth_time_s": calm.truth_time_s[900:], "truth_s": calm.truth_s[900:]}
    found = compare("echo", replace(calm, **late, digest="late"), horizons_s=(30.0,))
    rows = found.rows[found.rows["model"] == "echo"]
    assert 0 < len(rows) < 12
    assert found.latency().loc["echo", "asked"] == 1
    assert found.models["echo"]["windows"] == 12
