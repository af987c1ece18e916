"""Tables of offsets: what is read, and how each mistake in one is told."""

from __future__ import annotations

import gzip
import io
import os
import sys
from pathlib import Path

import pytest

from chronotick.lab.recordings import Recording, RecordingError, read_recording

SECOND = 1_000_000_000
TRACES = Path(os.environ.get("CHRONOTICK_TRACES", Path(__file__).parents[4] / "shared" / "traces"))
FULL = (
    "t_local_s,source,offset_s,delay_s,root_delay_s,root_dispersion_s,t1_s,t2_s,t3_s,t4_s\n"
    "0.175512295,2,0.027291884,0.000225687,0.000000000,0.000000000,"
    "0.175399451,0.202804178,0.202804179,0.175625139\n"
    "0.377837542,3,0.027316144,0.000282704,0.000000000,0.000010000,"
    "0.377696139,0.405153635,0.405153737,0.377978945\n"
)


def read(tmp_path: Path, text: str, **options: float) -> Recording:
    path = tmp_path / "recording.csv"
    path.write_text(text)
    return read_recording(str(path), **options)


def refused(tmp_path: Path, text: str) -> RecordingError:
    with pytest.raises(RecordingError) as caught:
        read(tmp_path, text)
    return caught.value


def plain(rows: int, step_s: float = 64, **columns: str) -> str:
    """A table of a perfect clock; ``columns`` are formats of the row's number."""
    names = ["t_s", *(columns or {"offset_s": "0.001"})]
    forms = ["{t}", *(columns or {"offset_s": "0.001"}).values()]
    lines = (",".join(forms).format(n=n, t=1 + n * step_s) for n in range(rows))
    return "\n".join([",".join(names), *lines]) + "\n"


def test_all_columns_of_a_simulation_are_exact(tmp_path):
    recording = read(tmp_path, FULL)
    first, second = recording.arrivals
    measurement = first.measurement
    assert first.raw_ns == 175_625_139
    assert measurement.raw_ns == 175_512_295
    assert measurement.offset_ns == 27_291_884
    assert measurement.delay_ns == 225_687
    assert measurement.delay_known
    assert measurement.source == "2"
    assert second.measurement.root_dispersion_ns == 10_000
    assert recording.shift_ns == 0
    assert recording.notes == ()


def test_unix_time_keeps_its_nanoseconds(tmp_path):
    """A float holds it to 0.2 us only."""
    text = "t_s,offset_s,delay_s\n1763640000.123456789,-1.000000001,0.020000000\n"
    recording = read(tmp_path, text)
    measurement = recording.arrivals[0].measurement
    assert recording.local_ns(measurement.raw_ns) == 1_763_640_000_123_456_789
    assert measurement.offset_ns + recording.shift_ns == -1_000_000_001
    assert measurement.raw_ns == 3600 * SECOND


def test_negative_local_times_are_shifted_and_shifted_back(tmp_path):
    recording = read(tmp_path, "t_s,offset_s\n-7.5,0.25\n3.25,0.5\n")
    assert [each.measurement.raw_ns > 0 for each in recording.arrivals] == [True, True]
    locals_ns = [recording.local_ns(each.measurement.raw_ns) for each in recording.arrivals]
    assert locals_ns == [-7_500_000_000, 3_250_000_000]
    # UTC, RAW + (UTC - RAW), is what it was.
    utc = [each.measurement.raw_ns + each.measurement.offset_ns for each in recording.arrivals]
    assert utc == [-7_250_000_000, 3_750_000_000]


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("1e-6", 1_000),
        ("-8.991e-06", -8_991),
        ("0.0000000015", 2),
        ("+5", 5 * SECOND),
        ("1e-999999999", 0),
    ],
)
def test_numbers_may_have_exponents(tmp_path, text: str, expected_ns: int):
    recording = read(tmp_path, f"t_s,offset_s\n1,{text}\n")
    assert recording.arrivals[0].measurement.offset_ns == expected_ns


def test_an_unknown_delay_is_said_to_be_unknown(tmp_path):
    arrival = read(tmp_path, plain(3)).arrivals[0]
    assert not arrival.measurement.delay_known
    assert not arrival.bounded
    assert arrival.measurement.delay_ns == arrival.measurement.precision_ns


