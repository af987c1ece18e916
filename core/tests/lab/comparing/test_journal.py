"""What was answered is kept, window by window; what failed for a passing reason is asked again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chronotick.lab.comparing import Comparison, ResultsError, sessions
from chronotick.lab.comparing.asking import is_passing
from chronotick.lab.comparing.journal import Journal
from chronotick.lab.comparing.rows import Answers
from chronotick.lab.comparing.sessions import SessionError, WorkerSession
from chronotick.lab.comparing.store import Store
from chronotick.lab.comparing.windows import Windows
from chronotick.lab.traces import Trace
from chronotick.models.inprocess import ModelFailedError
from chronotick.plugin.contract import ContextBatch, Forecast
from chronotick.workers import DeadlineMissed, ForecastFailed, Superseded, WorkerUnavailable


def answered(answers: Answers, *places: int) -> None:
    for place in places:
        answers.mean[place] = place
        answers.quantiles[place] = place / 10
        answers.latency_s[place] = 0.5


def same(found: Answers, wanted: Answers) -> None:
    for name in ("mean", "quantiles", "latency_s", "alone_s", "settled"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
    assert found.status == wanted.status


class TestJournal:
    def test_what_is_noted_is_recalled(self, tmp_path: Path):
        wanted = Answers.none(6, 2)
        journal = Journal(tmp_path / "j")
        answered(wanted, 0, 1)
        journal.note(wanted)
        answered(wanted, 4)
        wanted.status[3] = "it does not like that one"
        journal.note(wanted)
        found = Answers.none(6, 2)
        Journal(tmp_path / "j").recall(found)
        same(found, wanted)
        assert found.settled.tolist() == [True, True, False, True, True, False]

    def test_each_window_is_noted_once(self, tmp_path: Path):
        answers, journal = Answers.none(3, 1), Journal(tmp_path)
        for place in (0, 0, 1):
            answered(answers, place)
            journal.note(answers)
        noted = sorted(np.load(path)["places"].tolist() for path in tmp_path.glob("*.npz"))
        assert noted == [[0], [1]]

    def test_passing_failures_are_not_noted(self, tmp_path: Path):
        answers, journal = Answers.none(2, 1), Journal(tmp_path)
        answers.status[1], answers.passing[1] = "too late", True
        journal.note(answers)
        assert not [*tmp_path.iterdir()]

    def test_an_answer_counts_more_than_an_older_failure(self, tmp_path: Path):
        """A run that asks again may itself be killed: both are noted."""
        failed = Answers.none(1, 1)
        failed.status[0] = "no"
        Journal(tmp_path).note(failed)
        for _ in range(8):  # files are found in any order
            good = Answers.none(1, 1)
            answered(good, 0)
            Journal(tmp_path).note(good)
            found = Answers.none(1, 1)
            Journal(tmp_path).recall(found)
            same(found, good)

    def test_failures_can_be_left_out(self, tmp_path: Path):
        answers, journal = Answers.none(2, 1), Journal(tmp_path)
        answered(answers, 0)
        answers.status[1] = "no"
        journal.note(answers)
        found = Answers.none(2, 1)
        journal.recall(found, failures=False)
        assert found.settled.tolist() == [True, False]

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and so on", b"nonsense"])
    def test_damaged_files_are_passed_over(self, tmp_path: Path, content: bytes):
        answers, journal = Answers.none(3, 1), Journal(tmp_path)
        answered(answers, 2)
        journal.note(answers)
        (tmp_path / "0-1.npz").write_bytes(content)
        found = Answers.none(3, 1)
        Journal(tmp_path).recall(found)
        assert found.settled.tolist() == [False, False, True]

    def test_where_it_cannot_be_written_nothing_is_lost_but_the_insurance(self, tmp_path: Path):
        (tmp_path / "file").touch()
        answers, journal = Answers.none(1, 1), Journal(tmp_path / "file" / "j")
        answered(answers, 0)
        journal.note(answers)
        assert answers.settled.all()


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (DeadlineMissed("m", "late"), True),
        (Superseded("m", "a newer one"), True),
        (WorkerUnavailable("m", "killed by SIGKILL"), True),
        (WorkerUnavailable("m", "killed by SIGABRT", crashed=True), False),
        (ForecastFailed("m", "expired", kind="expired"), True),
        (ForecastFailed("m", "no", kind="exception"), False),
        (ForecastFailed("m", "NaN", kind="invalid"), False),
        (ModelFailedError("m", ValueError("no")), False),
    ],
)
def test_failures_of_the_machine_pass_and_those_of_the_model_stay(error: Exception, passing: bool):
    assert is_passing(error) is passing


def of(comparison: Comparison, model: str) -> pd.DataFrame:
    rows = comparison.rows
    return rows[rows["model"] == model].set_index(["horizon_s", "origin_s"]).sort_index()


@pytest.fixture
def limit(compare, wild: Trace, make_settings, known_windows: Path) -> float:
    """Above which lie the newest values of two windows."""
    compare("", wild)
    preparation = make_settings().preparation
    (grid,) = preparation.grids(wild)
    windows = Windows.opened(known_windows / preparation.key(wild, grid), 64.0)
    newest = sorted(each[~np.isnan(each)][-1] for each in np.asarray(windows.values))
    return float(newest[-3])


def test_windows_lost_to_a_full_memory_are_asked_again_and_only_they(
    compare, wild: Trace, limit: float, calm_down: Callable[[], None]
):
    weights = {"picky": f"kill@{limit!r}"}
    first = compare("picky", wild, checkpoints=weights)
    before = of(first, "picky")
    lost = before["status"] != "ok"
    assert before.loc[lost, "status"].str.contains("SIGKILL").all()
    assert lost.sum() == 2 * 2  # windows, horizons
    assert any("the next run asks again" in each["reason"] for each in first.problems)
    calm_down()
    second = compare("picky", wild, checkpoints=weights)
    after = of(second, "picky")
    assert (after["status"] == "ok").all()
    assert not second.problems
    pd.testing.assert_series_equal(after.loc[~lost, "latency_s"], before.loc[~lost, "latency_s"])
    assert not [*(compare.out / "journals").iterdir()]


def test_what_a_model_fails_on_is_asked_again_only_if_that_is_wanted(
    compare, wild: Trace, limit: float, calm_down: Callable[[], None]
):
    weights = {"picky": f"raise@{limit!r}"}
    first = of(compare("picky", wild, checkpoints=weights), "picky")
    assert (first["status"] != "ok").sum() == 2 * 2
    calm_down()
    pd.testing.assert_frame_equal(of(compare("picky", wild, checkpoints=weights), "picky"), first)
    before = compare.stamps()
    again = of(compare("picky", wild, checkpoints=weights, retry_failed=True), "picky")
    assert (again["status"] == "ok").all()
    known = first["status"] == "ok"
    pd.testing.assert_series_equal(again.loc[known, "latency_s"], first.loc[known, "latency_s"])
    changed = {name for name, stamp in compare.stamps().items() if stamp != before[name]}
    assert {name.partition("/")[0] for name in changed} == {"picky"}
    assert not [*(compare.out / "journals").iterdir()]


def test_what_an_unfinished_retry_was_answered_is_kept(
    compare,
    wild: Trace,
    limit: float,
    calm_down: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
):
    """Two windows are asked again; the model is lost after the first."""
    weights = {"picky": f"raise@{limit!r}"}
    first = of(compare("picky", wild, checkpoints=weights), "picky")
    calm_down()
    ask, asked = WorkerSession.forecast, []

    def forecast(session: WorkerSession, batch: ContextBatch, steps: int) -> Forecast:
        asked.append(len(batch.values))
        if len(asked) == 2:
            raise SessionError("it is gone", hopeless=False)
        return ask(session, batch, steps)

    monkeypatch.setattr(WorkerSession, "forecast", forecast)
    retry = {"checkpoints": weights, "retry_failed": True}
    pd.testing.assert_frame_equal(of(compare("picky", wild, **retry), "picky"), first)
    asked.append(0)  # from here on it is there
    again = of(compare("picky", wild, **retry), "picky")
    assert (again["status"] == "ok").all()
    assert asked == [1, 1, 0, 1]
    assert not [name for name in compare.stamps() if name.endswith(".failed.parquet")]


def test_a_model_that_never_answers_is_given_up_soon(
    compare, calm: Trace, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sessions, "PATIENCE_S", 0.1)
    found = compare("echo", calm, checkpoints={"echo": "hang"})
    rows = of(found, "echo")
    assert rows["status"].str.contains(r"no answer within 0\.1 s").all()
    assert not [name for name in compare.stamps() if "echo/" in name and "failed" not in name]


def test_answers_before_the_end_of_a_model_are_kept(
    compare, calm: Trace, monkeypatch: pytest.MonkeyPatch
):
    """It is gone for good after three batches; the rest is asked by the next run."""
    ask, asked = WorkerSession.forecast, []

    def forecast(session: WorkerSession, batch: ContextBatch, steps: int) -> Forecast:
        if len(asked) == 3:
            raise SessionError("it is gone", hopeless=False)
        asked.append(len(batch.values))
        return ask(session, batch, steps)

    monkeypatch.setattr(WorkerSession, "forecast", forecast)
    before = of(compare("echo", calm, most_batch=2), "echo")
    assert asked == [1, 2, 2]
    lost = before["status"] != "ok"
    assert set(before.loc[lost, "status"]) == {"it is gone"}
    monkeypatch.setattr(WorkerSession, "forecast", ask)
    after = of(compare("echo", calm, most_batch=2), "echo")
    assert (after["status"] == "ok").all()
    pd.testing.assert_series_equal(after.loc[~lost, "latency_s"], before.loc[~lost, "latency_s"])


class TestWriting:
    def test_two_runs_do_not_write_to_one_place(self, tmp_path: Path):
        store = Store(tmp_path / "out")
        with (
            store.writing(),
            pytest.raises(ResultsError, match=r"another run writes there \(process \d+ on"),
            Store(tmp_path / "out").writing(),
        ):
            pass
        with store.writing():
            pass

    def test_what_killed_runs_left_is_swept_away(self, tmp_path: Path):
        drafts = ["windows/.key-ab12/arrays/mean.npy", "rows/echo/.job.4711", ".run.json.4711"]
        kept = ["windows/key/windows.json", "rows/echo/done.parquet", "journals/open/0-0.npz"]
        for name in (*drafts, *kept):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        with Store(tmp_path).writing():
            assert not [name for name in drafts if (tmp_path / name).exists()]
            assert all((tmp_path / name).exists() for name in kept)

    def test_a_process_that_was_forked_meanwhile_does_not_keep_others_away(self, tmp_path: Path):
        """Those of a pool live on with what their parent had open."""
        store, go_on = Store(tmp_path), os.pipe()
        with store.writing():
            child = os.fork()
            if not child:
                os.read(go_on[0], 1)
                os._exit(0)
        try:
            with store.writing():
                pass
        finally:
            os.write(go_on[1], b".")
            os.waitpid(child, 0)
            for end in go_on:
                os.close(end)

    def test_a_full_disk_is_told(self, tmp_path: Path):
        program = (
            "import resource, sys\n"
            "from pathlib import Path\n"
            "from chronotick.lab.comparing.store import ResultsError, Store\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
            "try:\n"
            "    with Store(Path(sys.argv[1])).writing(): pass\n"
            "except ResultsError as error: print(error)\n"
        )
        command = [sys.executable, "-c", program, str(tmp_path / "out")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.endswith("out: cannot be written: File too large\n")

    def test_a_place_that_cannot_be_written_to_is_named(self, tmp_path: Path):
        (tmp_path / "file").touch()
        with (
            pytest.raises(ResultsError, match="file: cannot be written"),
            Store(tmp_path / "file").writing(),
        ):
            pass
