from __future__ import annotations

import errno
import itertools
import os
import stat
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chronotick.shm import clocks
from chronotick.shm import writer as writer_module
from chronotick.shm.errors import RecordError, RecordHeld
from chronotick.shm.layout import BODY, Status
from chronotick.shm.reader import RecordReader
from chronotick.shm.record import MAX_UTC_NS, Record, bound_at, is_void, time_at
from chronotick.shm.testing import good_record, packed_body, raw_bytes
from chronotick.shm.writer import ATTEMPTS, LATE_NS, RecordWriter

HOLD = """
import sys, time
from pathlib import Path
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter
writer = RecordWriter(Path(sys.argv[1]))
writer.write(good_record())
print("ready", flush=True)
time.sleep(60)
"""


def sequence_of(path: Path) -> int:
    return int(struct.unpack_from("@Q", path.read_bytes())[0])


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_the_file_is_readable_by_all_whatever_the_umask(path: Path, umask: int):
    before = os.umask(umask)
    try:
        RecordWriter(path).close()
    finally:
        os.umask(before)
    found = path.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_size) == (0o644, 128)


def test_a_new_file_says_nothing_yet(path: Path, writer: RecordWriter):
    assert writer.last() is None
    assert RecordReader(path).snapshot() == Record()


def test_what_is_written_is_read(path: Path, writer: RecordWriter):
    published = writer.write(good_record())
    assert RecordReader(path).snapshot() == published == writer.last()


def test_the_first_record_is_published_as_it_is(writer: RecordWriter):
    record = good_record()
    assert writer.write(record) == record


def test_the_checksum_and_the_process_are_written(path: Path, writer: RecordWriter):
    writer.write(good_record())
    content = path.read_bytes()
    assert struct.unpack_from("@II", content, 120) == (zlib.crc32(content[BODY]), os.getpid())


def test_a_record_no_reader_would_accept_changes_nothing(path: Path, writer: RecordWriter):
    writer.write(good_record())
    before = path.read_bytes()
    with pytest.raises(ValueError, match="rate"):
        writer.write(replace(good_record(), rate=float("nan")))
    assert path.read_bytes() == before


def test_within_an_epoch_served_time_does_not_step_back(writer: RecordWriter):
    first = writer.write(good_record())
    second = writer.write(replace(first, anchor_utc_ns=first.anchor_utc_ns - 1_000_000))
    raw_ns = second.anchor_raw_ns
    assert time_at(second, raw_ns) == time_at(first, raw_ns)
    assert second.bound_ns == bound_at(first, raw_ns) + 1_000_000


def test_a_new_epoch_may_jump(writer: RecordWriter):
    first = writer.write(good_record())
    jump = replace(first, anchor_utc_ns=first.anchor_utc_ns - 1_000_000, epoch=first.epoch + 1)
    assert writer.write(jump) == jump


@pytest.mark.parametrize("status", [Status.UNKNOWN, Status.DISRUPTED])
def test_after_a_time_without_time_it_may_jump(writer: RecordWriter, status: Status):
    first = writer.write(good_record())
    writer.write(replace(first, status=status))
    jump = replace(first, anchor_utc_ns=first.anchor_utc_ns - 1_000_000)
    assert writer.write(jump) == jump


def test_a_writer_held_up_in_the_middle_continues_from_where_it_woke(
    writer: RecordWriter, monkeypatch: pytest.MonkeyPatch
):
    """Readers go on with the old line meanwhile; the new one must not start below it."""
    first = writer.write(good_record())
    naps = iter([30_000_000, 0])
    store = RecordWriter._store

    def held_up(self: RecordWriter, body: bytes) -> None:
        store(self, body)
        end_ns = clocks.raw_ns() + next(naps, 0)
        while clocks.raw_ns() < end_ns:
            pass

    monkeypatch.setattr(RecordWriter, "_store", held_up)
    monkeypatch.setattr(writer_module, "LATE_NS", 10_000_000)
    asked_ns = clocks.raw_ns()
    second = writer.write(replace(first, rate=first.rate - 500e-6))
    assert second.anchor_raw_ns > asked_ns + 30_000_000
    assert time_at(second, second.anchor_raw_ns) >= time_at(first, second.anchor_raw_ns)