def test_a_stated_uncertainty_is_the_hard_bound(tmp_path):
    text = "t_s,offset_s,uncertainty_s\n1,0.1,0.005\n2,0.1,0\n"
    first, second = read(tmp_path, text).arrivals
    assert first.bounded
    assert 5_000_000 <= first.measurement.root_distance_ns <= 5_002_000
    assert not second.bounded  # no measurement is perfect


def test_max_error_bounds_what_nothing_else_does(tmp_path):
    arrival = read(tmp_path, plain(3), max_error_s=0.02).arrivals[0]
    assert arrival.bounded
    assert 20_000_000 <= arrival.measurement.root_distance_ns <= 20_002_000


def test_max_error_widens_nothing_that_the_recording_bounds(tmp_path):
    """With delays of 1.3 ms, a bound of 0.68 ms became one of 50.6 ms."""
    delays = "t_s,offset_s,delay_s\n1,0.1,0.0013\n17,0.1,0.0013\n"
    stated = "t_s,offset_s,uncertainty_s\n1,0.1,0.005\n17,0.1,0.005\n"
    for text in (delays, stated):
        plain_, wide = read(tmp_path, text), read(tmp_path, text, max_error_s=0.05)
        assert wide.arrivals == plain_.arrivals
        assert "--max-error changes nothing" in wide.notes[-1]


def test_a_description_of_a_world_is_no_recording(tmp_path):
    path = tmp_path / "world.json"
    path.write_text('{\n "name": "dc"\n}\n')
    with pytest.raises(RecordingError, match="If it describes a world: chronotick lab simulate "):
        read_recording(str(path))


def test_an_uncertainty_beyond_half_the_delay_widens_the_bound_by_the_rest(tmp_path):
    arrival = read(tmp_path, "t_s,offset_s,delay_s,uncertainty_s\n1,0,0.01,0.008\n").arrivals[0]
    assert 8_000_000 <= arrival.measurement.root_distance_ns <= 8_002_000
    assert arrival.measurement.delay_known
    assert arrival.raw_ns == SECOND + 5_000_000


def test_columns_that_are_not_used_are_named(tmp_path):
    assert "cpu_temp_c" in read(tmp_path, "t_s,offset_s,cpu_temp_c\n1,0,55\n").notes[0]


def test_gzip_and_standard_input_are_read(tmp_path, monkeypatch: pytest.MonkeyPatch):
    packed = tmp_path / "recording.csv.gz"
    packed.write_bytes(gzip.compress(FULL.encode()))
    unpacked = read(tmp_path, FULL).arrivals
    assert read_recording(str(packed)).arrivals == unpacked
    piped = io.TextIOWrapper(io.BytesIO(gzip.compress(FULL.encode())))
    monkeypatch.setattr(sys, "stdin", piped)
    assert read_recording("-").arrivals == unpacked


def test_a_byte_order_mark_comments_and_empty_lines_are_passed_over(tmp_path):
    path = tmp_path / "windows.csv"
    path.write_bytes(b"\xef\xbb\xbf# from a spreadsheet\r\nt_s,offset_s\r\n\r\n1,0.5\r\n")
    assert len(read_recording(str(path)).arrivals) == 1


# Bad input


def test_rows_without_a_value_are_left_out_and_counted(tmp_path):
    text = "t_s,offset_s,source\n1,0,a\n2,NaN,a\n3,,a\n4,0,\n5,0,a\n"
    recording = read(tmp_path, text)
    assert len(recording.arrivals) == 2
    told = " ".join(recording.notes)
    assert "2 rows left out: offset_s is empty or NaN (the first: line 3)" in told
    assert "1 row left out: source is empty or NaN (the first: line 5)" in told


def test_nothing_but_empty_rows_is_an_error(tmp_path):
    error = refused(tmp_path, "t_s,offset_s\n1,NaN\n2,nan\n")
    assert "2 rows left out: offset_s is empty or NaN" in str(error)


def test_rows_that_no_exchange_can_be_are_left_out(tmp_path):
    text = "t_s,offset_s,delay_s,root_delay_s\n1,0,-0.001,0\n2,0,0.01,-1\n3,0,0.01,0\n"
    recording = read(tmp_path, text)
    assert len(recording.arrivals) == 1
    assert any("delay is below zero" in note for note in recording.notes)


def test_the_same_row_twice_counts_once(tmp_path):
    recording = read(tmp_path, "t_s,offset_s\n1,0\n1,0\n2,0\n")
    assert len(recording.arrivals) == 2
    assert any("the same measurement again (the first: line 3)" in n for n in recording.notes)


