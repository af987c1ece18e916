"""VMClock's marker, read from files with its layout (Linux, include/uapi/linux/vmclock-abi.h)."""

from __future__ import annotations

import logging
import mmap
import struct
from pathlib import Path

import pytest

from chronotick.clock import VMClock

SEQUENCE_AT, MARKER_AT = 12, 16


def page(magic: bytes = b"VCLK", size: int = mmap.PAGESIZE, version: int = 1) -> bytes:
    """A page as the hypervisor lays it out: counter and time type after the version."""
    head = struct.pack("<4sIHBB", magic, size, version, 1, 0)
    return (head + struct.pack("<IQQ", 4, 7, 0)).ljust(mmap.PAGESIZE, b"\0")


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "vmclock0"
    path.write_bytes(page())
    return path


def write(device: Path, sequence: int, marker: int) -> None:
    with device.open("r+b") as file:
        file.seek(SEQUENCE_AT)
        file.write(struct.pack("<IQ", sequence, marker))


def test_another_marker_is_seen_at_the_next_look(device: Path):
    clock = VMClock(device)
    assert (clock.marker(), clock.marker()) == (7, 7)
    write(device, 6, 2**64 - 1)
    assert clock.marker() == 2**64 - 1
    clock.close()
    assert clock.marker() == 2**64 - 1


def test_while_the_hypervisor_writes_the_last_marker_stands(device: Path):
    clock = VMClock(device)
    assert clock.marker() == 7
    write(device, 5, 8)
    assert clock.marker() == 7
    write(device, 6, 8)
    assert clock.marker() == 8
    clock.close()


def test_without_the_device_there_is_no_marker_and_nothing_to_say(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.DEBUG):
        clock = VMClock(tmp_path / "none")
        assert clock.marker() is None
    assert not caplog.records
    clock.close()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (page(magic=b"CLKV"), "is no VMClock of version 1"),
        (page(version=2), "is no VMClock of version 1"),
        (page(size=20), "is no VMClock of version 1"),
        (b"VCLK", "cannot be read"),
        (b"", "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_left_alone_in_one_sentence(
    device: Path, content: bytes, words: str, caplog: pytest.LogCaptureFixture
):
    device.write_bytes(content)
    with caplog.at_level(logging.WARNING, "chronotick.daemon"):
        assert VMClock(device).marker() is None
    (record,) = caplog.records
    assert words in record.getMessage()
    assert "Let the daemon's user read the device" in record.getMessage()
