"""The segment as a client of ClockBound 2 reads it.

The reader below is written from docs/PROTOCOL.md of aws/clock-bound alone.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from chronotick.neighbours.clockbound import ClockBound, Disruptions
from chronotick.neighbours.errorbound import (
    LEAST_DRIFT,
    ClockStatus,
    Reading,
    SystemRate,
    error_bound,
    read_clocks,
    system_rate,
)
from chronotick.neighbours.problem import NeighbourError
from chronotick.neighbours.segment import SIZE, Segment
from chronotick.neighbours.standing import Standing
from chronotick.ntp.timestamps import ClockPair, read_pair
from chronotick.shm.layout import Status
from chronotick.shm.record import bound_at, time_at
from chronotick.shm.testing import good_record

STEADY = SystemRate(0.0, 1e-7)


class Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_int64), ("tv_nsec", ctypes.c_int64))

    @property
    def ns(self) -> int:
        return int(self.tv_sec * 10**9 + self.tv_nsec)


class Client(ctypes.Structure):
    """The whole segment; the magic number is two native words, as upstream's library has it."""

    _fields_ = (
        ("magic", ctypes.c_uint32 * 2),
        ("size", ctypes.c_uint32),
        ("version", ctypes.c_uint16),
        ("generation", ctypes.c_uint16),
        ("as_of", Timespec),
        ("void_after", Timespec),
        ("bound_ns", ctypes.c_int64),
        ("disruption_marker", ctypes.c_uint64),
        ("max_drift_ppb", ctypes.c_uint32),
        ("status", ctypes.c_int32),
        ("disruption_support", ctypes.c_uint8),
        ("_padding", ctypes.c_uint8 * 7),
    )

    @classmethod
    def read(cls, path: Path) -> Client:
        data = path.read_bytes()
        client = cls.from_buffer_copy(data)
        assert tuple(client.magic) == (0x414D5A4E, 0x43420200)
        assert (client.size, client.version) == (len(data), 2)
        assert client.generation > 0
        assert client.generation % 2 == 0
        return client

    def now(self) -> tuple[int, int]:
        """Earliest and latest true time, computed as upstream's clients do."""
        real_ns = time.clock_gettime_ns(time.CLOCK_REALTIME)
        mono_ns = time.clock_gettime_ns(6)  # CLOCK_MONOTONIC_COARSE
        assert mono_ns >= self.as_of.ns
        assert self.max_drift_ppb < 10**9
        age_s = (mono_ns - self.as_of.ns) / 1e9
        bound_ns = self.bound_ns + int(age_s * self.max_drift_ppb)
        return real_ns - bound_ns, real_ns + bound_ns


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run" / "clockbound.shm0"


def test_the_interval_of_a_client_contains_the_whole_interval_of_the_record(
    publish, standing, place
):
    record = publish()
    with closing(ClockBound(place, standing)) as bound:
        for _ in range(20):
            bound.renew()
            before_ns = read_pair().raw_ns
            earliest_ns, latest_ns = Client.read(place).now()
            after_ns = read_pair().raw_ns
            assert latest_ns >= time_at(record, before_ns) + bound_at(record, before_ns)
            assert earliest_ns <= time_at(record, after_ns) - bound_at(record, after_ns)
            time.sleep(0.01)


def test_the_bound_is_the_distance_of_the_system_clock_plus_the_hard_bound():
    record = good_record()
    raw_ns = record.anchor_raw_ns + 1_000_000
    true_ns = time_at(record, raw_ns)
    reading = Reading(10**12, ClockPair(true_ns - 36_000_000, raw_ns, window_ns=200))
    stated = error_bound(Standing(record, record.status), reading, STEADY, marker=9)
    hard_ns = bound_at(record, raw_ns)
    assert 36_000_000 + hard_ns <= stated.bound_ns <= 36_000_000 + hard_ns + 2_000
    assert stated.as_of_ns == 10**12
    left_ns = record.void_after_raw_ns - raw_ns
    assert left_ns * 0.998 <= stated.void_after_ns - stated.as_of_ns <= left_ns
    assert stated.disruption_marker == 9


