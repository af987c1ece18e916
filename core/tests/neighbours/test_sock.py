"""Samples as chronyd receives them, on a real datagram socket."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chronotick.neighbours.problem import NeighbourError
from chronotick.neighbours.sock import SockFeed, sample
from chronotick.neighbours.standing import Standing
from chronotick.ntp.timestamps import ClockPair
from chronotick.shm.layout import Flags, Status
from chronotick.shm.record import Record


class SockSample(ctypes.Structure):
    """``struct sock_sample`` of chrony, laid out by the C compiler's rules."""

    _fields_ = (
        ("tv_sec", ctypes.c_long),
        ("tv_usec", ctypes.c_long),
        ("offset", ctypes.c_double),
        ("pulse", ctypes.c_int),
        ("leap", ctypes.c_int),
        ("_pad", ctypes.c_int),
        ("magic", ctypes.c_int),
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "chrony.sock"


@contextlib.contextmanager
def listening(place: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(place))
        listener.settimeout(0)
        yield listener
    place.unlink()


@contextlib.contextmanager
def feed(place: Path, standing: Callable[[], Standing]) -> Iterator[SockFeed]:
    with contextlib.closing(SockFeed(place, standing)) as feeding:
        yield feeding


def taken(listener: socket.socket) -> list[SockSample]:
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            data = listener.recv(1024)
            assert len(data) == ctypes.sizeof(SockSample)
            found.append(SockSample.from_buffer_copy(data))
    return found


def test_a_sample_says_true_minus_system_time_at_a_moment():
    record = Record(anchor_raw_ns=1000, anchor_utc_ns=5_000_000_000, flags=Flags.LEAP_DELETE)
    pair = ClockPair(realtime_ns=4_750_000_999, raw_ns=1000, window_ns=100)
    said = SockSample.from_buffer_copy(sample(record, pair))
    assert (said.tv_sec, said.tv_usec) == (4, 750_000)
    assert said.offset == pytest.approx(0.249999001, abs=1e-12)
    assert (said.pulse, said.leap, said.magic) == (0, 2, 0x534F434B)


def test_a_listener_gets_the_offset_of_the_record(publish, standing, place):
    """The record is 1.5 s ahead of the system clock and gains 12.5 ppm."""
    publish()
    with listening(place) as listener, feed(place, standing) as feeding:
        feeding.send()
        (said,) = taken(listener)
    assert said.offset == pytest.approx(1.5, abs=0.01)
    assert feeding.sent == 1


@pytest.mark.parametrize("status", [Status.WARMING_UP, Status.DISRUPTED, Status.UNKNOWN])
def test_nothing_is_sent_while_nobody_vouches_for_the_time(publish, standing, place, status):
    publish(status=status)
    with listening(place) as listener, feed(place, standing) as feeding:
        feeding.send()
        assert taken(listener) == []


def test_a_listener_may_come_go_and_come_back(publish, standing, place, caplog):
    publish()
    caplog.set_level(logging.INFO, "chronotick.neighbours")
    with feed(place, standing) as feeding:
        for _ in range(2):
            for _ in range(3):
                feeding.send()
            with listening(place) as listener:
                for _ in range(3):
                    feeding.send()
                assert len(taken(listener)) == 3
        said = [record.message.partition(": ")[2] for record in caplog.records]
    nobody = "nobody listens there (is the time daemon running, with this path configured?)"
    assert said == [f"{nobody}; trying on", "samples are taken"] * 2


def test_a_listener_that_died_and_left_its_socket_is_not_there(publish, standing, place, caplog):
    publish()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(place))
    with feed(place, standing) as feeding:
        feeding.send()
    assert "nobody listens there" in caplog.text


def test_one_that_does_not_read_does_not_hold_the_others_up(publish, standing, place, caplog):
    publish()
    with listening(place), feed(place, standing) as feeding:
        for _ in range(10_000):
            feeding.send()
            if "does not read its samples" in caplog.text:
                break
    assert [record.levelname for record in caplog.records].count("WARNING") == 1


def test_a_file_in_the_place_of_the_socket_is_said(publish, standing, place, caplog):
    publish()
    place.write_text("not a socket")
    with feed(place, standing) as feeding:
        feeding.send()
    assert str(place) in caplog.text
    assert place.read_text() == "not a socket"


def test_a_path_too_long_for_a_socket_is_refused(standing, tmp_path):
    with pytest.raises(NeighbourError, match="Choose a shorter one"):
        SockFeed(tmp_path / ("x" * 108), standing)
