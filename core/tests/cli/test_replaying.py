"""`chronotick lab replay`: what it prints, writes and refuses."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chronotick.cli import replay_report
from chronotick.cli.main import chronotick
from chronotick.lab import World

SECOND = 1_000_000_000


def replay(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(
        chronotick, ["lab", "replay", *map(str, arguments)], input=stdin, catch_exceptions=False
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five minutes of a simulated world, and its truth."""
    directory = tmp_path_factory.mktemp("world")
    live = World.from_preset("dc-calm", seed=4).live()
    start_ns = live.truth(0)
    rows = ["t_local_s,offset_s,delay_s,source"]
    for second in range(1, 300, 16):
        exchange = live.exchange(0, second * SECOND)
        assert exchange is not None
        offset_ns = exchange.offset_ns - start_ns
        middle_ns = (exchange.t1_ns + exchange.t4_ns) // 2
        rows.append(f"{middle_ns / 1e9:.9f},{offset_ns / 1e9:.9f},{exchange.delay_ns / 1e9:.9f},s")
    (directory / "measurements.csv").write_text("\n".join(rows) + "\n")
    truth = ["t_local_s,offset_s"]
    for second in range(0, 301, 10):
        offset_ns = live.truth(second * SECOND) - second * SECOND - start_ns
        truth.append(f"{second},{offset_ns / 1e9:.9f}")
    (directory / "truth.csv").write_text("\n".join(truth) + "\n")
    return directory


@pytest.fixture(scope="module")
def measurements(world: Path) -> Path:
    return world / "measurements.csv"


def table(path: Path) -> list[dict[str, str]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", newline="") as file:
        return list(csv.DictReader(file))


def test_estimates_are_written_and_summarised(measurements, world, tmp_path):
    out = tmp_path / "estimates.csv.gz"
    truth = world / "truth.csv"
    done = replay(measurements, "--out", out, "--truth", truth, "--warm-up", 60)
    assert done.exit_code == 0, done.output
    rows = table(out)
    assert [row["t_local_s"] for row in rows[:2]] == ["10.000000000", "20.000000000"]
    assert len(rows) == 28
    assert done.stdout == ""
    assert f"{measurements}: table, 19 measurements of 1 source" in done.stderr
    assert "28 estimates in" in done.stderr
    assert "kalman  in process" in done.stderr
    assert "bound violated 0 of 28 times" in done.stderr


def test_json_holds_it_all(measurements, world):
    done = replay(measurements, "--truth", world / "truth.csv", "--warm-up", 60, "--json")
    told = json.loads(done.stdout)
    assert done.stderr == ""
    assert told["recording"]["measurements"] == 19
    assert told["rows"] == 28
    assert told["models"]["kalman"]["answered"] > 28
    assert told["sources"]["s"]["measurements"] == 19
    assert 0 < told["errors"]["estimate"]["rms_s"] < 1e-4
    assert told["errors"]["bound_violations"] == 0


def test_members_get_columns(measurements, tmp_path):
    out = tmp_path / "estimates.csv"
    done = replay(measurements, "--models", "line,hold", "--members", "--out", out)
    assert done.exit_code == 0, done.output
    row = table(out)[-1]
    weights = [float(row[f"{model}_weight"]) for model in ("kalman", "line", "hold")]
    assert sum(weights) == pytest.approx(1.0, abs=1e-5)


def test_rows_gaps_and_ends_are_as_asked(measurements, tmp_path):
    out = tmp_path / "estimates.csv"
    done = replay(
        *(measurements, "--out", out, "--every", "30s", "--gap", "2m..250", "--until", "10m"),
    )
    assert done.exit_code == 0, done.output
    rows = table(out)
    assert [float(row["t_local_s"]) for row in rows] == [30.0 * n for n in range(1, 21)]
    by_time = {float(row["t_local_s"]): row["status"] for row in rows}
    assert by_time[90.0] == "2"
    assert by_time[210.0] == by_time[600.0] == "3"  # holdover


def test_standard_input_and_output_work(measurements):
    done = replay("-", "--out", "-", "--every", 60, stdin=measurements.read_bytes())
    assert done.exit_code == 0, done.output
    assert len(done.stdout.splitlines()) == 5


def test_two_runs_write_the_same_bytes(measurements, tmp_path):
    outs = [tmp_path / "one.csv.gz", tmp_path / "two.csv.gz"]
    for out in outs:
        assert replay(measurements, "--models", "kalman,line", "--out", out).exit_code == 0
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_a_ready_made_configuration_is_known_by_its_name(measurements):
    assert replay(measurements, "--config", "default", "--models", "kalman").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--every", "soon"), 2, "is not a time such as"),
        (("--every", "1e-10"), 2, "is not in the range x>=0.001"),
        (("--out", "-", "--json"), 2, "both want standard output"),
        (("--gap", "5"), 2, "is no stretch of time: write FROM..TO"),
        (("--gap", "9..5"), 2, "the end must come after the beginning"),
        (("--from", "noon"), 2, "is not a time such as 5400, 90m"),
        (("--from", "2h"), 1, "no measurement lies in what is replayed"),
        (("--models", "lines"), 2, "Did you mean line"),
        (("--config", "defualt"), 2, "defualt"),
        (("--checkpoint", "chronos"), 2, "expected MODEL=WEIGHTS"),
        (("--boot", "feed"), 1, "--boot has no meaning"),
        (("--out", "/nowhere/estimates.csv"), 1, "cannot be written: No such file"),
        (("--truth", "/nowhere/truth.csv"), 1, "/nowhere/truth.csv: cannot be read"),
        (("--max-error", "0"), 2, "not in the range x>0"),
        (("--members",), 2, "--members adds columns to --out"),
        (("--warm-up", "-1h"), 2, "is not a time such as"),
        (("--until", "5s"), 1, "lies no multiple of 10 s"),
    ],
)
def test_bad_arguments_are_told(measurements, arguments, code, words):
    done = replay(measurements, *arguments)
    assert done.exit_code == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_read_is_never_replaced(measurements, world, tmp_path):
    before = measurements.read_bytes(), (world / "truth.csv").read_bytes()
    link = tmp_path / "link.csv"
    link.symlink_to(measurements)
    truth = world / "truth.csv"
    for out in (measurements, link, truth):
        done = replay(measurements, "--truth", truth, "--out", out)
        assert done.exit_code == 2
        assert "would replace what is read" in done.stderr
    assert (measurements.read_bytes(), truth.read_bytes()) == before


