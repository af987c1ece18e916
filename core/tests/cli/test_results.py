"""``chronotick results``: looked at, compared, exported, and one row computed again."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fev.analysis
import numpy as np
import pandas as pd
import pytest
from click.testing import Result

from chronotick.config.schema import Workers
from chronotick.lab import Polling, Simulation, write
from chronotick.lab.comparing import Comparison, Origins, Preparation, Settings, compare_traces
from chronotick.lab.comparing.jobs import unload
from chronotick.lab.scoring.columns import QUANTILE_COLUMNS
from chronotick.lab.traces import read_traces
from chronotick.models import builtin
from chronotick.plugin import echo
from chronotick.plugin.registry import Plugins

MODELS = ("kalman", "naive", "drift", "hold", "line", "echo")
EXACT = {"rtol": 1e-12, "atol": 1e-12}

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    known = {each.name: each for each in (*builtin.chronotick_models(), *echo.chronotick_models())}
    return Plugins(models=known, origins=dict.fromkeys(known, "chronotick 0"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated host of three hours with two servers."""
    root = tmp_path_factory.mktemp("traces")
    named = Simulation.named("wan-hvac", servers=2, seed=4)
    short = {"duration_s": 10_800.0, "polling": Polling(interval_s=64.0)}
    write(named.model_copy(update=short), root / "world")
    return root


def computed(traces: Path, out: Path, plugins: Plugins, switches: str = "late=0") -> Path:
    settings = Settings(
        preparation=Preparation(
            horizons_s=(128.0, 5000.0),
            context=32,
            origins=Origins(warm_up_s=3600.0, windows=6),
        ),
        workers=Workers(checkpoints={"echo": switches}),
    )
    found = read_traces([str(traces)])
    with ThreadPoolExecutor(2) as executor:
        compare_traces(["echo"], found, settings, out, executor=executor, plugins=plugins)
    unload()
    return out


