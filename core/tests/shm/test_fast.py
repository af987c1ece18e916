"""Both fast readers, by fixture: the same behaviour in C and in Python."""

from __future__ import annotations

import gc
import os
import struct
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chronotick.shm import clocks, fast
from chronotick.shm.fast import FastReader, PythonReader, fast_reader
from chronotick.shm.layout import Status
from chronotick.shm.now import Now
from chronotick.shm.record import (
    MAX_AGE_NS,
    SUSPEND_TOLERANCE_NS,
    bound_at,
    interval_at,
    sigma_at,
    time_at,
)
from chronotick.shm.served import was_suspended
from chronotick.shm.testing import good_record, packed_body, raw_bytes
from chronotick.shm.writer import RecordWriter

Open = Callable[[Path], FastReader]
Error = type[Exception]
needs_c = pytest.mark.skipif(not fast.HAVE_C_READER, reason="the C reader is not built")


@pytest.fixture
def open_good(path: Path, writer: RecordWriter, open_fast: Open) -> FastReader:
    writer.write(good_record())
    return open_fast(path)


def test_time_is_that_of_the_record(path: Path, writer: RecordWriter, open_fast: Open):
    record = writer.write(good_record())
    reader = open_fast(path)
    for _ in range(3):
        before = time_at(record, clocks.raw_ns())
        served = reader.time_ns()
        assert before <= served <= time_at(record, clocks.raw_ns())
        seconds = reader.time()
        assert served / 1e9 <= seconds <= time_at(record, clocks.raw_ns()) / 1e9


def test_now_is_the_interval_of_the_record(path: Path, writer: RecordWriter, open_fast: Open):
    record = writer.write(good_record())
    before = clocks.raw_ns()
    now = open_fast(path).now()
    after = clocks.raw_ns()
    assert type(now) is Now
    assert type(now.status) is Status
    assert time_at(record, before) <= now.estimate_ns <= time_at(record, after)
    assert now.estimate_ns - now.earliest_ns == now.latest_ns - now.estimate_ns
    assert bound_at(record, before) <= now.latest_ns - now.estimate_ns <= bound_at(record, after)
    assert sigma_at(record, before) <= now.sigma_ns <= sigma_at(record, after)
    assert now == tuple(now)
    assert hash(now) == hash(tuple(now))
    assert now._replace(sigma_ns=1).sigma_ns == 1


SetClocks = Callable[..., None]


@pytest.fixture
def set_clocks(monkeypatch: pytest.MonkeyPatch) -> SetClocks:
    """Sets RAW, and how long the host has slept, for what the reader in Python keeps of a record.

    Whatever makes it look at the record again sees the real clocks, and answers otherwise.
    """

    def to(raw_ns: int, slept_ns: int) -> None:
        shown = {time.CLOCK_MONOTONIC_RAW: raw_ns, time.CLOCK_MONOTONIC: 7}
        shown[clocks.BOOTTIME] = slept_ns + 7
        monkeypatch.setattr(fast, "_clock_gettime_ns", shown.__getitem__)

    return to


EXACT = 2**-20  # s/s: 1 ns in 2**20


@pytest.mark.parametrize("age_ns", [0, 1, 2**20, 2**20 + 1, 10**9 + 7, 6 * 10**10])
def test_the_reader_in_python_answers_to_the_nanosecond_what_the_record_says(
    path: Path, writer: RecordWriter, set_clocks: SetClocks, age_ns: int
):
    good = replace(good_record(), bound_rate=EXACT, sigma_rate=EXACT / 2)
    record = writer.write(replace(good, void_after_raw_ns=good.anchor_raw_ns + 6 * 10**10))
    reader = _reader_of(path, pure=True)
    assert reader.time_ns() <= reader.now().estimate_ns
    raw_ns = record.anchor_raw_ns + age_ns
    set_clocks(raw_ns, record.suspended_ns)
    assert reader.time_ns() == time_at(record, raw_ns)
    assert reader.time() == time_at(record, raw_ns) / 1e9
    assert reader.now() == interval_at(record, raw_ns)


