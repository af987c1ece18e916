"""The time as one flat value."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.client import ClockUnsynchronised, DaemonUnavailable
from chronotick.client.control import ControlError
from chronotick.shm.clocks import raw_ns, suspended_ns, system_minus_raw_ns
from chronotick.shm.layout import Flags, Source, Status
from chronotick.shm.record import Record
from chronotick.shm.writer import RecordWriter
from chronotick.views import Snapshot, TimeReading, iso8601
from chronotick.views.reading import reading_of


def record(**changes: object) -> Record:
    now_ns = raw_ns()
    values = {
        "anchor_raw_ns": now_ns,
        "anchor_utc_ns": now_ns + system_minus_raw_ns() - 5_000_000,
        "bound_ns": 2000,
        "bound_rate": 15e-6,
        "sigma_ns": 100,
        "sigma_rate": 1e-8,
        "void_after_raw_ns": now_ns + 60 * 10**9,
        "status": Status.SYNCHRONISED,
        "flags": Flags.VALID | Flags.LEAP_INSERT,
        "suspended_ns": suspended_ns(),
        "last_sync_raw_ns": now_ns - 3 * 10**9,
        "measurements": 12,
        "confidence": 0.5,
        "source": Source.FUSION,
    }
    return Record(**{**values, **changes})


def test_it_says_what_the_record_says():
    served = record()
    told = reading_of(served, served.anchor_raw_ns)
    assert told.time_ns == served.anchor_utc_ns
    assert (told.earliest_ns, told.latest_ns) == (told.time_ns - 2000, told.time_ns + 2000)
    assert (told.bound_ns, told.sigma_ns) == (2000, 100)
    assert (told.status, told.reliable, told.source) == ("synchronised", True, "fusion")
    assert (told.leap, told.measurements, told.measured_ago_s) == ("insert", 12, 3.0)
    assert told.system_minus_time_ns == pytest.approx(5_000_000, abs=50_000)


def test_the_future_has_a_wider_bound_and_the_same_system_offset():
    served = record(rate=1e-5)
    now = reading_of(served, served.anchor_raw_ns)
    then = reading_of(served, served.anchor_raw_ns, ahead_ns=100 * 10**9)
    assert then.time_ns == now.time_ns + 100 * 10**9 + 1_000_000
    assert then.bound_ns == now.bound_ns + math.ceil(100e9 * 15e-6)
    assert then.sigma_ns == now.sigma_ns + 1000
    assert then.system_minus_time_ns == pytest.approx(now.system_minus_time_ns, abs=50_000)


@pytest.mark.parametrize(
    ("changes", "status", "reliable"),
    [
        ({"status": Status.HOLDOVER}, "holdover", True),
        ({"status": Status.WARMING_UP}, "warming-up", False),
        ({"suspended_ns": -(10**10)}, "disrupted", False),
    ],
)
def test_what_is_not_vouched_for_is_not_reliable(changes, status: str, reliable: bool):
    served = record(**changes)
    told = reading_of(served, served.anchor_raw_ns)
    assert (told.status, told.reliable) == (status, reliable)


@given(st.integers(min_value=0, max_value=4_102_444_800 * 10**9))
def test_iso_8601_keeps_every_nanosecond(unix_ns: int):
    from datetime import datetime

    text = iso8601(unix_ns)
    at = datetime.fromisoformat(f"{text[:26]}{text[29:]}")  # datetime has microseconds only
    assert round(at.timestamp()) in {unix_ns // 10**9, unix_ns // 10**9 + 1}
    assert text[20:29] == f"{unix_ns % 10**9:09d}"
    assert text.endswith("+00:00")


def test_every_field_is_described():
    for name, schema in TimeReading.model_json_schema()["properties"].items():
        assert schema.get("description"), name


def test_the_snapshot_reads_the_record_and_says_what_is_missing(tmp_path: Path):
    snapshot = Snapshot(tmp_path / "record", tmp_path / "control.sock")
    with pytest.raises(DaemonUnavailable, match="chronotick run"):
        snapshot.time()
    with pytest.raises(DaemonUnavailable, match="chronotick run"):
        snapshot.status()
    writer = RecordWriter(tmp_path / "record")
    try:
        writer.write(record(status=Status.UNKNOWN))
        with pytest.raises(ClockUnsynchronised):
            snapshot.time()
        writer.write(record())
        assert snapshot.time().source == "fusion"
    finally:
        writer.close()


async def test_the_daemon_is_asked_once_for_all_viewers(tmp_path: Path):
    import asyncio

    from chronotick.daemon.control import ControlServer

    asked = []
    server = ControlServer(tmp_path / "c.sock", {"status": lambda: asked.append(1) or {"n": 1}})
    await server.start()
    try:
        snapshot = Snapshot(tmp_path / "record", tmp_path / "c.sock", max_age_s=60)
        answers = await asyncio.gather(*(asyncio.to_thread(snapshot.status) for _ in range(20)))
        assert answers == [{"n": 1}] * 20
        assert len(asked) == 1
        with pytest.raises(ControlError, match="unknown method"):
            await asyncio.to_thread(snapshot.models)
    finally:
        await server.close()


def test_a_silence_that_is_told_again_does_not_grow(tmp_path: Path):
    """One exception was raised again and again, and each raise lengthened its traceback."""
    snapshot = Snapshot(tmp_path / "record", tmp_path / "control.sock", max_age_s=60)
    lengths = []
    for _ in range(5):
        with pytest.raises(DaemonUnavailable) as caught:
            snapshot.status()
        lengths.append(len(caught.traceback))
    assert len(set(lengths[1:])) == 1
