from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chronotick import ChronoTickClient, CorrectedTime
from chronotick.client.errors import (
    ClockUnsynchronised,
    DaemonUnavailable,
    SystemTimeWarning,
    TargetPassed,
)
from chronotick.client.instants import floor_ns
from chronotick.shm import clocks
from chronotick.shm.layout import Flags, Status
from chronotick.shm.record import Record, sigma_at, time_at
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter


@pytest.fixture
def client(path: Path, pure: bool) -> Iterator[ChronoTickClient]:
    with ChronoTickClient(path, pure=pure) as client:
        yield client


@pytest.fixture
def record(writer: RecordWriter) -> Record:
    return writer.write(good_record())


def test_time_is_that_of_the_record(client: ChronoTickClient, record: Record):
    before = time_at(record, clocks.raw_ns()) / 1e9
    now = client.get_time()
    assert type(now) is CorrectedTime
    assert before <= now.corrected_timestamp <= time_at(record, clocks.raw_ns()) / 1e9
    assert now.corrected_timestamp - now.system_timestamp == pytest.approx(1.5, abs=1e-3)
    assert now.offset_correction == pytest.approx(1.5, abs=1e-3)
    assert now.uncertainty_seconds == pytest.approx(4e-6, rel=0.1)
    assert (now.confidence, now.source, now.drift_rate) == (0.8, "ntp", 12.5e-6)


def test_without_a_daemon_everything_is_the_systems_with_one_warning(client: ChronoTickClient):
    with pytest.warns(SystemTimeWarning) as caught:
        answers = [client.get_time(), client.get_future_time(5), client.translate(123.25)]
    assert len(caught) == 1
    for answer in answers:
        assert answer.corrected_timestamp == answer.system_timestamp
        assert (answer.uncertainty_seconds, answer.source) == (math.inf, "system")
    assert answers[2].corrected_timestamp == 123.25
    assert answers[1].corrected_timestamp - answers[0].corrected_timestamp >= 5
    assert all(answer[3:] == (0.0, "system", 0.0, 0.0) for answer in answers)


def test_the_future_is_the_same_line_with_more_uncertainty(
    client: ChronoTickClient, record: Record
):
    now, later = client.get_time(), client.get_future_time(3600)
    passed = later.corrected_timestamp - now.corrected_timestamp
    assert passed == pytest.approx(3600 * (1 + record.rate), abs=0.05)
    expected = sigma_at(record, clocks.raw_ns() + 3600 * 10**9) / 1e9
    assert later.uncertainty_seconds == pytest.approx(expected, rel=1e-3)
    assert later.uncertainty_seconds > now.uncertainty_seconds


AGE_NS, AHEAD_OF_RAW_NS = 3 * 10**9 + 1, 10**18 + 7


@pytest.fixture
def at_rest(record: Record, monkeypatch: pytest.MonkeyPatch) -> int:
    """RAW (ns), which stands still; so does the system clock, that much ahead of it."""
    raw_ns = record.anchor_raw_ns + AGE_NS
    monkeypatch.setattr(clocks, "raw_ns", lambda: raw_ns)
    monkeypatch.setattr(clocks, "system_minus_raw_ns", lambda: AHEAD_OF_RAW_NS)
    return raw_ns


@pytest.mark.parametrize("seconds", [0, 0.25, 3600])
def test_each_figure_of_the_future_follows_from_the_record(
    client: ChronoTickClient, record: Record, at_rest: int, seconds: float
):
    then_raw_ns = at_rest + int(seconds * 1e9)
    time_ns = time_at(record, then_raw_ns)
    correction_ns = time_at(record, at_rest) - at_rest - AHEAD_OF_RAW_NS
    assert client.get_future_time(seconds) == CorrectedTime(
        corrected_timestamp=time_ns / 1e9,
        system_timestamp=(time_ns - correction_ns) / 1e9,
        uncertainty_seconds=sigma_at(record, then_raw_ns) / 1e9,
        confidence=record.confidence,
        source="ntp",
        offset_correction=correction_ns / 1e9,
        drift_rate=record.rate,
    )


@pytest.mark.parametrize("later_s", [-1000, 1000])
def test_each_figure_of_a_translated_stamp_follows_from_the_record(
    client: ChronoTickClient, record: Record, at_rest: int, later_s: int
):
    system_ns = record.anchor_utc_ns + record.system_minus_utc_ns + later_s * 10**9
    stamp = system_ns // 2**20 * 2**20 / 1e9
    exact_ns = floor_ns(stamp)
    moved_ns = at_rest + AHEAD_OF_RAW_NS - time_at(record, at_rest) - record.system_minus_utc_ns
    age_ns = exact_ns - record.anchor_utc_ns - record.system_minus_utc_ns
    sigma_ns = sigma_at(record, at_rest) + abs(moved_ns) + math.ceil(abs(age_ns) * 500e-6)
    translated = client.translate(stamp)
    assert translated.corrected_timestamp == (exact_ns - record.system_minus_utc_ns) / 1e9
    assert translated.uncertainty_seconds == sigma_ns / 1e9
    assert translated.offset_correction == 1.5


