"""Where the fast reader has no answer: fall back, warn, raise, find a new file."""

from __future__ import annotations

import gc
import os
import struct
import subprocess
import sys
import time
import warnings
import weakref
from dataclasses import replace
from pathlib import Path

import pytest

from chronotick.client.errors import ClockUnsynchronised, DaemonUnavailable, SystemTimeWarning
from chronotick.client.served import ServedClock, _is_running
from chronotick.shm import clocks
from chronotick.shm.layout import Status
from chronotick.shm.now import Now
from chronotick.shm.record import Record, time_at
from chronotick.shm.testing import good_record, packed_body, raw_bytes
from chronotick.shm.writer import RecordWriter

TOO_EARLY = replace(good_record(), anchor_raw_ns=2**62, void_after_raw_ns=2**62 + 1)


def assert_served(clock: ServedClock, record: Record) -> None:
    before = time_at(record, clocks.raw_ns())
    for served in (clock.time_ns(), clock.now().estimate_ns, round(clock.time() * 1e9)):
        assert before - 200 <= served <= time_at(record, clocks.raw_ns()) + 200


def test_the_record_is_opened_at_the_first_read(clock: ServedClock, writer: RecordWriter):
    assert_served(clock, writer.write(good_record()))


def test_without_a_daemon_it_is_system_time_and_one_warning(clock: ServedClock):
    with pytest.warns(SystemTimeWarning, match=r"no such file; .*; run: chronotick run") as caught:
        first = clock.time()
    assert (len(caught), caught[0].filename) == (1, __file__)
    assert abs(first - time.time()) < 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert first <= clock.time()
        assert abs(clock.time_ns() - time.time_ns()) < 10**9


def test_a_daemon_that_comes_later_is_found_and_its_end_is_warned_of(
    clock: ServedClock, path: Path
):
    """No fall-back nobody is told of: the first warning must not silence the second."""
    with pytest.warns(SystemTimeWarning, match="no such file"):
        clock.time()
    writer = RecordWriter(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_served(clock, writer.write(good_record()))
    writer.close()
    with pytest.warns(SystemTimeWarning, match=r"the daemon \(process \d+\) has stopped"):
        clock.time()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clock.time()


def test_now_without_a_daemon_raises_and_names_the_file(clock: ServedClock, path: Path):
    with pytest.raises(DaemonUnavailable, match="run: chronotick run") as caught:
        clock.now()
    assert (caught.value.path, caught.value.pid) == (path, None)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            replace(good_record(), void_after_raw_ns=5),
            r"published last \d+\.\d s ago: it died or hangs",
        ),
        (replace(good_record(), status=Status.UNKNOWN, void_after_raw_ns=5), r"has stopped"),
        (TOO_EARLY, "from before the last boot"),
        (Record(), "has not published any time yet"),
    ],
)
def test_a_record_without_a_living_daemon_says_what_is_wrong(
    clock: ServedClock, writer: RecordWriter, record: Record, message: str
):
    writer.write(record)
    with pytest.raises(DaemonUnavailable, match=message) as caught:
        clock.now()
    assert caught.value.pid is not None
    assert not clock.serves()
    assert not clock.is_alive()


def test_a_daemon_that_died_just_now_published_last_no_time_ago(
    clock: ServedClock, writer: RecordWriter, monkeypatch: pytest.MonkeyPatch
):
    good = good_record()
    writer.write(replace(good, void_after_raw_ns=good.anchor_raw_ns - 1))
    monkeypatch.setattr(clocks, "raw_ns", lambda: good.anchor_raw_ns)
    with pytest.raises(DaemonUnavailable, match=r"published last 0\.0 s ago"):
        clock.read()


START_AND_FAIL = """
import sys
from pathlib import Path
from chronotick.shm.writer import RecordWriter
RecordWriter(Path(sys.argv[1]))
sys.exit(1)
"""


def test_a_daemon_that_failed_to_start_is_not_waited_for(clock: ServedClock, path: Path):
    with subprocess.Popen([sys.executable, "-c", START_AND_FAIL, str(path)]) as daemon:
        assert daemon.wait() == 1
    with pytest.raises(DaemonUnavailable, match="has ended without ever publishing") as caught:
        clock.now()
    assert caught.value.pid == daemon.pid
    assert f"process {daemon.pid} " in str(caught.value)


@pytest.mark.parametrize("pid", [0, 2**32 - 1])
def test_a_process_that_cannot_be_is_none(clock: ServedClock, path: Path, pid: int):
    """Signal 0 to process 0 reaches our own group, and 2**32 - 1 is no argument at all."""
    body = packed_body(void_after_raw_ns=-1)
    path.write_bytes(raw_bytes(body)[:124] + struct.pack("@I", pid))
    with pytest.raises(DaemonUnavailable, match="has ended without"):
        clock.now()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_users_process_counts_as_running():
    code = (
        "import os, sys; from chronotick.client.served import _is_running;"
        "os.setuid(12345); print(_is_running(int(sys.argv[1])))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(os.getpid())], capture_output=True, text=True, check=True
    )
    assert run.stdout == "True\n"


def test_a_process_that_may_not_be_asked_is_running(monkeypatch: pytest.MonkeyPatch):
    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError

    assert _is_running(1)
    monkeypatch.setattr(os, "kill", refuse)
    assert _is_running(17)