def test_two_servers_at_the_same_instant_are_two_measurements(tmp_path):
    recording = read(tmp_path, "t_s,offset_s,source\n1,0,a\n1,0,b\n")
    assert recording.counts == {"a": 1, "b": 1}


def test_rows_a_little_out_of_order_are_sorted_and_told(tmp_path):
    recording = read(tmp_path, "t_s,offset_s\n1,0\n30,0\n20,0\n40,0\n")
    assert [each.raw_ns // SECOND for each in recording.arrivals] == [1, 20, 30, 40]
    assert any("1 rows stand after later ones" in note for note in recording.notes)


def test_sources_may_follow_each_other_in_a_file(tmp_path):
    text = "t_s,offset_s,source\n1,0,a\n5000,0,a\n2,0,b\n5001,0,b\n"
    recording = read(tmp_path, text)
    assert [each.measurement.source for each in recording.arrivals] == ["a", "b", "a", "b"]


def test_rows_far_out_of_order_are_an_error_with_both_lines(tmp_path):
    error = refused(tmp_path, "t_s,offset_s\n1,0\n5000,0\n2,0\n")
    assert error.line == 4
    assert "4998 s before that of line 3" in error.problem


def test_the_longest_gap_is_told(tmp_path):
    text = plain(20) + "10000,0.001\n"
    assert any("longest gap: 8783 s, after 1217 s" in n for n in read(tmp_path, text).notes)


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("t_s,offset_s\n1,0\n2,fast\n", 3, "offset_s", "'fast' is no number of seconds"),
        ("t_s,offset_s\n1,0\n2,inf\n", 3, "offset_s", "not finite"),
        ("t_s,offset_s\n1,0\n2,1e400\n", 3, "offset_s", "'1e400' s is longer than any time"),
        ("t_s,offset_s\n1,0\n1e999999999,0\n", 3, "t_s", "longer than any time"),
        ("t_s,offset_s\n1,0\n2,1_000\n", 3, "offset_s", "no number"),
        ("t_s,offset_s\n1,0\n2,0,001\n", 3, "", "A decimal comma"),
        ('t_s,offset_s\n1,0\n2,"0,001"\n', 3, "offset_s", "write a decimal point"),
        ("t_s,offset_s\n1,0\n2\n", 3, "", "Was it cut off"),
        ("t_s,offset_s,offset_s\n1,0,0\n", 1, "offset_s", "two columns of that name"),
        ("t_s;offset_s\n1;0\n", 1, "", "something else separates them"),
        ("time,offset\n1,0\n", 1, "", "needs a header with t_s"),
        ("t_s,offset_ms\n1,0\n", 1, "", "Divide offset_ms by 1000 and call it offset_s"),
        ("1,0\n2,0\n", 1, "", "needs a header"),
        ("t_s,offset_s\n", None, "", "no measurement that can be used"),
        ("# nothing else\n", None, "", "holds nothing but comments"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path, text, line, column, words):
    error = refused(tmp_path, text)
    assert (error.line, error.column) == (line, column)
    assert words in error.problem
    assert str(error).startswith(str(tmp_path / "recording.csv"))
    assert "\n" not in str(error)


def altered(column: int, factor: float) -> str:
    """The full table with one column of its second row multiplied."""
    head, first, second = FULL.splitlines()
    cells = second.split(",")
    cells[column] = f"{float(cells[column]) * factor:.9f}"
    return "\n".join([head, first, ",".join(cells)]) + "\n"


@pytest.mark.parametrize(
    ("column", "name", "factor", "words"),
    [
        (2, "offset_s", 1e3, "in milliseconds. Divide the column by 1000"),
        (2, "offset_s", 1e6, "in microseconds. Divide the column by 1000000"),
        (2, "offset_s", -1, "of the opposite sign"),
        (3, "delay_s", 1e3, "in milliseconds"),
        (3, "delay_s", 1.7, "contradict each other"),
        (0, "t_local_s", 1e3, "in milliseconds"),
    ],
)
def test_four_timestamps_give_a_wrong_unit_away(tmp_path, column, name, factor, words):
    error = refused(tmp_path, altered(column, factor))
    assert (error.line, error.column) == (3, name)
    assert words in error.problem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (plain(20, offset_s="0.001", delay_s="40"), "delays of 40 s"),
        (plain(20, step_s=2, offset_s="0.001", delay_s="2.7"), "delays of 2.7 s, measured every 2"),
        (plain(20, step_s=200_000), "200000 s between measurements. In milliseconds?"),
        (plain(20, offset_s="{n}"), "more than any oscillator. In another unit? Divide by 1000"),
        (plain(20, offset_s="{n}e3"), "any oscillator. In another unit? Divide by 1000000"),
        (plain(20, offset_s="0.001", delay_s="20000"), "Is its delay in seconds?"),
        (plain(2, step_s=1.7e12), "local times up to 1.7e+12 s: in milliseconds? Divide them by"),
        (plain(2, step_s=5e9), "local times up to 5e+09 s: in milliseconds, micro"),  # 64 bits
        (plain(2, step_s=1.7e18), "in nanoseconds? Divide them by 1000000000"),
        (plain(2, offset_s="1.7e15"), "offsets up to 1.7e+15 s: in microseconds? Divide them by"),
    ],
)
def test_what_no_clock_and_network_can_do_is_a_mistake_of_unit(tmp_path, text, words):
    assert words in refused(tmp_path, text).problem


