"""A daemon that is kept running: when nobody publishes, and what is injected into it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

from chronotick.lab.faults.campaign import Campaign, Schedule
from chronotick.lab.faults.kinds import KINDS, Fault, Kind, NotNowError
from chronotick.lab.faults.publications import KEPT, Publications
from chronotick.lab.faults.readers import Readers
from chronotick.lab.faults.rig import DaemonReport, Rig
from chronotick.lab.faults.service import Service
from chronotick.lab.faults.system_clock import SteppedClock
from chronotick.shm.clocks import raw_ns
from chronotick.shm.record import pack
from chronotick.shm.testing import good_record, raw_bytes
from chronotick.shm.writer import RecordWriter

VALIDITY_S = 60.0
PUBLISHER = """
import sys, time
from pathlib import Path
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter
record, go = map(Path, sys.argv[1:])
while not go.exists():
    time.sleep(0.01)
writer = RecordWriter(record)
while True:
    writer.write(good_record())
    time.sleep(0.01)
"""
"""Publishes as soon as it may."""


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "record"


@pytest.fixture
def publications(record: Path) -> Iterator[Publications]:
    made = Publications(record, round(VALIDITY_S * 1e9))
    yield made
    made.close()


def sees(publications: Publications, since_ns: int) -> bool:
    publications.look()
    return publications.any_since(since_ns)


def test_a_publication_is_seen_and_an_older_one_noise_or_no_file_is_none(
    record: Path, publications: Publications
):
    before_ns = raw_ns()
    assert not sees(publications, before_ns)
    record.write_bytes(raw_bytes(pack(good_record()), crc=1))
    assert not sees(publications, before_ns)
    record.write_bytes(raw_bytes(pack(good_record())))
    assert sees(publications, before_ns)
    assert not sees(publications, raw_ns())
    record.write_bytes(b"")
    assert not sees(publications, before_ns)


def test_a_publication_into_a_file_that_readers_may_still_have_is_seen(
    record: Path, publications: Publications
):
    writer = RecordWriter(record)
    writer.write(good_record())
    publications.look()
    record.with_name("copy").write_bytes(record.read_bytes())
    record.with_name("copy").replace(record)
    since_ns = raw_ns()
    assert not sees(publications, since_ns)
    writer.write(good_record())
    assert sees(publications, since_ns)
    writer.close()


def test_few_files_are_kept_open(record: Path, publications: Publications):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(3 * KEPT):
        other = record.with_name(f"record{number}")
        other.write_bytes(b"")
        other.replace(record)
        publications.look()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + KEPT


def until(service: Service, condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline_s
        service.look()
        time.sleep(0.01)


def test_a_silence_ends_when_the_next_process_publishes_not_when_it_starts(
    tmp_path: Path, record: Path, publications: Publications
):
    go = tmp_path / "go"
    line = [sys.executable, "-c", PUBLISHER, str(record), str(go)]
    service = Service(line, os.environ, tmp_path, publications, print, restart_s=0.0)
    go.touch()
    service.start()
    until(service, lambda: len(service.silences) == 1)
    go.unlink()
    killed_ns = raw_ns()
    service.signal(signal.SIGKILL)
    until(service, lambda: service.starts == 2)
    started_ns = raw_ns()
    until(service, lambda: raw_ns() > started_ns + 300_000_000)
    assert len(service.silences) == 1
    went_ns = raw_ns()
    go.touch()
    until(service, lambda: len(service.silences) == 2)
    (began_ns, ended_ns), published_ns = service.silences[1], raw_ns()
    assert killed_ns < began_ns < started_ns
    assert went_ns - 200_000_000 < ended_ns < published_ns
    assert service.close() == []


def test_a_silence_that_goes_on_at_the_end_counts(tmp_path: Path, publications: Publications):
    service = Service(["true"], os.environ, tmp_path, publications, print)
    service.look()
    service.close()
    assert len(service.silences) == 1


def rig_in(directory: Path, **parts: object) -> Rig:
    """A rig in which no daemon runs, and that has only these parts."""
    nobody = SimpleNamespace(
        pid=None, failed_in_a_row=0, look=lambda: None, note_descendants=lambda: None
    )
    missing = dict.fromkeys(("disk", "servers", "poller", "system_clock"))
    told = {"service": nobody, "history": directory / "history", "memory_hog": ""}
    return Rig(directory=directory, **(missing | told | parts))


def lied_to(directory: Path, reason: str) -> Rig:
    source = {"id": "127.0.0.1:1", "name": "127.0.0.1:1", "reason": reason}
    return rig_in(
        directory,
        servers=SimpleNamespace(falseticker=SimpleNamespace(address="127.0.0.1:1")),
        poller=SimpleNamespace(latest=DaemonReport(at_s=time.monotonic() + 60, sources=[source])),
    )


@pytest.mark.parametrize(("reason", "is_found"), [("x", True), ("+", False), ("?", False)])
def test_a_lie_lasts_until_the_daemon_has_found_it_out_and_is_not_recovered_from_if_it_has_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str, is_found: bool
):
    ended: list[float] = []

    def inject(rig: Rig, _random: Random) -> Fault:
        return Fault(noticed=lambda: rig.falseticker_is_found, undo=lambda: ended.append(1.0))

    monkeypatch.setattr("chronotick.lab.faults.campaign.KINDS", {"lie": Kind(inject, "servers")})
    schedule = Schedule(hold_s=(0.0, 0.0), pause_s=0.01, patience_s=0.5, notice_s=0.3)
    campaign = Campaign(lied_to(tmp_path, reason), Readers([], print), Random(1), schedule, print)
    campaign.run(["lie"], 0.0)
    campaign.watch(0.2)
    assert len(ended) == 1
    assert campaign.injections[0].unnoticed is not is_found
    assert campaign.injections[0].recovery_s is None


@pytest.mark.parametrize("kind", ["a server lies", "a server comes back wrong"])
def test_no_lie_begins_while_the_one_before_is_remembered(tmp_path: Path, kind: str):
    with pytest.raises(NotNowError, match="not believed again"):
        KINDS[kind].inject(lied_to(tmp_path, "x"), Random(1))


def test_a_removed_history_is_recovered_from_only_when_it_is_written_again(tmp_path: Path):
    (tmp_path / "history").touch()
    assert KINDS["history removed"].inject(rig_in(tmp_path), Random(1)).history


def test_when_the_record_is_free_again_nobody_has_to_help(tmp_path: Path):
    service = SimpleNamespace(failed_in_a_row=0, start=lambda: None)
    (tmp_path / "record").touch()
    fault = KINDS["record in the way"].inject(rig_in(tmp_path, service=service), Random(1))
    service.failed_in_a_row = 3
    fault.undo()
    assert service.failed_in_a_row == 0
    assert not (tmp_path / "record").exists()


def test_half_of_the_steps_of_the_system_clock_are_told(tmp_path: Path):
    clock = SteppedClock(tmp_path / "library", tmp_path / "page")
    rig = rig_in(tmp_path, system_clock=clock)
    faults = [KINDS["system clock stepped"].inject(rig, Random(seed)) for seed in range(40)]
    told = sum("the kernel tells" in fault.detail for fault in faults)
    listening = os.open(tmp_path / "page.set", os.O_RDONLY | os.O_NONBLOCK)
    assert len(os.read(listening, 100)) == told
    assert 10 < told < 30
    os.close(listening)
    clock.close()
