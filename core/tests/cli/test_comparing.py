"""``chronotick compare``, killed, interrupted, out of disk space and asked for nonsense."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result

from chronotick.cli import comparing_place
from chronotick.lab.comparing import Comparison

SERIES = 8
VALUES = 48
MINUTE = 60.0
HORIZONS = "60s,120s"
WINDOWS = 6
MODELS = ("kalman", "naive", "drift", "hold", "line", "echo")
ROWS = SERIES * WINDOWS * 2 * len(MODELS)
KIBI = 1024

Run = Callable[..., Result]


def wave(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 100 + 10 * np.sin(np.arange(count) / 3) + rng.normal(0, 1, count)


def frame(path: Path, lengths: dict[str, int]) -> Path:
    """A long frame of series of these lengths."""
    parts = [
        pd.DataFrame({"unique_id": name, "ds": MINUTE * np.arange(count), "y": wave(count, place)})
        for place, (name, count) in enumerate(lengths.items())
    ]
    pd.concat(parts).to_csv(path, index=False)
    return path


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Many short series: many small jobs."""
    return frame(tmp_path / "many.csv", {f"s{number:02}": VALUES for number in range(SERIES)})


@pytest.fixture(autouse=True)
def known_plugins(plugin_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are really installed are read once."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(plugin_cache))


def arguments(traces: Path | str, out: Path, *more: str, checkpoint: str = "late=0") -> list[str]:
    return [
        *("compare", "--traces", str(traces), "--out", str(out), "--models", "echo"),
        *("--horizons", HORIZONS, "--warm-up", "30m", "--context", "16"),
        *("--windows", str(WINDOWS), "--format", "none", "--executor", "threads"),
        *("--checkpoint", f"echo={checkpoint}", *more),
    ]


@contextmanager
def started(args: list[str], **popen: object) -> Iterator[subprocess.Popen[str]]:
    """The command in a session of its own, as a terminal's is."""
    command = [sys.executable, "-m", "chronotick", *args]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **popen,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def wait_for(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 50
    while not condition():
        if process.poll() is not None:
            pytest.fail(f"it ended too early: {process.communicate()}")
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def finished(out: Path, model: str = "*") -> dict[Path, int]:
    """Files of rows that are there in whole, and when they were written."""
    return {path: path.stat().st_mtime_ns for path in out.glob(f"rows/{model}/*.parquet")}


def windows_in(out: Path) -> dict[Path, int]:
    """Windows that are there in whole, and when that was said. Drafts have names with a dot."""
    found = out.glob("windows/[!.]*/windows.json")
    return {path: path.stat().st_mtime_ns for path in found}


def noted(out: Path) -> set[tuple[str, float]]:
    """What is known of jobs that are not over: job, and how long an answer took."""
    found = set()
    for path in out.glob("journals/*/[!.]*.npz"):
        with np.load(path) as part:
            found |= {(path.parent.name, latency_s) for latency_s in part["latency_s"].tolist()}
    return found


def assert_complete(out: Path) -> None:
    """Each row is there once, with a forecast."""
    rows = Comparison(out).rows
    assert len(rows) == ROWS
    assert not rows.duplicated(["model", "trace", "horizon_s", "origin_s"]).any()
    assert (rows["status"] == "ok").all()


@pytest.mark.timeout(120)
def test_a_run_that_is_killed_goes_on_where_it_was(many: Path, tmp_path: Path, run: Run):
    """Killed while windows are made, then while a model is asked; then the same command again."""
    out = tmp_path / "out"
    args = arguments(many, out, "--batch", "2", checkpoint="late=0.02")
    moments: list[Callable[[], bool]] = [
        lambda: len(windows_in(out)) > 2,
        lambda: len(finished(out, "echo")) > 2 and bool(noted(out)),
    ]
    for moment in moments:
        with started(args) as process:
            wait_for(process, moment)
            process.kill()
        assert process.wait() == -signal.SIGKILL
    windows = windows_in(out)
    before = finished(out)
    answered = noted(out)
    assert answered
    assert len(windows) == SERIES
    assert 2 < len(finished(out, "echo")) < SERIES
    shown = json.loads(run("results", "show", str(out), "--json").stdout)
    assert (shown["complete"], shown["interrupted"]) == (False, False)
    # A killed run leaves drafts behind: they are no results.
    draft = next(iter(before)).with_name(".half.4711")
    draft.write_bytes(b"PAR1 and so on")
    assert run(*args).exit_code == 0
    assert before.items() <= finished(out).items()
    assert windows_in(out) == windows
    assert_complete(out)
    rows = Comparison(out).rows
    kept = {(row.job, row.latency_s) for row in rows.itertuples()}
    assert answered <= kept  # what was answered of a job that was not over was not asked again
    assert not noted(out)
    assert not draft.exists()


@pytest.mark.timeout(120)
def test_ctrl_c_keeps_what_is_done(many: Path, tmp_path: Path, run: Run):
    """Of a terminal, whose signal reaches every process of the command."""
    out = tmp_path / "out"
    args = arguments(many, out, checkpoint="late=0.05")
    with started(args) as process:
        wait_for(process, lambda: len(finished(out, "echo")) > 2)
        os.killpg(process.pid, signal.SIGINT)
        told, complaints = process.communicate(timeout=50)
    assert process.returncode == 130
    assert complaints.endswith("interrupted; the same command goes on from here\n")
    assert "Traceback" not in complaints
    assert "echo" in told  # a table of what is there
    before = finished(out)
    assert 2 < len(finished(out, "echo")) < SERIES
    shown = json.loads(run("results", "show", str(out), "--json").stdout)
    assert (shown["interrupted"], shown["complete"]) == (True, True)
    assert run(*args).exit_code == 0
    assert before.items() <= finished(out).items()
    assert_complete(out)


@pytest.mark.timeout(120)
def test_a_second_ctrl_c_does_not_wait_for_what_is_running(many: Path, tmp_path: Path, run: Run):
    out = tmp_path / "out"
    with started(arguments(many, out, checkpoint="late=500")) as process:
        wait_for(process, lambda: len(finished(out, "line")) == SERIES)
        os.killpg(process.pid, signal.SIGINT)
        assert process.stderr is not None
        while "Ctrl-C again ends at once" not in process.stderr.readline():
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=50) == -signal.SIGINT
    assert not finished(out, "echo")
    assert run(*arguments(many, out)).exit_code == 0
    assert_complete(out)


@pytest.mark.timeout(120)
def test_ctrl_c_while_windows_are_made_is_no_traceback(many: Path, tmp_path: Path):
    """Here processes make them, which the signal reaches too."""
    out = tmp_path / "out"
    args = [*arguments(many, out), "--executor", "local", "--jobs", "1"]
    with started(args) as process:
        wait_for(process, lambda: len([*out.glob("windows/*")]) > 1)
        os.killpg(process.pid, signal.SIGINT)
        _told, complaints = process.communicate(timeout=50)
    assert process.returncode == 130
    assert complaints.endswith("interrupted; the same command goes on from here\n")
    assert "Traceback" not in complaints
    assert Comparison(out).runs[-1]["interrupted"]
    assert not [path for path in out.glob("windows/.*") if any(path.rglob("windows.json"))]


@pytest.mark.timeout(120)
def test_a_full_disk_is_told_and_the_next_run_completes_it(tmp_path: Path, run: Run):
    """Files of more than 48 KiB cannot be written: rows of 300 windows with quantiles.

    The windows, whose files are larger, are made before.
    """
    out = tmp_path / "out"
    traces = frame(tmp_path / "two.csv", {"long": 400, "short": 40})
    args = [*arguments(traces, out), "--windows", "300"]
    without_echo = [
        word for word in args if word not in {"--models", "echo", "--checkpoint", "echo=late=0"}
    ]
    assert run(*without_echo).exit_code == 0
    limit = 48 * KIBI
    lower = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit, limit))
    with started(args, preexec_fn=lower) as process:
        told, complaints = process.communicate(timeout=50)
    assert process.returncode == 0, complaints
    assert "echo: rows could not be kept" in told
    assert "Run it again" in told
    rows = Comparison(out).rows
    assert set(rows.loc[rows["model"] == "echo", "trace"]) == {"short"}
    assert not [*out.glob("rows/*/.*")]
    before = finished(out)
    assert run(*args).exit_code == 0
    assert before.items() <= finished(out).items()
    rows = Comparison(out).rows
    assert rows.groupby("model")["trace"].nunique().to_dict() == dict.fromkeys(MODELS, 2)
    assert (rows["status"] == "ok").all()


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return frame(tmp_path / "one.csv", {"one": VALUES})