@pytest.fixture
def slow_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Each look at the clock takes so many nanoseconds, as on a slow or overcommitted host."""
    readings = itertools.count(clocks.raw_ns(), 25_000)
    with monkeypatch.context() as patched:
        patched.setattr(clocks, "raw_ns", lambda: next(readings))
        yield 25_000


@pytest.mark.usefixtures("slow_clock")
def test_a_host_too_slow_for_the_deadline_publishes_all_the_same(path: Path, writer: RecordWriter):
    """It once tried for ever, with an odd sequence: every reader was blind."""
    published = writer.write(good_record())
    assert sequence_of(path) % 2 == 0
    assert RecordReader(path).snapshot() == published == writer.last()


@pytest.mark.parametrize(("late_ns", "looks"), [(LATE_NS, 2), (LATE_NS + 1, 3)])
def test_a_record_is_computed_again_only_when_it_is_late(
    writer: RecordWriter, monkeypatch: pytest.MonkeyPatch, late_ns: int, looks: int
):
    first = writer.write(good_record())
    began_ns = first.anchor_raw_ns + 10**9
    shown = itertools.chain([began_ns], itertools.repeat(began_ns + late_ns))
    looked: list[int] = []
    monkeypatch.setattr(clocks, "raw_ns", lambda: looked.append(next(shown)) or looked[-1])
    second = writer.write(replace(first, measurements=9))
    assert second.anchor_raw_ns == looked[-1 if looks > 2 else 0]
    assert len(looked) == looks + (looks > 2)


def test_a_slow_host_continues_from_the_last_attempt(writer: RecordWriter, slow_clock: int):
    first = writer.write(good_record())
    began_ns = clocks.raw_ns()
    second = writer.write(replace(first, rate=first.rate - 500e-6))
    looks = (second.anchor_raw_ns - began_ns) // slow_clock
    assert ATTEMPTS == 3
    assert looks == 5  # one when it is prepared, one when it is stored, but for the last
    assert time_at(second, second.anchor_raw_ns) >= time_at(first, second.anchor_raw_ns)


def test_a_second_attempt_that_fails_leaves_what_readers_had(
    path: Path, writer: RecordWriter, slow_clock: int
):
    """The line runs out of the int64 range between the first attempt and the second."""
    end_ns = clocks.raw_ns()
    first = writer.write(replace(good_record(), anchor_raw_ns=end_ns, anchor_utc_ns=0, rate=0.0))
    before, began_ns = path.read_bytes(), clocks.raw_ns()
    second = replace(
        first, anchor_raw_ns=began_ns, anchor_utc_ns=MAX_UTC_NS - slow_clock, epoch=first.epoch
    )
    with pytest.raises(ValueError, match="anchor_utc_ns"):
        writer.write(second)
    assert path.read_bytes()[8:] == before[8:]
    assert sequence_of(path) % 2 == 0
    assert RecordReader(path).snapshot() == first == writer.last()


def test_an_interrupt_in_the_middle_leaves_what_readers_had(
    path: Path, writer: RecordWriter, monkeypatch: pytest.MonkeyPatch
):
    first = writer.write(good_record())
    with monkeypatch.context() as patched:
        patched.setattr(RecordWriter, "_begin", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            writer.write(replace(first, measurements=8))
    assert sequence_of(path) % 2 == 0
    assert RecordReader(path).snapshot() == first
    assert writer.write(replace(first, measurements=9)).measurements == 9
    assert sequence_of(path) % 2 == 0


def _interrupted(_: RecordWriter) -> None:
    raise KeyboardInterrupt


def test_closing_tells_readers_at_once_and_leaves_the_file(path: Path):
    writer = RecordWriter(path)
    writer.write(good_record())
    reader = RecordReader(path)
    assert not is_void(*reader.read())
    writer.close()
    record, raw_ns = reader.read()
    assert record.status is Status.UNKNOWN
    assert is_void(record, raw_ns)
    assert reader.is_current()
    writer.close()


def test_a_successor_takes_over_file_sequence_and_last_record(path: Path):
    first = RecordWriter(path)
    published = first.write(good_record())
    reader, sequence = RecordReader(path), sequence_of(path)
    first.close()
    second = RecordWriter(path)
    last = second.last()
    assert last is not None
    assert (last.anchor_utc_ns, last.epoch) == (published.anchor_utc_ns, published.epoch)
    assert reader.is_current()
    assert sequence_of(path) > sequence
    assert sequence_of(path) % 2 == 0
    renewed = second.write(good_record())
    assert reader.snapshot() == renewed
    second.close()


def test_a_sequence_left_odd_by_a_dead_writer_is_repaired(path: Path):
    RecordWriter(path).close()
    content = bytearray(path.read_bytes())
    content[:8] = struct.pack("@Q", 1001)
    content[40] ^= 0xFF  # it died in the middle: the body does not fit its checksum
    path.write_bytes(content)
    writer = RecordWriter(path)
    assert writer.last() is None
    assert sequence_of(path) == 1004
    assert RecordReader(path).snapshot() == Record()
    writer.close()


def test_an_odd_sequence_over_a_whole_record_keeps_the_record(path: Path):
    writer = RecordWriter(path)
    published = writer.write(good_record())
    content = path.read_bytes()
    writer.close()
    path.write_bytes(struct.pack("@Q", 77) + content[8:])
    writer = RecordWriter(path)
    assert writer.last() == published
    writer.close()


def test_a_sequence_at_its_end_starts_over(path: Path):
    path.write_bytes(raw_bytes(packed_body(), sequence=2**64 - 2))
    writer = RecordWriter(path)
    published = writer.write(good_record())
    assert sequence_of(path) % 2 == 0
    assert RecordReader(path).snapshot() == published
    writer.close()


@pytest.mark.parametrize(
    ("number", "exists", "reason"),
    [
        (errno.EACCES, True, "not writable for its owner"),
        (errno.EPERM, True, "not writable for its owner"),
        (errno.EACCES, False, "is not writable for user"),
        (errno.EROFS, True, "is not writable for user"),
        (errno.ENOTDIR, False, "does not exist"),
        (errno.EIO, True, r"cannot be opened \(Input/output error\)"),
        (errno.EIO, False, r"cannot be opened \(Input/output error\)"),
    ],
)
def test_why_a_file_cannot_be_opened_is_said(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int, exists: bool, reason: str
):
    """Root can open nearly anything."""
    if exists:
        path.touch()

    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(RecordError, match=reason):
        RecordWriter(path)


@pytest.mark.parametrize("sequence", [4, 5])
def test_the_sequence_is_odd_while_a_record_is_stored(
    path: Path, monkeypatch: pytest.MonkeyPatch, sequence: int
):
    store, seen = RecordWriter._store, []

    def look(writer: RecordWriter, body: bytes) -> None:
        seen.append(sequence_of(path) % 2)
        store(writer, body)
        seen.append(sequence_of(path) % 2)

    monkeypatch.setattr(RecordWriter, "_store", look)
    path.write_bytes(raw_bytes(packed_body(), sequence=sequence))
    writer = RecordWriter(path)
    writer.write(good_record())
    writer.renew(10**9)
    writer.close()
    assert len(seen) >= 8
    assert all(seen)


@pytest.mark.parametrize("sequence", [0, 2**62, 2**63 - 2, 2**63])
def test_a_publication_advances_the_sequence_by_two(path: Path, sequence: int):
    path.write_bytes(raw_bytes(packed_body(), sequence=sequence))
    writer = RecordWriter(path)
    assert sequence_of(path) == sequence + 2
    writer.write(good_record())
    assert sequence_of(path) == sequence + 4
    writer.renew(10**9)
    assert sequence_of(path) == sequence + 6
    writer.close()


def test_a_second_daemon_is_told_who_holds_the_record(path: Path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"ready\n"
            before = path.read_bytes()
            with pytest.raises(
                RecordHeld, match=r"held by process \d+; stop it or .*--shm/CHRON"
            ) as caught:
                RecordWriter(path)
            assert (caught.value.pid, caught.value.path) == (holder.pid, path)
            assert path.read_bytes() == before
        finally:
            holder.kill()
    successor = RecordWriter(path)  # a killed holder holds nothing
    assert successor.last() is not None
    successor.close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x" * 127, "127 bytes, a record has 128"),
        (b"x" * 4096, "4096 bytes"),
        (bytes(64), "64 bytes"),
        (b"precious" * 16, "not a ChronoTick record; choose another path"),
        (bytes(116) + b"CTK\x00" + bytes(8), "layout version 0, this program has version 1"),
        (bytes(116) + b"CTK\x02" + bytes(8), "layout version 2, this program has version 1"),
    ],
)
def test_a_file_that_is_not_ours_is_refused_and_left_alone(
    path: Path, content: bytes, message: str
):
    path.write_bytes(content)
    with pytest.raises(RecordError, match=message):
        RecordWriter(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("content", "advised"),
    [
        (b"precious" * 16, False),
        (b"root:x:0:0:root:/root:/bin/sh\n" * 9, False),
        (bytes(4096), False),
        (bytes(116) + b"CTK\x02" + bytes(8), True),
    ],
)
def test_only_a_record_of_ours_may_be_removed(path: Path, content: bytes, advised: bool):
    """``chronotick run --shm /etc/passwd`` once answered: rm /etc/passwd."""
    path.write_bytes(content)
    with pytest.raises(RecordError, match="choose another path with --shm") as caught:
        RecordWriter(path)
    assert (f"rm {path}" in str(caught.value)) is advised


@pytest.mark.parametrize("content", [b"", bytes(128)])
def test_an_empty_or_zero_file_is_taken(path: Path, content: bytes):
    path.write_bytes(content)
    writer = RecordWriter(path)
    assert writer.last() is None
    writer.close()


def test_a_symbolic_link_is_refused(path: Path, tmp_path: Path):
    target = tmp_path / "target"
    path.symlink_to(target)
    with pytest.raises(RecordError, match="symbolic link") as caught:
        RecordWriter(path)
    assert "rm " not in str(caught.value)
    assert not target.exists()


def test_what_is_no_regular_file_is_refused(path: Path, tmp_path: Path):
    os.mkfifo(path)
    with pytest.raises(RecordError, match="not a regular file"):
        RecordWriter(path)
    with pytest.raises(RecordError, match="a directory"):
        RecordWriter(tmp_path)


def test_a_missing_directory_is_named(tmp_path: Path):
    with pytest.raises(RecordError, match=r"directory .*/nowhere does not exist; create it or"):
        RecordWriter(tmp_path / "nowhere" / "record")


def test_a_directory_that_cannot_be_written_is_named():
    with pytest.raises(RecordError, match=r"/sys.*CHRONOTICK_SHM"):
        RecordWriter(Path("/sys/chronotick_record"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_refused(path: Path):
    path.write_bytes(bytes(128))
    os.chown(path, 12345, -1)
    with pytest.raises(RecordError, match="belongs to user 12345") as caught:
        RecordWriter(path)
    assert "remove" not in str(caught.value)


def test_a_removed_file_is_made_anew_and_old_readers_are_told(path: Path, writer: RecordWriter):
    """Logind removes files in /dev/shm when a user logs out (RemoveIPC)."""
    published = writer.write(good_record())
    assert not writer.ensure_in_place()
    reader, sequence = RecordReader(path), sequence_of(path)
    path.unlink()
    assert writer.ensure_in_place()
    assert is_void(*reader.read())
    assert not reader.is_current()
    assert sequence_of(path) > sequence
    assert RecordReader(path).snapshot() == published
    assert not writer.ensure_in_place()


@pytest.mark.parametrize("size", [64, 127, 4096])
def test_a_file_that_was_cut_off_or_grew_is_made_whole(path: Path, size: int):
    """Readers that had it mapped went on; a new one, and the next writer, refused it for ever."""
    writer = RecordWriter(path)
    published = writer.write(good_record())
    os.truncate(path, size)
    assert not writer.ensure_in_place()
    assert path.stat().st_size == 128
    writer.renew(5 * 10**9)
    renewed = RecordReader(path).snapshot()
    assert replace(renewed, void_after_raw_ns=published.void_after_raw_ns) == published
    os.truncate(path, size)
    writer.close()
    RecordWriter(path).close()


def test_a_file_put_in_place_of_ours_by_a_stranger_is_reported(path: Path):
    writer = RecordWriter(path)
    writer.write(good_record())
    path.unlink()
    path.write_bytes(b"precious")
    with pytest.raises(RecordError, match="8 bytes"):
        writer.ensure_in_place()
    assert path.read_bytes() == b"precious"
    writer.close()


def test_renewing_extends_the_validity_and_changes_nothing_else(path: Path, writer: RecordWriter):
    with pytest.raises(ValueError, match="write one first"):
        writer.renew(1)
    written = writer.write(good_record())
    before = clocks.raw_ns()
    writer.renew(5 * 10**9)
    renewed = RecordReader(path).snapshot()
    assert before <= renewed.void_after_raw_ns - 5 * 10**9 <= clocks.raw_ns()
    assert replace(renewed, void_after_raw_ns=written.void_after_raw_ns) == written
