"""Tables of estimates, and estimates against the truth."""

from __future__ import annotations

import csv
import gzip
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chronotick.lab.recordings import RecordingError
from chronotick.lab.recordings.decimals import exact_seconds
from chronotick.lab.replaying.estimate import Estimate, MemberEstimate
from chronotick.lab.replaying.table import COLUMNS, EstimateTable, writing
from chronotick.lab.replaying.truth import Truth
from chronotick.shm.layout import Source, Status

SECOND = 1_000_000_000
TRACES = Path(os.environ.get("CHRONOTICK_TRACES", Path(__file__).parents[4] / "shared" / "traces"))


def estimate(local_s: float, offset_ns: int, **changes: object) -> Estimate:
    values: dict[str, object] = {
        "local_ns": round(local_s * SECOND),
        "offset_ns": offset_ns,
        "sigma_ns": 1_000,
        "bound_ns": 50_000,
        "status": Status.SYNCHRONISED,
        "source": Source.NTP,
        "served_offset_ns": offset_ns,
        "members": (),
    }
    return Estimate(**(values | changes))


def written(tmp_path: Path, estimates: list[Estimate], models: tuple[str, ...] = ()) -> Path:
    path = tmp_path / "estimates.csv"
    with writing(str(path)) as file:
        table = EstimateTable(file, models)
        for each in estimates:
            table.add(each)
    return path


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0.000000000"),
        (-1, "-0.000000001"),
        (-1_500_000_000, "-1.500000000"),
        (1_763_640_000_123_456_789, "1763640000.123456789"),
    ],
)
def test_seconds_are_exact(nanoseconds: int, text: str):
    assert exact_seconds(nanoseconds) == text


def test_a_row_holds_numbers_only(tmp_path):
    """score.py of the traces reads every cell as a number."""
    path = written(tmp_path, [estimate(10, -27), estimate(20, 5, bound_ns=None)])
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert rows[0]["offset_s"] == "-0.000000027"
    assert rows[0]["status"] == "2"
    assert rows[1]["bound_s"] == "inf"
    assert all(math.isfinite(float(cell)) for cell in rows[0].values())


def test_members_have_columns_and_may_be_silent(tmp_path):
    members = (MemberEstimate("line", 8, math.nan, 0.25),)
    path = written(tmp_path, [estimate(10, 5, members=members)], ("kalman", "line"))
    row = next(csv.DictReader(path.read_text().splitlines()))
    assert row["line_offset_s"] == "0.000000008"
    assert row["line_sigma_s"] == ""
    assert row["line_weight"] == "0.250000"
    assert row["kalman_offset_s"] == ""


def test_a_packed_table_is_the_same_each_time(tmp_path):
    paths = [tmp_path / "one.csv.gz", tmp_path / "two.csv.gz"]
    for path in paths:
        with writing(str(path)) as file:
            EstimateTable(file).add(estimate(10, 5))
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert gzip.decompress(first).decode().startswith("t_local_s,offset_s,")


def test_a_table_gets_its_name_when_it_is_complete(tmp_path):
    path = tmp_path / "estimates.csv"

    def fail() -> None:
        with writing(str(path)) as file:
            EstimateTable(file).add(estimate(10, 5))
            raise RuntimeError("by this test")

    with pytest.raises(RuntimeError, match="by this test"):
        fail()
    assert not path.exists()
    assert (tmp_path / "estimates.csv.part").read_text().count("\n") == 2


TRUTH = "t_local_s,offset_s,chrony_offset_s,chrony_disciplined_error_s\n" + "".join(
    f"{t},0.001,{0.001 + 4e-6 * (-1) ** (t // 10):.9f},0.000008\n" for t in range(0, 101, 10)
)


def truth(tmp_path: Path, text: str = TRUTH) -> Truth:
    path = tmp_path / "truth.csv"
    path.write_text(text)
    return Truth(str(path))


def test_errors_are_those_of_the_textbook(tmp_path):
    errors_ns = [3_000, -1_000, 1_000, -3_000]
    estimates = [estimate(10 * n, 1_000_000 + e) for n, e in enumerate(errors_ns, start=1)]
    found = truth(tmp_path).judge(estimates, warm_up_s=0)
    assert found.estimate.rms_s == pytest.approx(math.sqrt(5) * 1e-6)
    assert found.estimate.sd_s == pytest.approx(math.sqrt(5) * 1e-6)
    assert found.estimate.max_s == pytest.approx(3e-6)
    assert found.coverage_95 == 0.5
    assert found.mean_sigma_s == pytest.approx(1e-6)
    assert (found.bounded, found.bound_violations) == (4, 0)
    assert found.rms_to_chrony == pytest.approx(math.sqrt(5) / 4)
    assert found.rms_to_chrony_disciplined == pytest.approx(math.sqrt(5) / 8)