def test_a_run_tells_what_it_does_and_what_came_of_it(trace: Path, tmp_path: Path, run: Run):
    out = tmp_path / "out"
    done = run(*arguments(trace, out))
    assert done.exit_code == 0
    assert done.stderr.splitlines()[0] == "windows: 0 of 1"
    assert done.stderr.splitlines()[-1] == "asked: 36 of 36"
    header, *lines = done.stdout.splitlines()
    assert header == "mae against measured, relative to kalman; no intervals: one host"
    assert {line.split()[0] for line in lines[1:7]} == set(MODELS)
    assert "nan" not in done.stdout
    again = run(*arguments(trace, out), "--json")
    told = json.loads(again.stdout)
    assert {each["model"] for each in told["leaderboard"]} == set(MODELS)
    assert (told["complete"], told["interrupted"], told["failures"]) == (True, False, [])


def test_reports_are_written_as_asked_for(trace: Path, tmp_path: Path, run: Run):
    out = tmp_path / "out"
    done = run(*arguments(trace, out), "--format", "html,md")
    assert done.exit_code == 0
    for form in ("html", "md"):
        assert f"report: {out / f'report.{form}'}" in done.stderr
        assert (out / f"report.{form}").stat().st_size > 1000


def test_failures_are_told(trace: Path, tmp_path: Path, run: Run):
    done = run(*arguments(trace, tmp_path / "out", checkpoint="missing-weights"))
    assert done.exit_code == 1
    words = r"failed: echo in \d+ windows of 2 tasks: echo: no weights"
    assert re.search(words, done.stdout)
    assert "left out: " not in done.stdout
    assert done.stdout.count("no weights, as asked for") == 1
    assert "no forecast at all from echo; the results hold the others'" in done.stderr