def test_offsets_that_scatter_far_beyond_their_delays_are_a_mistake_of_unit(tmp_path):
    rows = "".join(f"{1 + 64 * n},{(-1) ** n * 2.5},0.02\n" for n in range(60))
    assert "Are both in seconds?" in refused(tmp_path, "t_s,offset_s,delay_s\n" + rows).problem


def test_a_queue_that_empties_is_no_mistake_of_unit(tmp_path):
    """Eight answers in a burst: offsets may change by as much as delays do, however fast."""
    queues_s = (0.15, 0.18, 0.1, 0.12, 0.004, 0.003, 0.002, 0.001)
    rows = (f"{1 + 2 * n},{q / 2},{0.005 + q}\n" for n, q in enumerate(queues_s))
    assert len(read(tmp_path, "t_s,offset_s,delay_s\n" + "".join(rows)).arrivals) == 8


@pytest.mark.parametrize("local_s", ["-4.4e9", "4.4e9"])
def test_what_is_within_range_fits_64_bits_of_nanoseconds(tmp_path, local_s: str):
    arrival = read(tmp_path, f"t_s,offset_s\n{local_s},{local_s}\n").arrivals[0]
    assert abs(arrival.measurement.raw_ns + arrival.measurement.offset_ns) < 2**63


def test_a_server_that_lies_by_seconds_is_none(tmp_path):
    """Selection's business, not the reader's."""
    rows = "".join(f"{1 + 64 * n},{5 * (n % 2)},0.02,{'ab'[n % 2]}\n" for n in range(40))
    assert len(read(tmp_path, "t_s,offset_s,delay_s,source\n" + rows).arrivals) == 40


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"\xef\xbb\xbf\n", "is empty"),
        (b"\x7fELF\0\0\0", "is not text: byte 4 is zero"),
        (b"t_s,offset_s\n1,\xff\xfe\n", "is not text in UTF-8"),
        (gzip.compress(FULL.encode())[:-20], "ends early: it was cut off"),
        (gzip.compress(FULL.encode())[:-8] + bytes(8), "gzip stream is damaged"),
        (gzip.compress(b"SQLite format 3\0" + b"x" * 100, mtime=0), "packed or piped database"),
    ],
)
def test_what_is_no_text_is_told(tmp_path, data: bytes, words: str):
    path = tmp_path / "junk"
    path.write_bytes(data)
    with pytest.raises(RecordingError, match=words):
        read_recording(str(path))


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(RecordingError, match="cannot be read: No such file"):
        read_recording(str(tmp_path / "none.csv"))
    with pytest.raises(RecordingError, match="cannot be read: Is a directory"):
        read_recording(str(tmp_path))
    with pytest.raises(RecordingError, match="cannot be read: File name too long"):
        read_recording(str(tmp_path / ("a" * 5000)))


@pytest.mark.skipif(not TRACES.is_dir(), reason="no traces (CHRONOTICK_TRACES)")
def test_all_real_traces_are_read():
    paths = sorted((TRACES / "real").glob("*.csv.gz"))
    assert len(paths) >= 15
    for path in paths:
        recording = read_recording(str(path))
        with gzip.open(path, "rt") as file:
            assert len(recording.arrivals) >= sum(1 for _ in file) - 3