@pytest.mark.parametrize(
    ("status", "message"),
    [(Status.UNKNOWN, "no measurement yet"), (Status.DISRUPTED, "disrupted")],
)
def test_a_living_daemon_without_time_is_another_case(
    clock: ServedClock, writer: RecordWriter, status: Status, message: str
):
    writer.write(replace(good_record(), status=status))
    with pytest.raises(ClockUnsynchronised, match=message) as caught:
        clock.now()
    assert caught.value.status is status
    assert clock.is_alive()
    assert not clock.serves()
    with pytest.warns(SystemTimeWarning, match=message):
        assert abs(clock.time() - time.time()) < 1


def test_while_it_warms_up_there_is_time_but_no_promise(clock: ServedClock, writer: RecordWriter):
    record = writer.write(replace(good_record(), status=Status.WARMING_UP))
    assert clock.time_ns() >= record.anchor_utc_ns
    with pytest.raises(ClockUnsynchronised, match="warming up") as caught:
        clock.now()
    assert caught.value.status is Status.WARMING_UP
    now = clock.now(allow_unsynchronised=True)
    assert now.status is Status.WARMING_UP
    assert 0 < now.latest_ns - now.earliest_ns < 10**9


def test_a_suspend_disrupts_now_until_the_next_publication(
    clock: ServedClock, writer: RecordWriter
):
    record = good_record()
    writer.write(replace(record, suspended_ns=record.suspended_ns - 10**9))
    with pytest.raises(ClockUnsynchronised, match="suspended") as caught:
        clock.now()
    assert caught.value.status is Status.DISRUPTED
    assert clock.now(allow_unsynchronised=True).status is Status.DISRUPTED
    writer.write(record)
    assert clock.now().status is Status.SYNCHRONISED


@pytest.mark.parametrize("status", [None, Status.UNKNOWN, Status.DISRUPTED])
def test_allowed_it_answers_in_every_case_without_pretending(
    clock: ServedClock, path: Path, status: Status | None
):
    if status is not None:
        RecordWriter(path).write(replace(good_record(), status=status))
    now = clock.now(allow_unsynchronised=True)
    assert type(now) is Now
    assert now.status is (status or Status.UNKNOWN)
    assert (now.earliest_ns, now.latest_ns) == (-(2**63) + 1, 2**63 - 1), "the ends of int64"
    assert now.sigma_ns == now.latest_ns
    assert abs(now.estimate - time.time()) < 1


def test_allowed_with_a_good_record_it_is_the_same_as_always(
    clock: ServedClock, writer: RecordWriter
):
    writer.write(good_record())
    strict, allowed = clock.now(), clock.now(allow_unsynchronised=True)
    assert allowed.status is strict.status
    assert 0 <= allowed.estimate_ns - strict.estimate_ns < 10**9
    assert allowed.sigma_ns - strict.sigma_ns < 1000


def test_a_file_removed_and_made_anew_is_found_when_the_old_one_ends(
    clock: ServedClock, path: Path
):
    first = RecordWriter(path)
    first.write(replace(good_record(), void_after_raw_ns=clocks.raw_ns() + 50_000_000))
    clock.time()
    path.unlink()
    second = RecordWriter(path)
    record = second.write(replace(good_record(), anchor_utc_ns=4 * 10**18))
    while clock.time_ns() < record.anchor_utc_ns:
        time.sleep(0.01)
    assert_served(clock, record)
    first.close()
    second.close()


def test_a_file_removed_is_missed_when_the_record_ends(clock: ServedClock, path: Path):
    writer = RecordWriter(path)
    writer.write(good_record())
    clock.time()
    path.unlink()
    writer.close()
    with pytest.raises(DaemonUnavailable, match="no such file"):
        clock.now()


def test_a_restarted_daemon_is_followed_in_the_same_file(clock: ServedClock, path: Path):
    first = RecordWriter(path)
    assert_served(clock, first.write(good_record()))
    first.close()
    second = RecordWriter(path)
    assert_served(clock, second.write(replace(good_record(), epoch=8)))
    second.close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x" * 64, "64 bytes"),
        (b"x" * 128, "not a ChronoTick record"),
        (raw_bytes(packed_body(magic=0x7E4B5443)), "layout version 126"),
        (raw_bytes(packed_body(), sequence=3), "died while it wrote the first record"),
        (bytes(128), "nothing written yet"),
        (bytes(64), "64 bytes, a record has 128"),
    ],
)
def test_a_file_that_is_no_record_is_no_daemon(
    clock: ServedClock, path: Path, content: bytes, message: str
):
    path.write_bytes(content)
    with pytest.raises(DaemonUnavailable, match=message):
        clock.now()
    with pytest.warns(SystemTimeWarning, match=message):
        clock.time()


def test_a_writer_that_dies_in_the_middle_is_outlived(
    clock: ServedClock, path: Path, writer: RecordWriter
):
    record = writer.write(replace(good_record(), void_after_raw_ns=clocks.raw_ns() + 300_000_000))
    clock.time()
    sequence = struct.unpack_from("@Q", path.read_bytes())[0]
    with path.open("r+b") as file:
        file.write(struct.pack("@Q", sequence + 1))
    assert_served(clock, record)
    time.sleep(0.3)
    with pytest.raises(DaemonUnavailable):
        clock.now()


def test_the_path_is_decided_at_the_first_read(
    path: Path, pure: bool, writer: RecordWriter, monkeypatch: pytest.MonkeyPatch
):
    clock = ServedClock(pure=pure)
    monkeypatch.setenv("CHRONOTICK_SHM", str(path))
    assert_served(clock, writer.write(good_record()))


def test_a_clock_that_is_dropped_is_collected(clock: ServedClock, writer: RecordWriter, path: Path):
    writer.write(good_record())
    dropped = ServedClock(path)
    dropped.time()
    reference = weakref.ref(dropped)
    del dropped
    gc.collect()
    assert reference() is None