@pytest.mark.parametrize("ends", [True, False])
def test_the_reader_in_python_keeps_no_record_beyond_its_end(
    path: Path, writer: RecordWriter, set_clocks: SetClocks, ends: bool
):
    good = good_record()
    last_ns = good.anchor_raw_ns + (10**13 if ends else MAX_AGE_NS)
    record = writer.write(replace(good, void_after_raw_ns=last_ns if ends else 2**62))
    reader = _reader_of(path, pure=True)
    reader.time_ns()
    reader.now()
    set_clocks(last_ns, record.suspended_ns)
    assert reader.time_ns() == reader.now().estimate_ns == time_at(record, last_ns)
    set_clocks(last_ns + 1, record.suspended_ns)
    after_ns = time_at(record, last_ns + 1)
    assert max(reader.time_ns(), reader.time() * 1e9, reader.now().estimate_ns) < after_ns - 10**12


def test_the_reader_in_python_keeps_no_interval_over_a_sleep(
    path: Path, writer: RecordWriter, set_clocks: SetClocks
):
    record = writer.write(good_record())
    reader = _reader_of(path, pure=True)
    reader.now()
    raw_ns = record.anchor_raw_ns + 10**10
    set_clocks(raw_ns, record.suspended_ns + SUSPEND_TOLERANCE_NS)
    assert reader.now() == interval_at(record, raw_ns)
    set_clocks(raw_ns, record.suspended_ns + SUSPEND_TOLERANCE_NS + 1)
    assert reader.now() != interval_at(record, raw_ns)


def test_the_tolerance_is_the_longest_that_is_no_sleep(monkeypatch: pytest.MonkeyPatch):
    record = replace(good_record(), suspended_ns=5)
    monkeypatch.setattr(clocks, "suspended_ns", lambda: 5 + SUSPEND_TOLERANCE_NS)
    assert not was_suspended(record)
    monkeypatch.setattr(clocks, "suspended_ns", lambda: 6 + SUSPEND_TOLERANCE_NS)
    assert was_suspended(record)


def test_a_new_publication_is_followed(path: Path, writer: RecordWriter, open_fast: Open):
    first = writer.write(good_record())
    reader = open_fast(path)
    reader.time_ns()
    jump = replace(first, anchor_utc_ns=first.anchor_utc_ns + 10**12, epoch=9)
    writer.write(jump)
    assert reader.time_ns() >= jump.anchor_utc_ns
    assert reader.now().estimate_ns >= jump.anchor_utc_ns


@pytest.mark.parametrize("status", [Status.WARMING_UP, Status.SYNCHRONISED, Status.HOLDOVER])
def test_these_statuses_have_a_time(
    path: Path, writer: RecordWriter, open_fast: Open, status: Status
):
    record = writer.write(replace(good_record(), status=status))
    assert open_fast(path).time_ns() >= record.anchor_utc_ns


@pytest.mark.parametrize("status", [Status.SYNCHRONISED, Status.HOLDOVER])
def test_these_statuses_have_bounds(
    path: Path, writer: RecordWriter, open_fast: Open, status: Status
):
    writer.write(replace(good_record(), status=status))
    assert open_fast(path).now().status is status


@pytest.mark.parametrize(
    "change",
    [
        {"status": Status.UNKNOWN},
        {"status": Status.DISRUPTED},
        {"void_after_raw_ns": 1},
        {"anchor_raw_ns": 2**62, "void_after_raw_ns": 2**62},
        {"anchor_raw_ns": -(2**62)},
    ],
)
def test_without_time_the_slow_path_is_asked(
    path: Path, writer: RecordWriter, open_fast: Open, no_answer: Error, change: dict[str, int]
):
    writer.write(replace(good_record(), **change))
    reader = open_fast(path)
    for call in (reader.time, reader.time_ns, reader.now):
        with pytest.raises(no_answer):
            call()


def test_a_clock_that_warms_up_has_no_bounds_to_rely_on(
    path: Path, writer: RecordWriter, open_fast: Open, no_answer: Error
):
    writer.write(replace(good_record(), status=Status.WARMING_UP))
    with pytest.raises(no_answer):
        open_fast(path).now()


def test_now_notices_that_the_host_slept(
    path: Path, writer: RecordWriter, open_fast: Open, no_answer: Error
):
    record = writer.write(good_record())
    reader = open_fast(path)
    reader.now()
    writer.write(replace(record, suspended_ns=record.suspended_ns - 50_000_000))
    for _ in range(3):
        reader.time()
        with pytest.raises(no_answer):
            reader.now()
    writer.write(record)
    reader.now()


