"""The reader in pure Python and its companions: what is refused, and what a dead writer leaves."""

from __future__ import annotations

import os
import struct
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from chronotick.shm import clocks
from chronotick.shm import reader as reader_module
from chronotick.shm.errors import RecordError, RecordMissing
from chronotick.shm.reader import RecordReader
from chronotick.shm.record import is_void
from chronotick.shm.testing import good_record, packed_body, raw_bytes
from chronotick.shm.writer import RecordWriter


def set_sequence(path: Path, sequence: int) -> None:
    with path.open("r+b") as file:
        file.write(struct.pack("@Q", sequence))


def sequence_of(path: Path) -> int:
    return int(struct.unpack_from("@Q", path.read_bytes())[0])


def test_a_missing_record_says_what_to_run(path: Path):
    with pytest.raises(
        RecordMissing, match="no such file; no daemon serves it; run: chronotick run"
    ):
        RecordReader(path)


@pytest.mark.parametrize("content", [b"", bytes(128)])
def test_a_record_that_nobody_has_written_counts_as_missing(path: Path, content: bytes):
    path.write_bytes(content)
    with pytest.raises(RecordMissing, match="nothing written yet"):
        RecordReader(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x" * 127, "127 bytes, a record has 128"),
        (b"x" * 129, "129 bytes"),
        (bytes(64), "64 bytes, a record has 128"),
        (bytes(4096), "4096 bytes"),
        (b"precious" * 16, "not a ChronoTick record"),
        (bytes(116) + b"CTK\x09" + bytes(8), "layout version 9, this program has version 1"),
    ],
)
def test_a_file_that_is_no_record_is_refused(path: Path, content: bytes, message: str):
    path.write_bytes(content)
    with pytest.raises(RecordError, match=message) as caught:
        RecordReader(path)
    assert not isinstance(caught.value, RecordMissing)


def test_what_is_no_regular_file_is_refused(path: Path):
    os.mkfifo(path)
    with pytest.raises(RecordError, match="not a regular file"):
        RecordReader(path)


def test_the_mapping_cannot_be_written(path: Path, writer: RecordWriter):
    with pytest.raises(TypeError, match="read-only"):
        RecordReader(path).words[0] = 1


def test_the_clock_is_read_while_the_record_is_current(path: Path, writer: RecordWriter):
    published = writer.write(good_record())
    before = clocks.raw_ns()
    record, raw_ns = RecordReader(path).read()
    assert before <= raw_ns <= clocks.raw_ns()
    assert record == published


def test_an_unchanged_sequence_is_not_read_again(path: Path, writer: RecordWriter):
    writer.write(good_record())
    reader = RecordReader(path)
    assert reader.snapshot() is reader.snapshot()


def test_a_writer_that_died_leaves_the_last_good_record(path: Path, writer: RecordWriter):
    published = writer.write(replace(good_record(), void_after_raw_ns=clocks.raw_ns() + 10**8))
    reader = RecordReader(path)
    assert reader.snapshot() == published
    set_sequence(path, sequence_of(path) + 1)
    record, raw_ns = reader.read()
    assert record == published
    assert reader.retries == 150, "50 at once, and 100 with a wait between"
    while not is_void(record, raw_ns):  # it ages like any other
        record, raw_ns = reader.read()
    assert raw_ns > published.void_after_raw_ns


def test_giving_up_on_a_dead_writer_is_remembered(
    path: Path, writer: RecordWriter, monkeypatch: pytest.MonkeyPatch
):
    writer.write(good_record())
    reader = RecordReader(path)
    reader.snapshot()
    set_sequence(path, 999)
    reader.snapshot()
    monkeypatch.setattr(RecordReader, "_load", None)  # calling it again would fail
    monkeypatch.setattr(reader_module, "_TRIES", 10**12)  # and trying that often never end
    reader.snapshot()


def test_a_successor_of_a_dead_writer_is_followed(path: Path):
    dead = RecordWriter(path)
    dead.write(good_record())
    reader = RecordReader(path)
    reader.snapshot()
    dead.close()
    set_sequence(path, sequence_of(path) + 1)
    reader.snapshot()
    successor = RecordWriter(path)
    published = successor.write(replace(good_record(), epoch=4))
    assert reader.snapshot() == published
    successor.close()


def test_without_any_whole_record_there_is_an_error(path: Path):
    path.write_bytes(raw_bytes(packed_body(), sequence=5))
    with pytest.raises(RecordError, match=f"process {os.getpid()} died while it wrote"):
        RecordReader(path).snapshot()


def test_a_sequence_of_0_was_never_written(path: Path):
    path.write_bytes(raw_bytes(packed_body(), sequence=0))
    with pytest.raises(RecordError, match="died while it wrote the first record"):
        RecordReader(path).snapshot()


def test_on_a_processor_that_reorders_a_wrong_checksum_is_a_torn_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reader_module, "ORDERED", False)
    path.write_bytes(raw_bytes(packed_body(epoch=1), sequence=2, crc=12345))
    reader = RecordReader(path)
    with pytest.raises(RecordError):
        reader.snapshot()
    with path.open("r+b") as file:
        file.write(raw_bytes(packed_body(epoch=1), sequence=4))
    assert reader.snapshot().epoch == 1


def test_a_file_removed_and_made_anew_is_noticed(path: Path, writer: RecordWriter):
    reader = RecordReader(path)
    assert reader.is_current()
    path.unlink()
    assert not reader.is_current()
    path.write_bytes(raw_bytes(packed_body()))
    assert not reader.is_current()


def test_the_writing_process_is_named(path: Path, writer: RecordWriter):
    assert RecordReader(path).writer_pid == os.getpid()


def test_closing_unmaps(path: Path, writer: RecordWriter):
    reader = RecordReader(path)
    reader.close()
    with pytest.raises(ValueError, match="released"):
        reader.snapshot()


def test_threads_share_a_reader(path: Path, writer: RecordWriter):
    first = writer.write(replace(good_record(), measurements=0))
    reader = RecordReader(path)
    backwards: list[tuple[int, int]] = []
    done = threading.Event()

    def watch() -> None:
        seen = 0
        while not done.is_set():
            number = reader.snapshot().measurements
            if number < seen:
                backwards.append((seen, number))
            seen = number

    watchers = [threading.Thread(target=watch) for _ in range(3)]
    for watcher in watchers:
        watcher.start()
    for number in range(3000):
        writer.write(replace(first, measurements=number))
    done.set()
    for watcher in watchers:
        watcher.join()
    assert backwards == []


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no /proc here")
def test_a_file_that_can_be_opened_and_not_read_is_refused_with_the_reason():
    with pytest.raises(RecordError, match="cannot be read"):
        RecordReader(Path("/proc/self/mem"))
