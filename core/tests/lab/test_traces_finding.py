"""Which files patterns name, in which order, and what their traces are called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chronotick.lab.comparing.store import Store
from chronotick.lab.traces import Traces, read_traces
from chronotick.lab.traces.endings import default_name, stem

ROWS = 40


def clock(path: Path, step_s: float = 64) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = (f"{1 + n * step_s},{n % 7}e-6\n" for n in range(ROWS))
    path.write_text("t_s,offset_s\n" + "".join(rows))
    return path


def truth(path: Path) -> Path:
    path.write_text("t_local_s,offset_s\n0,0\n10000,1e-6\n")
    return path


def names(*patterns: Path | str, **options: str) -> list[str]:
    found = read_traces([str(pattern) for pattern in patterns], **options)
    assert found.problems == ()
    return [trace.name for trace in found.traces]


def test_no_pattern_is_an_error():
    with pytest.raises(ValueError, match="no traces are named"):
        read_traces([])


def test_patterns_keep_their_order_and_matches_are_sorted(tmp_path):
    for name in ("c", "a", "b", "d"):
        clock(tmp_path / f"{name}.csv")
    assert names(tmp_path / "d.csv", tmp_path / "[abc].csv") == ["d", "a", "b", "c"]


def test_a_file_named_twice_is_read_once(tmp_path):
    file = clock(tmp_path / "a.csv")
    (tmp_path / "link.csv").symlink_to(file)
    assert names(file, tmp_path / "*.csv", tmp_path) == ["a"]


def test_a_directory_stands_for_what_is_in_it_at_any_depth(tmp_path):
    clock(tmp_path / "b.csv")
    clock(tmp_path / "deep" / "er" / "a.csv.gz.csv")
    clock(tmp_path / ".hidden.csv")
    (tmp_path / "README.md").write_text("# not a trace\n")
    assert names(tmp_path) == ["b", "a.csv.gz"]


def test_two_stars_match_directories_at_any_depth(tmp_path):
    clock(tmp_path / "x" / "a.csv")
    clock(tmp_path / "x" / "y" / "b.csv")
    assert names(tmp_path / "**" / "*.csv") == ["a", "b"]


def test_a_world_is_called_as_its_folder_and_its_other_files_are_no_traces(tmp_path):
    for name in ("dc", "wan"):
        clock(tmp_path / name / "measurements.csv")
        truth(tmp_path / name / "truth.csv")
        (tmp_path / name / "world.json").write_text("{\n}\n")
        clock(tmp_path / name / "estimates.csv")
    for patterns in ([tmp_path], [tmp_path / "*"], [tmp_path / "dc", tmp_path / "wan"]):
        assert names(*patterns) == ["dc", "wan"]
    assert names(tmp_path / "*" / "[mtw]*") == ["dc", "wan"]
    assert names(tmp_path / "dc" / "measurements.csv") == ["dc"]


def test_the_truth_beside_a_table_is_no_trace(tmp_path):
    clock(tmp_path / "a.csv")
    truth(tmp_path / "a.truth.csv")
    assert names(tmp_path / "*.csv") == names(tmp_path) == ["a"]


def test_a_truth_without_measurements_is_a_table_like_others(tmp_path):
    clock(tmp_path / "truth.csv")
    assert names(tmp_path) == ["truth"]


def test_a_name_with_marks_of_patterns_is_a_file_if_there_is_one(tmp_path):
    assert names(clock(tmp_path / "run[1].csv")) == ["run[1]"]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("*.csv", "no file matches. Try: ls "),
        ("none.csv", "there is no such file or directory"),
        ("a" * 5000, "there is no such file"),
        ("a\0b", "there is no such file"),
        ("", "there is no such file"),
    ],
)
def test_a_pattern_that_names_nothing_is_a_problem_with_advice(tmp_path, pattern, words):
    where = f"{tmp_path}/{pattern}" if pattern else ""
    found = read_traces([where, str(clock(tmp_path / "sub" / "a.csv"))])
    assert [trace.name for trace in found.traces] == ["a"]
    (problem,) = found.problems
    assert problem.path == where
    assert problem.name == where.replace("\0", "\ufffd")
    assert words in problem.reason


def test_a_directory_without_traces_is_a_problem(tmp_path):
    (tmp_path / "README.md").write_text("# not a trace\n")
    (problem,) = read_traces([str(tmp_path)]).problems
    assert "no trace is in this directory" in problem.reason


def results(directory: Path) -> Path:
    """Results of a comparison, with rows that look like traces."""
    Store(directory).record({"started": "2026-01-01", "jobs": []})
    clock(directory / "rows" / "kalman" / "a.csv")
    clock(directory / "table.csv")
    return directory


@pytest.mark.parametrize("pattern", ["", "*", "**/*.csv", "[!.]*/*"])
def test_results_of_a_comparison_are_no_traces(tmp_path, pattern):
    """--out inside of the directory of --traces: the next run read its rows as traces."""
    results(tmp_path / "worlds" / "first" / "results")
    clock(tmp_path / "worlds" / "first" / "mine.csv")
    assert names(tmp_path / "worlds" / pattern) == ["mine"]


@pytest.mark.parametrize("pattern", ["", "out", "*", "out/*", "**/*.csv", "out/**"])
def test_where_only_results_are_it_is_said(tmp_path, pattern):
    results(tmp_path / "out")
    (problem,) = read_traces([str(tmp_path / pattern)]).problems
    assert f"results of `chronotick compare` ({tmp_path / 'out'})" in problem.reason
    assert "Name the traces themselves" in problem.reason


def test_a_file_among_results_is_a_trace_if_it_is_named(tmp_path):
    results(tmp_path / "out")
    assert names(tmp_path / "out" / "table.csv") == ["table"]
    assert names(tmp_path / "out" / "rows" / "kalman" / "*.csv") == ["a"]


def test_a_run_json_of_others_hides_nothing(tmp_path):
    clock(tmp_path / "a.csv")
    (tmp_path / "run.json").write_text('{"seed": 1}')
    assert names(tmp_path) == ["a"]


def test_a_file_that_vanishes_is_a_problem(tmp_path):
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere")
    clock(tmp_path / "here.csv")
    found = read_traces([str(tmp_path / "*.csv")])
    assert [trace.name for trace in found.traces] == ["here"]
    assert [(p.name, p.reason) for p in found.problems] == [
        ("gone", "cannot be read: No such file or directory")
    ]


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    found = read_traces([str(tmp_path / "pipe.csv"), "/dev/zero"])
    assert [p.reason for p in found.problems] == ["is neither a file nor a directory"] * 2


# Names


def hosts(found: Traces) -> dict[str, str]:
    return {trace.name: trace.host for trace in found.traces}


def test_shared_names_get_their_folders_before_them_until_they_are_unique(tmp_path):
    clock(tmp_path / "east" / "one" / "a.csv")
    clock(tmp_path / "west" / "one" / "a.csv")
    clock(tmp_path / "west" / "two" / "a.csv")
    clock(tmp_path / "west" / "b.csv")
    expected = ["east/one/a", "b", "west/one/a", "two/a"]
    assert names(tmp_path) == expected
    backwards = names(tmp_path / "west", tmp_path / "east")
    assert sorted(backwards) == sorted(expected)


def test_a_host_is_called_as_its_trace_unless_it_is_named(tmp_path):
    clock(tmp_path / "x" / "a.csv")
    clock(tmp_path / "y" / "a.csv")
    assert hosts(read_traces([str(tmp_path)])) == {"x/a": "x/a", "y/a": "y/a"}
    assert hosts(read_traces([str(tmp_path)], host="h")) == {"x/a": "h", "y/a": "h"}


def test_formats_of_one_trace_in_a_folder_keep_their_endings(tmp_path):
    clock(tmp_path / "a.csv")
    clock(tmp_path / "a.log")
    assert names(tmp_path / "*") == ["a.csv", "a.log"]


def test_a_problem_takes_part_so_that_mending_it_renames_nothing(tmp_path):
    clock(tmp_path / "x" / "a.csv")
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "a.csv").write_text("t_s,offset_s\n1,fast\n")
    found = read_traces([str(tmp_path)])
    assert [trace.name for trace in found.traces] == ["x/a"]
    assert [problem.name for problem in found.problems] == ["y/a"]


def test_the_same_values_under_two_names_are_told(tmp_path):
    clock(tmp_path / "a.csv")
    clock(tmp_path / "b.csv")
    a, b = read_traces([str(tmp_path)]).traces
    assert a.digest == b.digest
    assert b.notes[-1] == "holds the same values as a"
    assert not any("holds the same" in note for note in a.notes)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("a.csv", "a"),
        ("a.csv.gz", "a"),
        ("A.CSV", "A"),
        ("a.b.parquet", "a.b"),
        ("peerstats.20251014", "peerstats.20251014"),
        ("history.sqlite3", "history"),
        (".csv", ".csv"),
    ],
)
def test_stems(file, name):
    assert stem(file) == name


def test_names_of_worlds():
    assert default_name("/x/dc/measurements.csv.gz") == "dc"
    assert default_name("/x/dc/measurements.log") == "measurements"
    assert default_name("/measurements.csv") == "measurements"