def test_a_sleep_after_the_first_answer_is_noticed(
    path: Path, writer: RecordWriter, monkeypatch: pytest.MonkeyPatch
):
    """The reader in Python keeps the numbers of a publication, and must look all the same."""
    writer.write(good_record())
    reader = _reader_of(path, pure=True)
    assert reader.now() is not None
    read = time.clock_gettime_ns

    def slept(clock: int) -> int:
        return read(clock) + 10**10 * (clock == clocks.BOOTTIME)

    monkeypatch.setattr(fast, "_clock_gettime_ns", slept)
    monkeypatch.setattr(time, "clock_gettime_ns", slept)
    assert reader.now() is None


def test_a_difference_by_rounding_is_no_sleep(path: Path, writer: RecordWriter, open_fast: Open):
    """The daemon may round the field to 10 ms."""
    record = good_record()
    writer.write(replace(record, suspended_ns=record.suspended_ns - 5_000_000))
    open_fast(path).now()


def test_a_record_that_ends_while_it_is_used_is_noticed(
    path: Path, writer: RecordWriter, open_fast: Open, no_answer: Error
):
    writer.write(replace(good_record(), void_after_raw_ns=clocks.raw_ns() + 50_000_000))
    reader = open_fast(path)
    reader.time()
    with pytest.raises(no_answer):
        deque(iter(reader.time, None), maxlen=0)


def test_a_writer_that_dies_in_the_middle_leaves_the_last_good_record(
    path: Path, writer: RecordWriter, open_fast: Open, no_answer: Error
):
    record = writer.write(replace(good_record(), void_after_raw_ns=clocks.raw_ns() + 200_000_000))
    reader = open_fast(path)
    reader.time()
    content = path.read_bytes()
    odd = struct.unpack_from("@Q", content)[0] + 1
    with path.open("r+b") as file:
        file.write(struct.pack("@Q", odd) + bytes(56))
    assert record.anchor_utc_ns <= reader.time_ns() <= time_at(record, clocks.raw_ns())
    assert reader.now().status is Status.SYNCHRONISED
    with pytest.raises(no_answer):
        deque(iter(reader.time_ns, None), maxlen=0)


def test_without_a_whole_record_the_slow_path_is_asked(
    path: Path, open_fast: Open, no_answer: Error
):
    path.write_bytes(raw_bytes(packed_body(), sequence=7))
    reader = open_fast(path)
    for call in (reader.time, reader.time_ns, reader.now):
        with pytest.raises(no_answer):
            call()


@pytest.mark.parametrize(
    ("arguments", "named"), [((True,), {}), ((), {"allow_unsynchronised": True})]
)
def test_arguments_go_to_the_slow_path(
    open_good: FastReader, no_answer: Error, arguments: tuple[bool, ...], named: dict[str, bool]
):
    with pytest.raises(no_answer) as caught:
        open_good.now(*arguments, **named)
    positional, keywords = caught.value.args
    assert (*positional, *keywords.values()) == (True,)


def test_detached_every_call_takes_the_slow_path(
    path: Path, writer: RecordWriter, open_fast: Open, no_answer: Error
):
    writer.write(good_record())
    reader = open_fast(path)
    reader.time()
    reader.detach()
    with pytest.raises(no_answer):
        reader.time()
    with pytest.raises(no_answer):
        reader.now()


def test_attaching_again_changes_the_file(tmp_path: Path, open_fast: Open):
    old, new = RecordWriter(tmp_path / "old"), RecordWriter(tmp_path / "new")
    old.write(good_record())
    later = new.write(replace(good_record(), anchor_utc_ns=4 * 10**18))
    reader = open_fast(old.path)
    assert reader.time_ns() < later.anchor_utc_ns
    descriptor = os.open(new.path, os.O_RDONLY)
    reader.attach(descriptor)
    os.close(descriptor)
    assert reader.time_ns() >= later.anchor_utc_ns
    old.close()
    new.close()


def test_one_bound_function_serves_for_ever(path: Path, writer: RecordWriter, open_fast: Open):
    """``from chronotick import time`` keeps the function; re-attaching must reach it."""
    writer.write(good_record())
    time = open_fast(path).time
    gc.collect()
    assert time() > 1e9


@needs_c
def test_the_functions_in_c_are_builtins():
    reader = fast_reader(float, int, Now)
    for name in ("time", "time_ns", "now"):
        assert type(getattr(reader, name)) is type(len)