@pytest.mark.parametrize("side", [-1, 1])
def test_it_grows_no_slower_than_the_two_clocks_can_part(side):
    """At any later moment |system - true| stays below what a client computes."""
    record = replace(good_record(), bound_rate=15e-6, rate=12.5e-6)
    rate = 12.5e-6 + side * 200e-6
    pair = ClockPair(time_at(record, record.anchor_raw_ns) + side * 10**6, record.anchor_raw_ns, 0)
    stated = error_bound(
        Standing(record, record.status), Reading(0, pair), SystemRate(rate, 0.0), marker=1
    )
    for age_ns in (10**8, 10**9, 10**10):
        raw_ns = record.anchor_raw_ns + age_ns
        system_ns = pair.realtime_ns + age_ns + int(age_ns * rate)
        worst_ns = abs(system_ns - time_at(record, raw_ns)) + bound_at(record, raw_ns)
        assert stated.bound_ns + age_ns * stated.max_drift_ppb // 10**9 >= worst_ns


def test_the_drift_is_never_below_an_ordinary_oscillators():
    record = replace(good_record(), bound_rate=0.0, rate=0.0)
    stated = error_bound(
        Standing(record, record.status), read_clocks(), SystemRate(0.0, 0.0), marker=1
    )
    assert stated.max_drift_ppb == round(LEAST_DRIFT * 1e9)


def test_a_growth_that_clients_would_refuse_is_cut():
    record = replace(good_record(), bound_rate=1.0)
    stated = error_bound(Standing(record, record.status), read_clocks(), STEADY, marker=1)
    assert stated.max_drift_ppb < 10**9


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (Status.UNKNOWN, ClockStatus.UNKNOWN),
        (Status.WARMING_UP, ClockStatus.UNKNOWN),
        (Status.SYNCHRONISED, ClockStatus.SYNCHRONIZED),
        (Status.HOLDOVER, ClockStatus.FREE_RUNNING),
        (Status.DISRUPTED, ClockStatus.DISRUPTED),
    ],
)
def test_each_status_has_its_counterpart(publish, standing, place, status, said):
    publish(status=status)
    with closing(ClockBound(place, standing)) as bound:
        bound.renew()
        client = Client.read(place)
    assert client.status == said
    assert client.disruption_support == 0
    if said in {ClockStatus.UNKNOWN, ClockStatus.DISRUPTED}:
        assert client.bound_ns > 10**18
        assert client.void_after.ns <= client.as_of.ns


def test_when_it_ends_clients_know(publish, standing, place):
    publish()
    bound = ClockBound(place, standing)
    bound.renew()
    assert Client.read(place).status == ClockStatus.SYNCHRONIZED
    bound.close()
    assert Client.read(place).status == ClockStatus.UNKNOWN


def test_a_step_of_the_system_clock_is_told_from_a_slew():
    before = ClockPair(10**18, 10**12, 100)
    slewed = ClockPair(10**18 + 10**9 + 500_000, 10**12 + 10**9, 100)
    found = system_rate(before, slewed)
    assert found.rate == pytest.approx(500e-6)
    assert not found.stepped
    for step_ns in (2_000_000, -2_000_000):
        stepped = ClockPair(10**18 + 10**9 + step_ns, 10**12 + 10**9, 100)
        assert system_rate(before, stepped) == SystemRate(stepped=True)


def test_the_marker_changes_with_every_disruption_and_only_then():
    good = Standing(good_record(), Status.SYNCHRONISED)
    other_epoch = Standing(replace(good_record(), epoch=4), Status.SYNCHRONISED)
    lost, disrupted = Standing(None, Status.UNKNOWN), Standing(None, Status.DISRUPTED)
    disruptions, seen = Disruptions(41), []
    for standing in (lost, good, good, lost, good, other_epoch, disrupted, disrupted, other_epoch):
        disruptions.observe(standing, stepped=False)
        seen.append(disruptions.marker)
    assert seen == [42, 42, 42, 42, 42, 43, 44, 44, 44]
    disruptions.observe(other_epoch, stepped=True)
    assert disruptions.marker == 45


def test_the_marker_goes_on_where_the_last_process_left_it(publish, standing, place):
    publish()
    markers = []
    for _ in range(2):
        with closing(ClockBound(place, standing)) as bound:
            bound.renew()
            markers.append(Client.read(place).disruption_marker)
    assert markers == [1, 2]