BAD = {
    "unknown model": (["--models", "eco"], 2, "unknown model 'eco'. Did you mean echo?"),
    "unknown metric": (["--metric", "mea"], 2, "'mea' is none of mae, rmse"),
    "unknown baseline": (["--baseline", "naif"], 2, "'naif' is not compared; kalman, naive"),
    "unknown format": (["--format", "pdf"], 2, "'pdf': html, md or none"),
    "unknown executor": (["--executor", "slurm"], 2, "'slurm': local, threads or dask://"),
    "no horizon": (["--horizons", ","], 2, "at least one time is needed, such as 64s"),
    "no time": (["--horizons", "soon"], 2, "'soon' is not a time such as 64s"),
    "weights of nobody": (["--checkpoint", "late"], 2, "expected MODEL=WEIGHTS"),
    "weights of another": (
        ["--checkpoint", "eco=late"],
        2,
        "'eco' is not compared. Add it to --models: echo,eco",
    ),
    "no season": (["--models", "seasonal,echo"], 2, "no trace has a season. If these are series"),
    "no season to be relative to": (["--baseline", "seasonal"], 2, "such as --season 24h"),
    "a long season": (
        ["--models", "seasonal,echo", "--season", "24h"],
        2,
        "in spite of --season: a season of 86400 s is not used: 1440 samples of 48",
    ),
    "out is a file": (["--out", "{tmp}/one.csv"], 2, "one.csv is a file. Results need a directory"),
    "out in a file": (["--out", "{tmp}/one.csv/x"], 2, "one.csv is a file. Results need a dire"),
    "out is with the traces": (["--out", "{tmp}"], 2, "the traces are there, and directories with"),
    "too far": (["--horizons", "9h"], 1, "nothing was computed: no trace has a window"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told_with_the_right_exit_code(
    trace: Path, tmp_path: Path, run: Run, name: str
):
    options, code, words = BAD[name]
    out = tmp_path / "out"
    done = run(*arguments(trace, out), *(each.format(tmp=tmp_path) for each in options))
    assert done.exit_code == code
    assert words in done.stderr
    assert "Traceback" not in done.output
    if code == 2:
        assert not out.exists()  # it was said before anything was done


@pytest.mark.parametrize("pattern", ["", "*", "deep*/", "**/*.csv", "deep/one.csv"])
def test_results_do_not_go_where_traces_are_looked_for(tmp_path: Path, run: Run, pattern: str):
    """The next run would have read rows as traces; now it would not find the traces any more."""
    home = tmp_path / "home"
    (home / "deep").mkdir(parents=True)
    frame(home / "deep" / "one.csv", {"one": VALUES})
    out = home / "deep" if pattern.endswith(".csv") else home
    done = run(*arguments(home / pattern, out))
    assert done.exit_code == 2
    words = f"chronotick: --out {out}: the traces are there, and directories with results are not "
    assert done.stderr == (
        f"{words}searched for traces. Give results a directory of their own, such as "
        f"{out / 'results'}\n"
    )
    assert not (out / "run.json").exists()


def test_results_may_lie_among_the_traces_in_a_directory_of_their_own(
    trace: Path, tmp_path: Path, run: Run
):
    """The second run read the rows of the first as traces."""
    for _ in range(2):
        assert run(*arguments(tmp_path, tmp_path / "out")).exit_code == 0
        told = Comparison(tmp_path / "out").runs[-1]
        assert [each["path"] for each in told["traces"]] == [str(trace)]
        assert told["problems"] == []


def test_a_repeated_run_says_that_nothing_was_to_be_computed(trace: Path, tmp_path: Path, run: Run):
    """It said "asked: 36 of 36", as if it had asked."""
    first, again = (run(*arguments(trace, tmp_path / "out")) for _ in range(2))
    assert "asked: 0 of 36" in first.stderr
    assert again.stderr.splitlines()[-1] == "asked: nothing to compute, all 36 are there"
    for path in finished(tmp_path / "out", "echo"):
        path.unlink()
    rest = run(*arguments(trace, tmp_path / "out"))
    assert rest.stderr.splitlines()[-2:] == ["asked: 30 of 36 are there already", "asked: 36 of 36"]


def test_no_trace_at_all_is_told_with_what_was_looked_for(tmp_path: Path, run: Run):
    done = run(*arguments(tmp_path / "nothing*", tmp_path / "out"))
    assert done.exit_code == 2
    assert "nothing*: no file matches" in done.stderr
    assert done.stderr.endswith("no trace can be used\n")
    assert not (tmp_path / "out").exists()


def test_a_trace_that_cannot_be_used_does_not_end_the_others(trace: Path, tmp_path: Path, run: Run):
    frame(tmp_path / "short.csv", {"short": 5})
    done = run(*arguments(tmp_path / "*.csv", tmp_path / "out"))
    assert done.exit_code == 0
    words = "left out: short: holds 5 values, a comparison needs 32 at least"
    assert words in done.stdout
    assert set(Comparison(tmp_path / "out").rows["trace"]) == {"one"}


def test_a_horizon_longer_than_the_trace_says_what_to_shorten(
    trace: Path, tmp_path: Path, run: Run
):
    done = run(*arguments(trace, tmp_path / "out"), "--horizons", "9h")
    assert "left out: one: no window fits: it lasts 2820 s" in done.stdout
    assert "Shorten --warm-up or --horizons" in done.stdout


def test_results_of_another_version_are_left_alone(trace: Path, tmp_path: Path, run: Run):
    out = tmp_path / "out"
    out.mkdir()
    (out / "run.json").write_text('{"format": 99, "runs": []}')
    done = run(*arguments(trace, out))
    assert done.exit_code == 1
    assert "results of another version of ChronoTick (format 99, this one reads 1)" in done.stderr


def test_a_damaged_part_is_named(trace: Path, tmp_path: Path, run: Run):
    out = tmp_path / "out"
    run(*arguments(trace, out))
    (path,) = finished(out, "echo")
    path.write_bytes(b"PAR1")
    done = run(*arguments(trace, out))
    assert done.exit_code == 1
    assert f"{path} cannot be read" in done.stderr
    assert "Delete it; the next run computes it again" in done.stderr


def test_a_scheduler_that_does_not_answer_is_told(
    trace: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("distributed")
    monkeypatch.setattr(comparing_place, "DASK_PATIENCE_S", 0.5)
    done = run(*arguments(trace, tmp_path / "out"), "--executor", "dask://127.0.0.1:9")
    assert done.exit_code == 1
    assert "no Dask scheduler answers at 127.0.0.1:9" in done.stderr