@pytest.fixture(scope="module")
def results(world: Path, plugins: Plugins, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return computed(world, tmp_path_factory.mktemp("results") / "out", plugins)


@pytest.fixture(scope="module")
def failed(world: Path, plugins: Plugins, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, but that the echo model cannot be loaded."""
    return computed(world, tmp_path_factory.mktemp("failed") / "out", plugins, "missing-weights")


@pytest.fixture(autouse=True)
def known_plugins(plugin_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are really installed are read once."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(plugin_cache))


def test_show_prints_a_leaderboard(results: Path, run: Run):
    done = run("results", "show", str(results))
    assert done.exit_code == 0
    header, columns, *lines = done.stdout.splitlines()
    assert header == "mae against truth, relative to kalman; no intervals: one host"
    assert " ".join(columns.split()) == "MODEL WIN RATE SKILL TASKS FAILED LEAKED P50 P99 CALLS"
    assert {line.split()[0] for line in lines[:6]} == set(MODELS)
    assert "(" not in lines[0]  # of one host there is no interval
    # A 99th percentile of two calls is their maximum: it is said of how many it is.
    assert {line.split()[0] for line in lines[:6] if line.endswith(" 2")} >= {
        "hold",
        "line",
        "echo",
    }
    assert "nan" not in done.stdout


def test_show_judges_as_it_is_told(results: Path, run: Run):
    done = run(
        *("results", "show", str(results), "--json", "--metric", "rmse"),
        *("--target", "measured", "--baseline", "naive"),
    )
    told = json.loads(done.stdout)
    assert (told["metric"], told["target"]) == ("rmse", "measured")
    board = {each["model"]: each for each in told["leaderboard"]}
    assert board["naive"]["skill_score"] == 0.0
    assert board["kalman"]["skill_score_lower"] is None  # of one host
    assert {each["model"] for each in told["latency"]} == {"hold", "line", "echo"}


def test_show_tells_of_failures(failed: Path, run: Run):
    done = run("results", "show", str(failed))
    assert re.search(r"failed: echo in \d+ windows of 2 tasks: echo: no weights", done.stdout)
    told = json.loads(run("results", "show", str(failed), "--json").stdout)
    assert [(each["model"], each["windows"]) for each in told["failures"]] == [
        ("echo", 6),
        ("echo", 2),
    ]
    assert [each["reason"] for each in told["problems"]] == ["echo: echo: no weights, as asked for"]


@pytest.mark.parametrize("model", ["echo", "line", "kalman"])
def test_the_command_of_a_row_computes_it_again(
    results: Path, run: Run, model: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(results.parent)
    rows = Comparison(results).rows
    chosen = rows[(rows["model"] == model) & (rows["horizon_s"] == 5000.0)].iloc[1]
    place = list(rows[rows["job"] == chosen["job"]]["origin_s"]).index(chosen["origin_s"])
    done = run("results", "show", str(results), "--row", f"{chosen['job']}:{place}")
    assert f"origin_s        {chosen['origin_s']}" in done.stdout
    program, *args = shlex.split(done.stdout.splitlines()[-1])
    assert program == "chronotick"
    assert run(*args, "--executor", "threads", "--format", "none").exit_code == 0
    again = Comparison(results.parent / "again").rows
    same = again[(again["model"] == model) & (again["horizon_s"] == 5000.0)]
    assert len(same) == 1
    decided = ["origin_s", "target_s", "last", "measured", "truth", "scale", "forecast"]
    decided += ["low", "high", "step_s", "context", "status"]
    if model != "line":  # a point model's intervals are of its other errors
        decided += QUANTILE_COLUMNS
    pd.testing.assert_series_equal(
        same.iloc[0][decided], chosen[decided], check_names=False, check_exact=True
    )


def test_a_row_is_told_with_all_its_digits(results: Path, run: Run):
    row = Comparison(results).rows.iloc[0]
    done = run("results", "show", str(results), "--row", f"{row['job']}:0", "--json")
    told = json.loads(done.stdout)
    assert told["row"]["forecast"] == row["forecast"]
    assert told["row"]["alone_s"] is None
    assert told["command"].startswith("chronotick compare --traces ")


def test_a_row_that_is_not_there_is_an_error(results: Path, run: Run):
    done = run("results", "show", str(results), "--row", "nothing:0")
    assert done.exit_code == 1
    assert "'nothing:0' names no row: JOB:N" in done.stderr


def test_diff_shows_what_changed(results: Path, failed: Path, run: Run):
    done = run("results", "diff", str(results), str(failed))
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines.pop(0) == "mae against truth, in s, in the windows that both have"
    columns = " ".join(lines[0].split())
    assert columns == "MODEL TRACE HORIZON WINDOWS BEFORE AFTER AFTER/BEFORE"
    assert len(lines) == 1 + 6 * 2
    assert lines[1].endswith("1.0000")
    assert {line.split()[2] for line in lines[1:]} == {"128s", "5000s"}
    assert lines[-1].split()[0] == "echo"
    told = json.loads(run("results", "diff", str(results), str(failed), "--json").stdout)
    before = {(e["model"], e["horizon_s"]): e["before"] for e in told}
    scores = Comparison(results).scores().set_index(["model", "horizon_s"])["mae"]
    assert before == scores.to_dict()
    assert told[-1]["after"] is None


def test_diff_names_models_that_one_side_lacks(results: Path, run: Run, tmp_path: Path):
    without = tmp_path / "without"
    shutil.copytree(results, without)
    path = without / "run.json"
    told = json.loads(path.read_text())
    newest = told["runs"][-1]
    newest["jobs"] = [each for each in newest["jobs"] if each[0] != "echo"]
    del newest["models"]["echo"]
    path.write_text(json.dumps(told))
    assert "only in BEFORE: echo" in run("results", "diff", str(results), str(without)).stdout
    done = run("results", "diff", str(without), str(results), "--metric", "sql_drift")
    assert done.stdout.splitlines()[0].startswith("sql_drift against truth, in the windows")
    assert done.stdout.splitlines()[-1] == "only in AFTER: echo"


def test_diff_of_results_that_have_nothing_in_common_is_an_error(
    results: Path, plugins: Plugins, run: Run, tmp_path: Path
):
    """An empty table and code 0 looked like no change."""
    pd.DataFrame({"t_s": 60.0 * np.arange(160), "y": np.arange(160) % 7.0}).to_csv(
        tmp_path / "s.csv", index=False
    )
    other = computed(tmp_path / "s.csv", tmp_path / "out", plugins)
    for more in ((), ("--json",)):
        done = run("results", "diff", str(results), str(other), *more, "--target", "measured")
        assert (done.exit_code, done.stdout) == (1, "")
        assert "no trace of one has the values of a trace of the other" in done.stderr


def test_export_to_fev_gives_its_leaderboard_our_numbers(results: Path, run: Run, tmp_path: Path):
    path = tmp_path / "fev.csv"
    done = run("results", "export", str(results), "--format", "fev", "--out", str(path))
    assert done.exit_code == 0
    assert done.stderr == f"12 rows: {path}\n"
    theirs = fev.analysis.leaderboard(str(path), baseline_model="kalman")
    told = json.loads(run("results", "show", str(results), "--json").stdout)
    ours = pd.DataFrame(told["leaderboard"]).set_index("model")
    for name in ("win_rate", "skill_score"):
        np.testing.assert_allclose(ours[name], theirs[name].loc[ours.index], **EXACT)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_export_writes_all_rows(results: Path, run: Run, tmp_path: Path, form: str):
    path = tmp_path / f"rows.{form}"
    done = run("results", "export", str(results), "--format", form, "--out", str(path))
    assert done.exit_code == 0
    read = pd.read_csv(path) if form == "csv" else pd.read_parquet(path)
    rows = Comparison(results).rows
    assert list(read.columns) == list(rows.columns)
    np.testing.assert_array_equal(read["forecast"], rows["forecast"])


def test_report_is_written_where_it_is_asked_for(results: Path, run: Run, tmp_path: Path):
    for name in ("other.html", "other.md"):
        done = run("results", "report", str(results), "--out", str(tmp_path / name))
        assert done.exit_code == 0
        assert done.stdout == f"{tmp_path / name}\n"
        assert "kalman" in (tmp_path / name).read_text()


def test_a_report_shows_the_target_first_that_is_asked_for(results: Path, run: Run, tmp_path: Path):
    path = tmp_path / "report.md"
    done = run("results", "report", str(results), "--out", str(path), "--target", "measured")
    assert done.exit_code == 0
    assert path.read_text().splitlines()[2].startswith("Forecast of the measured series (MAE")


BAD = {
    "no results": (["show", "{tmp}"], 1, "{tmp}: no results of `chronotick compare` there. Give"),
    "nowhere": (["show", "{tmp}/x"], 1, "there. Give the directory that was its --out"),
    "a file": (["show", "{dir}/run.json"], 1, "no results of `chronotick compare` there. Give"),
    "unknown metric": (["show", "{dir}", "--metric", "bias"], 2, "'bias' is none of mae"),
    "unknown baseline": (["show", "{dir}", "--baseline", "x"], 2, "these results are of kalman"),
    "metric of diff": (["diff", "{dir}", "{dir}", "--metric", "mea"], 2, "'mea' is none of mae"),
    "nowhere to export": (["export", "{dir}", "--out", "{tmp}/a/b.csv"], 1, "cannot be written"),
    "no such report": (["report", "{dir}", "--out", "{tmp}/r.pdf"], 2, "is .html or .md"),
    "nowhere to report": (["report", "{dir}", "--out", "{dir}/run.json/b.md"], 1, "cannot be"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told_with_the_right_exit_code(
    results: Path, run: Run, tmp_path: Path, name: str
):
    options, code, words = BAD[name]
    done = run("results", *(each.format(dir=results, tmp=tmp_path) for each in options))
    assert done.exit_code == code
    assert words.format(dir=results, tmp=tmp_path) in done.stderr
    assert "None" not in done.stderr
    assert "Errno" not in done.stderr


def test_a_truth_that_nobody_knows_is_told(plugins: Plugins, run: Run, tmp_path: Path):
    times = 60.0 * np.arange(160)
    values = np.sin(times / 1000) + np.random.default_rng(0).normal(0, 0.1, 160)
    pd.DataFrame({"t_s": times, "y": values}).to_csv(tmp_path / "s.csv", index=False)
    out = str(computed(tmp_path / "s.csv", tmp_path / "out", plugins))
    for command in (
        ["show", out],
        ["diff", out, out],
        ["export", out, "--out", "x", "--format", "fev"],
    ):
        done = run("results", *command, "--target", "truth")
        assert done.exit_code == 1
        assert "no trace knows the truth" in done.stderr
