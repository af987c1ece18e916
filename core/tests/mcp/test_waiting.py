from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from chronotick.client.errors import ClockUnsynchronised, DaemonUnavailable
from chronotick.mcp.moments import Moment, MomentError, moment_of
from chronotick.mcp.waiting import Waited, wait
from chronotick.shm.layout import Status
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter
from chronotick.views import Snapshot


async def silent(_waited_s: float, _total_s: float) -> None:
    return


async def waited(
    snapshot: Snapshot,
    ahead_ns: int = 0,
    *,
    certain: bool = True,
    longest_s: float = 20.0,
    tolerance_s: float | None = None,
) -> Waited:
    target_ns = snapshot.time().time_ns + ahead_ns
    return await wait(
        snapshot,
        Moment(target_ns, target_ns),
        silent,
        certain=certain,
        longest_s=longest_s,
        tolerance_s=tolerance_s,
        step_s=0.02,
    )


async def test_it_returns_when_true_time_is_certainly_past(snapshot: Snapshot):
    told = await waited(snapshot, 20_000_000)
    assert told.passed_least_ns > 0
    assert told.time.earliest_ns > told.target_ns
    assert told.waited_seconds > 0.015


async def test_the_estimate_is_past_before_that_is_certain(
    snapshot: Snapshot, writer: RecordWriter
):
    writer.write(replace(good_record(), bound_ns=10**15))
    told = await waited(snapshot, 1_000_000, certain=False)
    assert told.time.time_ns > told.target_ns
    assert told.passed_least_ns < 0


async def test_waiting_for_now_waits_its_uncertainty_out(snapshot: Snapshot, writer: RecordWriter):
    writer.write(replace(good_record(), bound_ns=20_000_000))
    now = snapshot.time()
    told = await wait(snapshot, moment_of(now), silent, certain=True, longest_s=20.0)
    assert told.time.earliest_ns > now.latest_ns
    assert told.time.time_ns - now.time_ns > 40_000_000


async def test_what_has_passed_needs_no_wait(snapshot: Snapshot):
    told = await waited(snapshot, -60_000_000_000)
    assert told.passed_least_ns > 59_000_000_000


async def test_what_passed_too_long_ago_is_refused(snapshot: Snapshot):
    with pytest.raises(
        MomentError, match=r"passed at least \d\.\d+ s ago, and tolerance_seconds is 2"
    ):
        await waited(snapshot, -5_000_000_000, tolerance_s=2.0)
    assert await waited(snapshot, -5_000_000_000, tolerance_s=6.0)


async def test_a_moment_too_far_ahead_ends_with_what_to_do(snapshot: Snapshot):
    with pytest.raises(MomentError, match="call wait_until again"):
        await waited(snapshot, 60_000_000_000, longest_s=0.02)
    with pytest.raises(MomentError, match="after 0 s"):
        await waited(snapshot, 60_000_000_000, longest_s=0.0)


async def test_a_correction_of_the_clock_changes_the_wait(snapshot: Snapshot, writer: RecordWriter):
    waiting = asyncio.create_task(waited(snapshot, 3_600_000_000_000))
    await asyncio.sleep(0.05)
    record = good_record()
    writer.write(replace(record, anchor_utc_ns=record.anchor_utc_ns + 3_700_000_000_000, epoch=4))
    assert (await waiting).time.epoch == 4


async def test_the_end_of_the_daemon_ends_the_wait(snapshot: Snapshot, writer: RecordWriter):
    waiting = asyncio.create_task(waited(snapshot, 60_000_000_000))
    await asyncio.sleep(0.05)
    writer.write(replace(good_record(), status=Status.UNKNOWN, void_after_raw_ns=0))
    with pytest.raises(DaemonUnavailable):
        await waiting


async def test_nobody_waits_by_a_clock_that_is_not_vouched_for(
    snapshot: Snapshot, writer: RecordWriter
):
    writer.write(replace(good_record(), status=Status.WARMING_UP))
    with pytest.raises(ClockUnsynchronised, match="warming-up"):
        await waited(snapshot, 1)


async def test_progress_is_told(snapshot: Snapshot):
    notes: list[tuple[float, float]] = []

    async def note(waited_s: float, total_s: float) -> None:
        notes.append((waited_s, total_s))

    at_ns = snapshot.time().time_ns + 30_000_000
    await wait(snapshot, Moment(at_ns, at_ns), note, certain=True, longest_s=20.0)
    assert notes
    assert all(waited_s < total_s for waited_s, total_s in notes)