def test_warm_up_takes_units_and_is_named_where_it_leaves_nothing(measurements, world):
    truth = world / "truth.csv"
    assert replay(measurements, "--truth", truth, "--warm-up", "1m").exit_code == 0
    assert replay(measurements, "--truth", truth, "--warm-up", 0).exit_code == 0
    done = replay(measurements, "--truth", truth)
    assert done.exit_code == 1
    assert "after the warm-up of 3600 s. Shorten that: --warm-up" in done.stderr


def test_a_gap_that_hides_nothing_is_noted(measurements):
    gap = ("--gap", "2h..3h")
    assert "gap from 7200.000 to 10800.000 s hides no" in replay(measurements, *gap).stderr
    notes = json.loads(replay(measurements, *gap, "--json").stdout)["recording"]["notes"]
    assert "hides no measurement. Its local times are 1.000 to 289.000 s" in notes[-1]


def test_models_are_listed_as_they_were_asked_for(measurements):
    done = replay(measurements, "--models", "line,hold", "--json")
    assert list(json.loads(done.stdout)["models"]) == ["kalman", "line", "hold"]


@pytest.mark.parametrize("every", ["10s", "1s"])
def test_a_reader_who_goes_ends_it_quietly(measurements, every):
    """Both where it is noticed at once and where all that was written waits in a buffer."""
    command = [sys.executable, "-m", "chronotick", "lab", "replay", str(measurements)]
    command += ["--out", "-", "--every", every]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False, timeout=50
        )
    finally:
        os.close(writing)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


def test_once_is_once():
    assert [replay_report.often(count) for count in (1, 3)] == ["once", "3 times"]


def test_bad_recordings_are_told_in_a_line(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text("t_s,offset_s\n1,0\n2,0,5\n")
    done = replay(path)
    assert done.exit_code == 1
    expected = f"chronotick: {path}, line 3: has 3 cells, the header 2. A decimal comma? Write a"
    assert done.stderr.startswith(expected)
    assert done.stderr.count("\n") == 1
