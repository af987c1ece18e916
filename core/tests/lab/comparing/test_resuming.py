"""What was computed is not computed again: not by the same run, nor by a larger one."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from chronotick.lab.comparing import Comparison, ResultsError
from chronotick.lab.comparing.store import RUN, Store
from chronotick.lab.traces import Trace

MODELS = {"kalman", "naive", "drift", "hold", "line", "echo"}


def unchanged(before: dict[str, int], after: dict[str, int]) -> bool:
    return before.items() <= after.items()


def models_of(stamps: dict[str, int]) -> set[str]:
    return {name.partition("/")[0] for name in stamps}


def rows_of(comparison: Comparison) -> pd.DataFrame:
    """Rows in a stable order, but for how long they took."""
    rows = comparison.rows.drop(columns=["latency_s", "alone_s"])
    return rows.sort_values(["model", "trace", "horizon_s", "origin_s"]).reset_index(drop=True)


def test_a_repeated_run_computes_nothing(compare, calm: Trace, wild: Trace):
    first = compare("echo", calm, wild)
    before = compare.stamps()
    second = compare("echo", calm, wild)
    assert compare.stamps() == before
    assert models_of(before) == MODELS
    assert len(before) == len(MODELS) * 2
    pd.testing.assert_frame_equal(second.rows, first.rows)
    assert len(second.runs) == 2
    assert second.models["echo"]["windows_per_s"] == first.models["echo"]["windows_per_s"]


def test_a_further_model_is_computed_alone(compare, calm: Trace):
    compare("", calm)
    before = compare.stamps()
    found = compare("echo", calm)
    after = compare.stamps()
    assert unchanged(before, after)
    assert models_of({name: after[name] for name in after.keys() - before.keys()}) == {"echo"}
    assert set(found.rows["model"]) == MODELS


def test_a_further_trace_is_computed_alone(compare, calm: Trace, wild: Trace):
    compare("echo", calm)
    before = compare.stamps()
    found = compare("echo", wild, calm)
    after = compare.stamps()
    assert unchanged(before, after)
    assert len(after) == 2 * len(before)
    assert set(found.rows["trace"]) == {"calm", "wild"}


def test_a_further_horizon_with_its_own_step_is_computed_alone(compare, calm: Trace):
    compare("echo", calm, horizons_s=(128.0,))
    before = compare.stamps()
    found = compare("echo", calm, horizons_s=(128.0, 5000.0))
    after = compare.stamps()
    assert unchanged(before, after)
    assert len(after) == 2 * len(before)
    assert set(found.rows["horizon_s"]) == {128.0, 5000.0}


def test_other_weights_are_another_model(compare, calm: Trace):
    """Which switches the echo model was loaded with decides what it says."""
    found = compare("echo", calm, checkpoints={"echo": "nan"})
    assert not (found.rows[found.rows["model"] == "echo"]["status"] == "ok").any()
    found = compare("echo", calm)
    assert (found.rows["status"] == "ok").all()


def test_results_show_what_the_newest_run_asked_for(compare, calm: Trace, wild: Trace):
    compare("echo", calm, wild)
    found = compare("", calm)
    assert set(found.rows["model"]) == MODELS - {"echo"}
    assert set(found.rows["trace"]) == {"calm"}
    assert models_of(compare.stamps()) == MODELS  # the others are still there


def test_lost_rows_are_computed_again_and_the_same(compare, calm: Trace):
    """An interrupted run goes on: whatever is missing is done, whatever is there is kept."""
    first = rows_of(compare("echo", calm, horizons_s=(128.0, 5000.0)))
    gone = [*compare.out.glob("rows/echo/*"), *compare.out.glob("rows/line/*")][1:]
    for path in gone:
        path.unlink()
    before = compare.stamps()
    second = rows_of(compare("echo", calm, horizons_s=(128.0, 5000.0)))
    assert unchanged(before, compare.stamps())
    assert len(compare.stamps()) == len(before) + len(gone)
    pd.testing.assert_frame_equal(second, first)


def test_jobs_without_rows_are_counted(compare, calm: Trace):
    found = compare("echo", calm)
    assert found.pending == (0, len(MODELS))
    for path in compare.out.glob("rows/echo/*.parquet"):
        path.unlink()
    assert Comparison(compare.out).pending == (1, len(MODELS))


def test_half_written_files_are_not_read(compare, calm: Trace):
    first = compare("echo", calm)
    for path in compare.out.glob("rows/echo/*.parquet"):
        path.with_name(f".{path.stem}.4711").write_bytes(path.read_bytes()[:1000])
    pd.testing.assert_frame_equal(Comparison(compare.out).rows, first.rows)


def test_the_same_values_in_two_files_are_two_traces(compare, calm: Trace):
    """Their windows have one name; the rows of each are kept."""
    twin = replace(calm, name="twin", host="twin")
    rows = compare("", calm, twin).rows
    each = len(rows) // 2
    assert rows["trace"].value_counts().to_dict() == {"calm": each, "twin": each}


def test_damaged_rows_are_named_and_what_to_do(compare, calm: Trace):
    compare("echo", calm)
    (path,) = compare.out.glob("rows/echo/*.parquet")
    path.write_bytes(path.read_bytes()[:-100])
    found = Comparison(compare.out)
    for look in (lambda: found.rows, lambda: found.models):
        with pytest.raises(ResultsError, match=r"rows/echo/\w+\.parquet cannot be read.*Delete it"):
            look()
    path.unlink()
    assert (compare("echo", calm).rows["status"] == "ok").all()


def test_damaged_windows_are_named_and_what_to_do(compare, calm: Trace, tmp_path: Path):
    """A machine that lost its power may leave files without content; the run goes on."""
    compare.out = tmp_path / "fresh"
    compare("", calm)
    (directory,) = (compare.out / "windows").iterdir()
    (directory / "arrays" / "mean.npy").write_bytes(b"")
    found = compare("echo", calm)
    assert set(found.rows["model"]) == MODELS - {"echo"}  # the yardsticks were there
    (reason,) = {each["reason"] for each in found.problems}
    assert str(directory) in reason
    assert "Delete" in reason
    shutil.rmtree(directory)
    assert (compare("echo", calm).rows["status"] == "ok").all()


def test_a_directory_of_something_else_is_refused(tmp_path: Path):
    with pytest.raises(ResultsError, match="no results of `chronotick compare`"):
        Comparison(tmp_path)
    (tmp_path / RUN).write_text("{}")
    with pytest.raises(ResultsError, match="no results of `chronotick compare`"):
        Comparison(tmp_path)
    (tmp_path / RUN).write_text('{"format": 99, "runs": []}')
    with pytest.raises(ResultsError, match="another version of ChronoTick"):
        Comparison(tmp_path)
    (tmp_path / RUN).write_text('{"format": 1, "runs": []}')
    with pytest.raises(ResultsError, match="no run has begun"):
        Comparison(tmp_path)


def test_results_of_another_version_are_not_touched(compare, calm: Trace):
    (compare.out / RUN).write_text('{"format": 99, "runs": []}')
    with pytest.raises(ResultsError, match="another version"):
        compare("", calm)
    assert (compare.out / RUN).read_text() == '{"format": 99, "runs": []}'
    assert not compare.stamps()


def test_a_run_is_written_down_once(tmp_path: Path):
    """Its record is replaced as it goes on."""
    store = Store(tmp_path)
    store.record({"started": "a", "jobs": []})
    store.record({"started": "b", "jobs": []})
    store.record({"started": "a", "jobs": [1]})
    assert [each["started"] for each in store.runs()] == ["b", "a"]
    assert store.runs()[-1]["jobs"] == [1]


def test_what_is_written_down_suffices_to_know_a_run(compare, calm: Trace):
    run = compare("echo", calm, checkpoints={"echo": "late=0"}).runs[-1]
    assert run["started"] < run["ended"]
    assert run["interrupted"] is False
    assert run["settings"]["horizons_s"] == [128.0, 256.0]
    assert run["traces"][0]["digest"] == calm.digest
    assert run["models"]["echo"]["weights"] == "late=0"
    assert run["models"]["echo"]["plugin"] == "chronotick"
    assert {"chronotick", "numpy", "pandas", "pyarrow"} <= run["versions"].keys()
    assert {job for _model, job in run["jobs"]} == {Path(name).stem for name in compare.stamps()}
