"""What goes in comes out, also after a restart."""

import asyncio
import math
import re
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chronotick.history import (
    History,
    HistoryUnavailableError,
    SavedState,
    Score,
    Transition,
    boot_id,
    open_history,
    reading,
)
from chronotick.history.queries import measurements_since
from chronotick.history.store import _storage
from chronotick.history.writer import Statement, Writer
from chronotick.ntp.measurement import Measurement

Make = Callable[..., Measurement]


def _forecast(history: History, number: int, **changes: object) -> int:
    values = {
        "unix_ns": number,
        "model": "kalman",
        "predictor": "short_term",
        "issued_raw_ns": number,
        "horizon_ns": 64 * 10**9,
        "predicted_offset_ns": 1_800_000_000 * 10**9 + 7,
        "sigma_s": 2e-6,
    }
    return history.add_forecast(**{**values, **changes})


def test_a_measurement_comes_back_whole(history: History, measurement: Make):
    first = history.add_measurement(measurement(1), selected=True)
    second = history.add_measurement(measurement(2, source="[2001:db8::1]:123"), selected=False)
    one, two = history.measurements_since(0)
    assert (one.measurement, one.selected, one.id) == (measurement(1), True, first)
    assert (two.measurement.source, two.selected, two.id) == ("[2001:db8::1]:123", False, second)
    assert one.boot_id == boot_id()
    assert one.unix_ns == measurement(1).raw_ns + measurement(1).offset_ns


def test_measurements_are_those_of_one_boot_from_a_raw_time_on(path: Path, measurement: Make):
    with open_history(path, 30).history as history:
        for number in (3, 1, 2):
            history.add_measurement(measurement(number), selected=True)
        found = history.measurements_since(2 * 10**9)
        assert [m.measurement.raw_ns for m in found] == [2 * 10**9, 3 * 10**9]
        assert history.measurements_since(0, boot="another") == []


def test_everything_survives_a_restart(path: Path, measurement: Make):
    with open_history(path, 30).history as history:
        history.add_measurement(measurement(1), selected=True)
        history.save_scores({"kalman": {"64": [3, 1e-12]}})
        history.save_state(boot_id(), 17, {"offset_ns": 2**62, "cov": [[1e-30, 0.1]]})
        history.add_transition(raw_ns=1, unix_ns=2, before="unknown", after="holdover", reason="x")
    with open_history(path, 30).history as history:
        assert len(history.measurements_since(0)) == 1
        assert history.load_scores() == {"kalman": {"64": [3, 1e-12]}}
        state = history.load_state(boot_id())
        assert state == SavedState(17, {"offset_ns": 2**62, "cov": [[1e-30, 0.1]]})
        expected = Transition(
            boot_id=boot_id(), raw_ns=1, unix_ns=2, before="unknown", after="holdover", reason="x"
        )
        assert history.recent_transitions() == [expected]


def test_numbers_go_on_after_a_restart(path: Path, measurement: Make):
    with open_history(path, 30).history as history:
        first = history.add_measurement(measurement(1), selected=True)
        forecast = _forecast(history, 1)
    with open_history(path, 30).history as history:
        assert history.add_measurement(measurement(2), selected=True) > first
        assert _forecast(history, 2) > forecast
        assert history.counts()["forecasts"] == 2


def test_a_forecast_gets_its_score_later(history: History):
    scored, unscored = _forecast(history, 1), _forecast(history, 2, sigma_s=None)
    score = Score(error_s=-3e-6, measurement_id=9, raw_ns=65 * 10**9)
    history.score_forecast(scored, score)
    first, second = history.forecasts_between(0, 10)
    assert (first.id, first.score, first.sigma_s) == (scored, score, 2e-6)
    assert (second.id, second.score, second.sigma_s) == (unscored, None, None)
    assert first.predicted_offset_ns == 1_800_000_000 * 10**9 + 7


def test_forecasts_are_found_by_the_time_they_were_made(history: History):
    for unix_ns in (30, 10, 20):
        _forecast(history, unix_ns)
    assert [f.unix_ns for f in history.forecasts_between(10, 30)] == [10, 20]


def test_only_the_last_state_and_scores_are_kept(history: History):
    for number in range(5):
        history.save_state(boot_id(), number, {"n": number})
        history.save_scores({"n": number})
    assert history.load_state(boot_id()) == SavedState(4, {"n": 4})
    assert history.load_scores() == {"n": 4}
    assert history.counts()["clock_state"] == history.counts()["scores"] == 1


def test_what_was_never_saved_is_not_there(history: History):
    assert history.load_state("another boot") is None
    assert history.load_scores() == {}
    assert history.recent_transitions() == []


def test_transitions_come_newest_first_and_limited(history: History):
    for number in range(5):
        history.add_transition(
            raw_ns=number, unix_ns=number, before="a", after="b", reason=str(number)
        )
    assert [t.reason for t in history.recent_transitions(2)] == ["4", "3"]


def test_numbers_of_numpy_are_stored_as_numbers(history: History, measurement: Make):
    """sqlite3 stores an np.int64 as bytes, or refuses it."""
    history.add_measurement(measurement(1, delay_ns=np.int64(77)), selected=bool(np.True_))
    _forecast(history, 1, predicted_offset_ns=np.int64(5), sigma_s=np.float32(0.5))
    assert history.measurements_since(0)[0].measurement.delay_ns == 77
    assert history.forecasts_between(0, 9)[0].sigma_s == 0.5