def test_the_generation_wraps_without_ever_being_odd_or_zero(place):
    with closing(Segment(place)) as segment:
        for _ in range(40_000):
            segment.write(bytes(64))
            assert segment._generation % 2 == 0
            assert segment._generation > 0
        assert Client.read(place).generation == 2 + 2 * (40_000 - 1 - 32_767)


def test_the_generation_is_odd_from_before_the_first_byte_to_after_the_last(place, monkeypatch):
    """What stands in the file at the two fences of a publication."""
    old, new, seen = bytes(64), bytes([7]) * 64, []
    with closing(Segment(place)) as segment:
        segment.write(old)
        monkeypatch.setattr(
            "chronotick.neighbours.segment._fence", lambda: seen.append(place.read_bytes())
        )
        segment.write(new)
        seen.append(place.read_bytes())
    found = [(content[14] % 2, content[16:] == new) for content in seen]
    assert found == [(1, False), (1, True), (0, True)]


READER = """
import mmap, sys
with open(sys.argv[1], "rb") as file:
    words = memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)).cast("H")
head, generations = words[:7].tolist(), set()
while len(generations) < 500:
    assert words[:7].tolist() == head, words[:7].tolist()
    generations.add(words[7])
    assert 0 not in generations
"""


def test_a_client_sees_a_whole_header_whenever_it_looks(place):
    with closing(Segment(place)) as segment:
        segment.write(bytes(64))
        command = [sys.executable, "-c", READER, str(place)]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as reader:
            while reader.poll() is None:
                segment.write(bytes(64))
            assert reader.stderr is not None
            assert reader.stderr.read() == b""


def test_a_writer_that_died_before_its_first_statement_is_made_good(place):
    Segment(place).close()
    assert place.read_bytes()[:14] == bytes(Client((0x414D5A4E, 0x43420200), 80, 2))[:14]
    assert not any(place.read_bytes()[14:])  # generation 0: nothing to be read yet
    with closing(Segment(place)) as segment:
        segment.write(bytes(64))
    assert Client.read(place).generation == 2


def test_a_writer_that_died_in_the_middle_is_made_good(place):
    with closing(Segment(place)) as segment:
        segment.write(bytes(64))
    content = bytearray(place.read_bytes())
    content[14] |= 1
    place.write_bytes(content)
    with closing(Segment(place)) as segment:
        segment.write(bytes(64))
    assert Client.read(place).generation == 4


def test_everybody_may_read_it_and_only_its_owner_write(place):
    with closing(Segment(place)):
        assert place.stat().st_mode & 0o777 == 0o644


def test_a_second_process_is_refused(place):
    program = (
        "import sys; from pathlib import Path; from chronotick.neighbours.segment import Segment; "
        "s = Segment(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(NeighbourError, match=r"another process writes .*--clockbound"):
            Segment(place)
        other.communicate(b"")


def test_another_program_that_writes_without_a_lock_is_noticed(place):
    """Upstream's daemon takes no lock."""
    with closing(Segment(place)) as segment:
        segment.write(bytes(64))
        with place.open("r+b") as other:
            other.seek(14)
            other.write((40).to_bytes(2, sys.byteorder))
        with pytest.raises(NeighbourError, match="another program writes"):
            segment.write(bytes(64))


def test_a_file_that_was_removed_is_noticed(place):
    with closing(Segment(place)) as segment:
        segment.write(bytes(64))
        place.unlink()
        with pytest.raises(NeighbourError, match="removed or replaced"):
            segment.write(bytes(64))


@pytest.mark.parametrize("content", [b"precious", b"x" * SIZE, bytes(SIZE + 1)])
def test_what_is_no_segment_is_left_alone(place, content):
    place.write_bytes(content)
    with pytest.raises(NeighbourError, match="not a segment of version 2"):
        Segment(place)
    assert place.read_bytes() == content


def test_a_directory_that_may_be_a_typing_error_is_not_made(tmp_path):
    with pytest.raises(NeighbourError, match=r"the directory .* does not exist; create it"):
        Segment(tmp_path / "rnu" / "segment")
    assert not list(tmp_path.iterdir())


def test_odd_places_are_refused_in_one_sentence(place, tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"")
    place.symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("x")
    for odd in (place, tmp_path, tmp_path / "pipe", tmp_path / "file" / "below"):
        with pytest.raises(NeighbourError, match=r"ClockBound: .*; choose another path"):
            Segment(odd)