def test_the_last_measurement_is_told_in_both_ways(
    client: ChronoTickClient, record: Record, at_rest: int
):
    info = client.get_daemon_info()
    assert info["last_ntp_sync"] == time_at(record, record.last_sync_raw_ns) / 1e9
    assert info["seconds_since_ntp"] == (at_rest - record.last_sync_raw_ns) / 1e9


def test_after_a_suspend_nothing_is_promised_until_the_next_publication(
    client: ChronoTickClient, writer: RecordWriter
):
    """RAW stood still meanwhile: time is late by the length of the sleep."""
    record = good_record()
    writer.write(replace(record, suspended_ns=record.suspended_ns - 10**9))
    for late in (client.get_time(), client.get_future_time(5), client.translate(time.time())):
        assert (late.uncertainty_seconds, late.confidence, late.source) == (math.inf, 0.0, "ntp")
    writer.write(record)
    assert client.get_time().uncertainty_seconds < 1e-3
    assert client.get_time().confidence == pytest.approx(0.8)


@pytest.mark.parametrize("seconds", [-0.1, 3600.1, math.nan, math.inf])
def test_the_future_ends_after_an_hour(client: ChronoTickClient, record: Record, seconds: float):
    with pytest.raises(ValueError, match="between 0 and 3600"):
        client.get_future_time(seconds)


def test_a_stamp_of_the_system_clock_is_translated(client: ChronoTickClient, record: Record):
    stamp = time.time()
    translated = client.translate(stamp)
    assert translated.system_timestamp == pytest.approx(stamp, abs=1e-6)
    assert translated.corrected_timestamp - stamp == pytest.approx(1.5, abs=1e-6)
    assert translated.uncertainty_seconds < 1e-3


def test_an_older_stamp_is_less_certain(client: ChronoTickClient, record: Record):
    translated = client.translate(time.time() - 1000)
    assert translated.uncertainty_seconds == pytest.approx(0.5, rel=0.01)  # 500 ppm of 1000 s


def test_a_step_since_the_record_was_written_makes_a_stamp_uncertain(
    client: ChronoTickClient, writer: RecordWriter
):
    writer.write(replace(good_record(), system_minus_utc_ns=-1_200_000_000))
    assert client.translate(time.time()).uncertainty_seconds == pytest.approx(0.3, rel=0.02)


@pytest.mark.parametrize("stamp", [math.nan, math.inf])
def test_what_is_no_moment_is_not_translated(
    client: ChronoTickClient, record: Record, stamp: float
):
    with pytest.raises(ValueError, match="not a moment"):
        client.translate(stamp)


@pytest.mark.parametrize(
    ("change", "ready"),
    [
        ({}, True),
        ({"status": Status.HOLDOVER}, True),
        ({"status": Status.WARMING_UP}, False),
        ({"status": Status.UNKNOWN}, False),
        ({"status": Status.DISRUPTED}, False),
        ({"void_after_raw_ns": 1}, False),
    ],
)
def test_ready_means_alive_and_vouching(
    client: ChronoTickClient, writer: RecordWriter, change: dict[str, int], ready: bool
):
    writer.write(replace(good_record(), **change))
    assert client.is_daemon_ready() is ready


def test_without_a_record_no_daemon_is_ready(client: ChronoTickClient):
    assert not client.is_daemon_ready()


def test_waiting_never_ends_early(client: ChronoTickClient, record: Record):
    for ahead_s in (0.0, 1e-6, 0.0004, 0.02):
        target = time_at(record, clocks.raw_ns()) / 1e9 + ahead_s
        client.wait_until(target, tolerance_ms=10_000)  # a busy machine is no early return
        assert time_at(record, clocks.raw_ns()) >= target * 1e9 - 128


def test_waiting_for_what_has_passed_is_an_error(client: ChronoTickClient, record: Record):
    target = time_at(record, clocks.raw_ns()) / 1e9 - 0.5
    with pytest.raises(TargetPassed, match=r"passed 5\d\d\.\d+ ms ago") as caught:
        client.wait_until(target, tolerance_ms=400)
    assert isinstance(caught.value, ValueError)
    assert caught.value.target == target
    assert caught.value.late_s == pytest.approx(0.5, abs=0.2)
    client.wait_until(target, tolerance_ms=60_000)


def test_late_by_just_the_tolerance_is_not_too_late(
    client: ChronoTickClient, writer: RecordWriter, monkeypatch: pytest.MonkeyPatch
):
    good = replace(good_record(), anchor_utc_ns=1_700_000_000 * 10**9)
    writer.write(good)
    monkeypatch.setattr(clocks, "raw_ns", lambda: good.anchor_raw_ns)
    client.wait_until(1_700_000_000.0, tolerance_ms=0.0)
    client.wait_until(1_699_000_000.0, tolerance_ms=1e9)
    with pytest.raises(TargetPassed):
        client.wait_until(1_699_000_000.0, tolerance_ms=1e9 - 1)