@needs_c
def test_both_readers_have_the_same_documentation():
    import inspect

    in_c = fast_reader(float, int, Now)
    for name in ("time", "time_ns", "now"):
        python = getattr(PythonReader, name)
        assert getattr(in_c, name).__doc__ == inspect.cleandoc(python.__doc__)
        described = [
            p.replace(annotation=inspect.Parameter.empty)
            for p in inspect.signature(python).parameters.values()
        ]
        assert [*inspect.signature(getattr(in_c, name)).parameters] == [
            p.name for p in described[1:]
        ]


@needs_c
def test_a_descriptor_that_is_no_record_is_refused(path: Path):
    reader = fast_reader(float, int, Now)
    path.write_bytes(b"x" * 128)
    with path.open() as file, pytest.raises(ValueError, match="not a ChronoTick record"):
        reader.attach(file.fileno())
    with pytest.raises(ValueError, match="not a ChronoTick record"):
        reader.attach(-1)
    with pytest.raises(TypeError):
        reader.attach("three")  # type: ignore[arg-type]


@needs_c
def test_wrong_types_are_refused():
    creader = fast._creader
    with pytest.raises(TypeError, match="subclass of tuple"):
        creader.Reader(int, tuple(Status), float, int, int)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="five members"):
        creader.Reader(Now, (Status.UNKNOWN,), float, int, Now)


@needs_c
def test_a_reader_in_a_cycle_is_collected():
    class Owner:
        def __init__(self) -> None:
            self.reader = fast_reader(self.time, int, Now)

        def time(self) -> float:
            return 0.0

    owner = weakref.ref(Owner())
    gc.collect()
    assert owner() is None


EDGES = [-(2**63), -(2**62) - 1, -1, 0, 1, 2**53, 2**61, 2**61 + 1, 2**62, 2**62 + 1, 2**63 - 1]
WILD = st.sampled_from(EDGES) | st.integers(-(2**63), 2**63 - 1)
WILD_RATE = st.sampled_from(
    [0.0, -0.0, 0.5, -0.5, 1.0, 1.1, float("nan"), float("inf"), 5e-324]
) | (st.floats(allow_nan=True, allow_infinity=True))


@needs_c
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(
    values=st.fixed_dictionaries(
        {
            "anchor_utc_ns": WILD,
            "bound_ns": WILD,
            "sigma_ns": WILD,
            "rate": WILD_RATE,
            "bound_rate": WILD_RATE,
            "sigma_rate": WILD_RATE,
            "status": st.integers(0, 6),
        }
    ),
    age=st.sampled_from([-(10**15), 10**9, 10**12, 2**53 + 10**12]) | st.just(None),
    ends=st.booleans(),
    asleep=st.booleans(),
)
def test_both_readers_answer_the_same_whatever_stands_in_the_record(
    tmp_path: Path,
    values: dict[str, float],
    age: int | None,
    ends: bool,
    asleep: bool,
):
    """Damaged numbers must not crash, overflow or be served by one and refused by the other."""
    raw_ns = clocks.raw_ns()
    body = packed_body(
        anchor_raw_ns=-(2**63) if age is None else raw_ns - age,
        void_after_raw_ns=raw_ns - 1 if ends else 2**63 - 1,
        suspended_ns=-(2**63) if asleep else 2**63 - 1,
        **values,
    )
    path = tmp_path / "wild"
    path.write_bytes(raw_bytes(body))
    in_c, in_python = (_reader_of(path, pure=pure) for pure in (False, True))
    for name in ("time_ns", "now"):
        first, between, last = (getattr(r, name)() for r in (in_python, in_c, in_python))
        if first is None:
            assert between is None
        elif name == "time_ns":
            assert first <= between <= last
        else:
            assert first.estimate_ns <= between.estimate_ns <= last.estimate_ns
            assert first.sigma_ns <= between.sigma_ns <= last.sigma_ns
            widths = [now.latest_ns - now.earliest_ns for now in (first, between, last)]
            assert widths == sorted(widths)
            assert first.status is between.status


def _reader_of(path: Path, *, pure: bool) -> FastReader:
    def nothing(_allow: bool = False) -> None:
        return None

    reader = fast_reader(nothing, nothing, nothing, pure=pure)  # type: ignore[arg-type]
    with path.open() as file:
        reader.attach(file.fileno())
    return reader