def test_not_a_number_is_stored_as_nothing(history: History):
    forecast = _forecast(history, 1, sigma_s=math.nan)
    history.score_forecast(forecast, Score(error_s=math.nan, measurement_id=1, raw_ns=1))
    (found,) = history.forecasts_between(0, 9)
    assert found.sigma_s is None
    assert found.score is None


def test_a_row_that_cannot_be_stored_does_not_hold_up_the_others(
    history: History, measurement: Make, caplog: pytest.LogCaptureFixture
):
    history.add_measurement(measurement(1, offset_ns=2**70), selected=True)
    history.add_measurement(measurement(2), selected=True)
    assert len(history.measurements_since(0)) == 1
    assert history.health().dropped == 1
    assert "row refused" in caplog.text


def test_a_snapshot_json_cannot_hold_is_the_callers_error(history: History):
    with pytest.raises(TypeError):
        history.save_state(boot_id(), 1, {"x": object()})


def test_what_a_part_of_the_daemon_keeps_is_there_after_a_restart(path: Path):
    with open_history(path, 30).history as history:
        history.save_part("watchdog", {"servers": [1]})
        history.save_part("watchdog", {"servers": [1, 2]})
        history.save_part("other", {})
    with open_history(path, 30).history as history:
        assert history.load_part("watchdog") == {"servers": [1, 2]}
        assert (history.load_part("other"), history.load_part("nobody")) == ({}, None)


@pytest.mark.parametrize("table", ["clock_state", "scores", "kept"])
def test_a_saved_body_with_a_changed_digit_is_not_used(
    path: Path, table: str, caplog: pytest.LogCaptureFixture
):
    """SQLite has no checksums: a flipped bit in the estimator's offset would be a wrong clock."""
    with open_history(path, 30).history as history:
        history.save_state(boot_id(), 1, {"offset_ns": 1111})
        history.save_scores({"sum": 1111})
        history.save_part("watchdog", {"age_s": 1111})
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE {table} SET body = replace(body, '1111', '1911')")  # noqa: S608 - constants
    connection.close()
    with open_history(path, 30).history as history:
        values = {
            "clock_state": history.load_state(boot_id()),
            "scores": history.load_scores(),
            "kept": history.load_part("watchdog"),
        }
    assert not values[table]
    assert "is damaged and not used" in caplog.text


def test_a_damaged_row_is_left_out_and_said(
    path: Path, measurement: Make, caplog: pytest.LogCaptureFixture
):
    with open_history(path, 30).history as history:
        for number in range(3):
            history.add_measurement(measurement(number), selected=True)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE measurements SET stamps = CAST(x'6be5' AS TEXT) WHERE id = 2")
    connection.close()
    with open_history(path, 30).history as history:
        assert [m.id for m in history.measurements_since(0)] == [1, 3]
    assert "1 damaged rows are left out" in caplog.text


def test_rows_are_committed_without_being_asked_for(
    history: History, path: Path, measurement: Make
):
    history.add_measurement(measurement(1), selected=True)
    deadline = time.monotonic() + 10
    with reading(path) as connection:
        while not measurements_since(connection, boot_id(), 0):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert history.health().pending == 0


async def test_storing_does_not_wait_for_a_blocked_disk(
    history: History, path: Path, measurement: Make
):
    """The database is locked all the while; the event loop goes on."""
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    turns = 0
    for number in range(20):
        history.add_measurement(measurement(number), selected=True)
        await asyncio.sleep(0.01)
        turns += 1
    assert history.health().pending == turns == 20
    blocker.execute("ROLLBACK")
    blocker.close()
    assert len(await asyncio.to_thread(history.measurements_since, 0)) == 20


def test_a_database_that_is_removed_while_it_is_used_is_begun_anew(
    path: Path, measurement: Make, caplog: pytest.LogCaptureFixture
):
    """SQLite goes on writing into the removed file: all later rows were lost with the process."""
    with open_history(path, 30).history as history:
        history.add_measurement(measurement(1), selected=True)
        history.measurements_since(0)
        for ending in ("", "-wal", "-shm"):
            Path(f"{path}{ending}").unlink()
        history.add_measurement(measurement(2), selected=True)
        assert [each.measurement for each in history.measurements_since(0)] == [measurement(2)]
    with open_history(path, 30).history as again:
        assert [each.measurement for each in again.measurements_since(0)] == [measurement(2)]
    assert [record.message for record in caplog.records if "removed by someone" in record.message]


def test_want_of_memory_does_not_end_the_writing(path: Path, measurement: Make):
    """The thread that writes ended by it, and nothing was remembered from then on."""
    storage, refusals = _storage(path, 30), [True]

    def connect() -> sqlite3.Connection:
        if refusals:
            refusals.pop()
            raise MemoryError
        return storage.connect()

    writer = Writer(replace(storage, connect=connect), interval_s=0.01, capacity=10)
    writer.put(Statement("DELETE FROM measurements WHERE id = ?", (1,)))
    deadline = time.monotonic() + 10
    while refusals or writer.health().pending:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    writer.close()
    assert writer.health().problem == ""


def test_a_closed_history_says_so(path: Path):
    history = open_history(path, 30).history
    history.close()
    history.close()
    with pytest.raises(HistoryUnavailableError, match="closed"):
        history.counts()


def test_the_boot_has_a_lasting_identity():
    assert boot_id() == boot_id()
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", boot_id())