@pytest.mark.parametrize("tolerance", [-1.0, math.nan])
def test_a_negative_tolerance_is_refused(
    client: ChronoTickClient, record: Record, tolerance: float
):
    with pytest.raises(ValueError, match="must not be negative"):
        client.wait_until(0.0, tolerance_ms=tolerance)


def test_a_correction_during_the_wait_counts(
    client: ChronoTickClient, writer: RecordWriter, record: Record
):
    """Ten seconds away by the first record; the next one says that it is now."""
    target = record.anchor_utc_ns / 1e9 + 10
    jump = replace(record, anchor_utc_ns=record.anchor_utc_ns + 10**10, epoch=record.epoch + 1)
    timer = threading.Timer(0.1, writer.write, [jump])
    timer.start()
    began = time.monotonic()
    client.wait_until(target)
    timer.join()
    assert 0.09 < time.monotonic() - began < 8


def test_a_daemon_that_goes_away_during_the_wait_is_reported(
    client: ChronoTickClient, writer: RecordWriter, record: Record
):
    timer = threading.Timer(0.1, writer.close)
    timer.start()
    with pytest.raises(DaemonUnavailable):
        client.wait_until(record.anchor_utc_ns / 1e9 + 30)
    timer.join()


def test_there_is_no_waiting_without_time(client: ChronoTickClient, writer: RecordWriter):
    writer.write(replace(good_record(), status=Status.UNKNOWN))
    with pytest.raises(ClockUnsynchronised):
        client.wait_until(time.time() + 1)


INFO_KEYS = {
    *("status", "warmup_complete", "measurement_count", "daemon_uptime", "last_ntp_sync"),
    *("seconds_since_ntp", "ntp_ready", "models_ready", "data_source", "confidence"),
    *("average_latency_ms", "total_corrections"),
}


def test_the_daemon_is_described_from_the_record(client: ChronoTickClient, record: Record):
    info = client.get_daemon_info()
    assert set(info) == INFO_KEYS
    assert (info["status"], info["warmup_complete"], info["ntp_ready"]) == ("ready", True, True)
    assert (info["models_ready"], info["measurement_count"]) == (False, 7)
    assert (info["data_source"], info["confidence"]) == ("ntp", 0.8)
    assert info["seconds_since_ntp"] == pytest.approx(2.0, abs=0.5)
    assert info["last_ntp_sync"] == pytest.approx(time.time() + 1.5 - 2.0, abs=0.5)
    assert info["daemon_uptime"] is info["average_latency_ms"] is info["total_corrections"] is None


def test_what_the_record_lacks_is_asked_of_the_daemon(
    client: ChronoTickClient, record: Record, answering: Callable[..., Path]
):
    answering(
        lambda _: b'{"ok": true, "result": {"daemon_uptime": 12.5, "total_corrections": 9}}\n'
    )
    info = client.get_daemon_info()
    assert (info["daemon_uptime"], info["total_corrections"]) == (12.5, 9)
    assert info["average_latency_ms"] is None


def test_the_daemon_that_was_named_is_asked(
    path: Path, record: Record, answering: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    """Not the default one, which serves another record."""
    socket_path = answering(lambda _: b'{"ok": true, "result": {"daemon_uptime": 3.5}}\n')
    monkeypatch.setenv("CHRONOTICK_CONTROL", str(path.with_name("of-another-daemon.sock")))
    client = ChronoTickClient(path, control=socket_path)
    assert client.get_daemon_info()["daemon_uptime"] == 3.5


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"status": Status.WARMING_UP}, "warming_up"),
        ({"status": Status.UNKNOWN}, "unknown"),
        ({"status": Status.DISRUPTED}, "disrupted"),
        ({"status": Status.HOLDOVER}, "ready"),
        ({"suspended_ns": -(10**10)}, "disrupted"),
        ({"void_after_raw_ns": 1}, "unavailable"),
    ],
)
def test_the_daemons_status_in_a_word(
    client: ChronoTickClient, writer: RecordWriter, change: dict[str, int], status: str
):
    writer.write(replace(good_record(), **change))
    assert client.get_daemon_info()["status"] == status


def test_without_a_record_the_daemon_is_unavailable(client: ChronoTickClient):
    info = client.get_daemon_info()
    assert set(info) == INFO_KEYS
    assert (info["status"], info["data_source"], info["measurement_count"]) == (
        "unavailable",
        "system",
        0,
    )
    assert info["last_ntp_sync"] is info["seconds_since_ntp"] is None
    assert not any(info[key] for key in ("warmup_complete", "ntp_ready", "models_ready"))
    assert info["confidence"] == 0.0


def test_before_the_first_measurement_there_is_no_last_one(
    client: ChronoTickClient, writer: RecordWriter
):
    writer.write(replace(good_record(), measurements=0, flags=Flags(0), last_sync_raw_ns=0))
    info = client.get_daemon_info()
    assert info["last_ntp_sync"] is info["seconds_since_ntp"] is None
    assert info["ntp_ready"] is info["warmup_complete"] is False


def test_a_closed_client_opens_again(client: ChronoTickClient, record: Record):
    client.get_time()
    client.close()
    assert client.get_time().source == "ntp"