def test_a_constant_error_is_in_the_rms_and_not_in_the_scatter(tmp_path):
    found = truth(tmp_path).judge([estimate(10 * n, 1_007_000) for n in range(1, 9)], 0)
    assert found.estimate.rms_s == pytest.approx(7e-6)
    assert found.estimate.sd_s == pytest.approx(0, abs=1e-15)
    assert found.estimate.mean_s == pytest.approx(7e-6)


def test_bounds_count_from_the_first_estimate_and_errors_after_the_warm_up(tmp_path):
    wrong = estimate(10, 2_000_000)
    found = truth(tmp_path).judge([wrong, estimate(60, 1_000_000)], warm_up_s=50)
    assert found.estimate.count == 1
    assert (found.bounded, found.bound_violations) == (2, 1)


def test_what_is_unbounded_violates_nothing(tmp_path):
    found = truth(tmp_path).judge([estimate(60, 9_000_000, bound_ns=None)], 0)
    assert (found.bounded, found.bound_violations) == (0, 0)


def test_estimates_outside_the_truth_do_not_count(tmp_path):
    found = truth(tmp_path).judge([estimate(60, 1_000_000), estimate(500, 0)], 0)
    assert found.estimate.count == 1
    with pytest.raises(RecordingError, match="no estimate lies in it"):
        truth(tmp_path).judge([estimate(500, 0)], 0)


def test_a_truth_without_chrony_has_no_ratios(tmp_path):
    found = truth(tmp_path, "t_local_s,offset_s\n0,0\n100,0\n").judge([estimate(50, 5)], 0)
    assert found.rms_to_chrony is found.rms_to_chrony_disciplined is None


def test_chrony_is_judged_where_it_ran(tmp_path):
    text = TRUTH.replace("0,0.001,0.001004000,0.000008\n", "0,0.001,,nan\n", 1)
    assert text != TRUTH
    found = truth(tmp_path, text).judge([estimate(50, 1_002_000)], warm_up_s=0)
    assert found.rms_to_chrony == pytest.approx(2 / 4)
    assert found.rms_to_chrony_disciplined == pytest.approx(2 / 8)


def test_a_chrony_without_any_error_has_no_ratio(tmp_path):
    text = "t_local_s,offset_s,chrony_offset_s\n0,0,0\n100,0,0\n"
    assert truth(tmp_path, text).judge([estimate(50, 5)], 0).rms_to_chrony is None


def test_comments_are_passed_over_as_in_recordings(tmp_path):
    assert truth(tmp_path, "# made by hand\nt_local_s, offset_s\n0,0\n100,0\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time,offset\n1,2\n", "needs a header with t_local_s and offset_s"),
        ("t_local_s,offset_s\n1,2\n1,2\n", "times must ascend"),
        ("t_local_s,offset_s\n", "times must ascend"),
        ("t_local_s,offset_s\n1,2,3\n", "line 2: has 3 cells"),
        ("t_local_s,offset_s\n1,x\n", "line 2, column offset_s: 'x' is no number"),
        ("t_local_s,offset_s\n\n1,2\n2,NaN\n", "line 4, column offset_s: 'NaN' is not finite"),
        ("t_local_s,offset_s\n,2\n", "line 2, column t_local_s: '' is no number"),
    ],
)
def test_a_bad_truth_is_told(tmp_path, text: str, words: str):
    with pytest.raises(RecordingError, match=words):
        truth(tmp_path, text)


@pytest.mark.skipif(not TRACES.is_dir(), reason="no traces (CHRONOTICK_TRACES)")
def test_the_scorer_of_the_traces_finds_the_same(tmp_path):
    """Estimates of a made-up quality, once by score.py and once here."""
    path = TRACES / "sim" / "dc_calm_p6_s4" / "truth.csv.gz"
    with gzip.open(path, "rt") as file:
        rows = list(csv.DictReader(file))
    estimates = [
        estimate(
            float(row["t_local_s"]),
            round(float(row["offset_s"]) * SECOND) + (n * 7919) % 4001 - 1500,
        )
        for n, row in enumerate(rows)
    ]
    found = Truth(str(path)).judge(estimates)
    table = written(tmp_path, estimates)
    command = [sys.executable, str(TRACES / "score.py"), str(path), str(table), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    theirs = json.loads(done.stdout)
    for mine, name in (
        (found.estimate.rms_s, "rms_us"),
        (found.estimate.sd_s, "sd_us"),
        (found.estimate.p95_s, "p95_us"),
        (found.mean_sigma_s, "mean_sigma_us"),
    ):
        assert mine * 1e6 == pytest.approx(theirs[name], rel=1e-4)
    assert found.coverage_95 == pytest.approx(theirs["coverage95"], abs=1e-3)
    assert found.bound_violations == theirs["bound_violations"]
    assert found.rms_to_chrony == pytest.approx(theirs["rms_vs_chrony"], rel=1e-4)
    assert found.rms_to_chrony_disciplined == pytest.approx(
        theirs["rms_vs_chrony_disciplined"], rel=1e-4
    )
