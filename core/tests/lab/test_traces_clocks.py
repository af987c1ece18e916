"""Clocks: tables, worlds, logs and histories, with the truth that lies beside them."""

from __future__ import annotations

import gzip
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chronotick.history import open_history
from chronotick.lab.recordings import read_recording
from chronotick.lab.traces import Trace, read_traces
from chronotick.ntp.measurement import Measurement

SECOND = 1_000_000_000
TRACES = Path(os.environ.get("CHRONOTICK_TRACES", Path(__file__).parents[4] / "shared" / "traces"))
ROWS = 40


def table(rows: int = ROWS, **columns: str) -> str:
    """A table; ``columns`` are formats of the row's number ``n`` and time ``t``."""
    forms = {"t_s": "{t}", "offset_s": "{n}e-6", **columns}
    lines = (",".join(forms.values()).format(n=n, t=1 + n * 64) for n in range(rows))
    return "\n".join([",".join(forms), *lines]) + "\n"


def only(path: Path | str, **options: object) -> Trace:
    found = read_traces([str(path)], **options)
    assert found.problems == ()
    (trace,) = found.traces
    return trace


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def reasons(*paths: Path, **options: object) -> list[str]:
    found = read_traces([str(path) for path in paths], **options)
    assert found.traces == ()
    return [problem.reason for problem in found.problems]


def test_a_table_is_read_as_replay_reads_it(tmp_path):
    path = written(tmp_path / "a.csv.gz", table(delay_s="0.02"))
    trace = only(path)
    assert trace.recording is not None
    assert trace.recording.arrivals == read_recording(str(path)).arrivals
    assert (trace.name, trace.host, trace.path) == ("a", "a", str(path))
    assert (trace.kind, trace.unit, trace.cadence_s, trace.season) == ("clock", "s", 64.0, 1)
    assert trace.time_s.size == trace.value.size == trace.truth_s.size == 0


def test_what_bounds_unbounded_offsets_is_passed_on(tmp_path):
    path = written(tmp_path / "a.csv", table())
    bounded = only(path, max_error_s=0.02)
    assert bounded.recording is not None
    assert all(arrival.bounded for arrival in bounded.recording.arrivals)
    assert bounded.digest != only(path).digest


def test_the_cadence_is_that_of_the_source_asked_most_often(tmp_path):
    rows = [(1 + n * 64, "slow") for n in range(ROWS)] + [(3 + n * 16, "fast") for n in range(160)]
    text = "".join(f"{t},{t % 7}e-6,{source}\n" for t, source in rows)
    trace = only(written(tmp_path / "a.csv", f"t_s,offset_s,source\n{text}"))
    assert trace.cadence_s == 16.0


def test_a_cadence_is_known_of_many_sources_that_are_asked_once(tmp_path):
    assert only(written(tmp_path / "a.csv", table(source="s{n}"))).cadence_s == 64.0


# Truth


@pytest.mark.parametrize(
    ("measured", "true"),
    [
        ("measurements.csv.gz", "truth.csv.gz"),
        ("measurements.csv", "truth.csv"),
        ("measurements.csv", "measurements.truth.csv.gz"),
        ("a.csv", "a.truth.csv"),
        ("a.csv.gz", "a.truth.csv"),
    ],
)
def test_the_truth_beside_measurements_is_theirs(tmp_path, measured, true):
    written(tmp_path / "w" / true, "t_local_s,offset_s,chrony_offset_s\n0,0.5,\n5000,-0.25,1\n")
    trace = only(written(tmp_path / "w" / measured, table()))
    assert trace.truth_time_s.tolist() == [0, 5000]
    assert trace.truth_s.tolist() == [0.5, -0.25]


def test_a_truth_in_parquet_is_read(tmp_path):
    columns = {"t_local_s": [0.0, 5000.0], "offset_s": [0.5, -0.25]}
    pq.write_table(pa.table(columns), tmp_path / "a.truth.parquet")
    assert only(written(tmp_path / "a.csv", table())).truth_s.tolist() == [0.5, -0.25]


def test_truth_and_measurements_are_on_the_files_axis(tmp_path):
    """The recording moves times that no running host shows; the truth stays where it was."""
    written(tmp_path / "a.truth.csv", "t_local_s,offset_s\n-100,0\n9000,0\n")
    text = "t_s,offset_s\n" + "".join(f"{-7.5 + 64 * n},{n}e-6\n" for n in range(ROWS))
    trace = only(written(tmp_path / "a.csv", text))
    assert trace.recording is not None
    assert trace.recording.shift_ns != 0
    first = trace.recording.arrivals[0].measurement
    assert trace.recording.local_ns(first.raw_ns) == -7_500_000_000
    assert trace.truth_time_s[0] == -100


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("t_local_s,offset\n0,0\n", "line 1: the truth needs a header with t_local_s and offset_s"),
        ("t_local_s,offset_s\n0,0\n1,x\n", "line 3, column offset_s: 'x' is no number"),
        ("t_local_s,offset_s\n0,0\n0,0\n", "line 3: the truth's times must ascend"),
        ("t_local_s,offset_s\n0,nan\n1,0\n", "line 2, column offset_s"),
        ("t_local_s,offset_s\n", "the truth has a header only"),
        ("", "is empty"),
        ("t_local_s,offset_s\n90000,0\n90010,0\n", "knows local times 90000.000 to 90010.000 s"),
    ],
)
def test_a_wrong_truth_is_a_problem_of_its_trace(tmp_path, text, words):
    true = written(tmp_path / "a.truth.csv", text)
    found = read_traces([str(written(tmp_path / "a.csv", table()))])
    assert found.traces == ()
    (problem,) = found.problems
    assert (problem.name, problem.path) == ("a", str(true))
    assert words in problem.reason


# Several hosts in a table


def fleet(hosts: Sequence[str] = ("ada", "bob")) -> str:
    text = "host,t_s,offset_s\n"
    for n in range(ROWS):
        text += "".join(f"{host},{1 + n * 64},{n * 3 + k}e-6\n" for k, host in enumerate(hosts))
    return text


def test_each_host_of_a_table_is_a_trace(tmp_path):
    found = read_traces([str(written(tmp_path / "fleet.csv", fleet()))])
    assert [(trace.name, trace.host) for trace in found.traces] == [
        ("fleet@ada", "ada"),
        ("fleet@bob", "bob"),
    ]
    assert len({trace.digest for trace in found.traces}) == 2
    assert not any("columns not used" in note for trace in found.traces for note in trace.notes)


def test_one_host_leaves_the_name_alone(tmp_path):
    trace = only(written(tmp_path / "a.csv", fleet(["ada"])), host="other")
    assert (trace.name, trace.host) == ("a", "ada")


def test_a_bad_host_leaves_the_others(tmp_path):
    text = fleet().replace("bob,65,", "bob,fast,")
    found = read_traces([str(written(tmp_path / "fleet.csv", text))])
    assert [trace.host for trace in found.traces] == ["ada"]
    (problem,) = found.problems
    assert problem.name == "fleet@bob"
    assert problem.reason == "line 5, column t_s: 'fast' is no number of seconds"


def test_the_truth_of_several_hosts_names_them(tmp_path):
    path = written(tmp_path / "fleet.csv", fleet())
    true = tmp_path / "fleet.truth.csv"
    written(true, "host,t_local_s,offset_s\nbob,0,0.5\nbob,5000,0.5\n")
    ada, bob = read_traces([str(path)]).traces
    assert bob.truth_s.tolist() == [0.5, 0.5]
    assert ada.truth_s.size == 0
    assert ada.notes[-1] == f"{true} says nothing of this host"
    written(true, "t_local_s,offset_s\n0,0.5\n")
    assert reasons(path) == ["needs a column host: the measurements beside it are of several"]
    written(true, fleet().replace("t_s", "t_local_s"))
    one = written(tmp_path / "fleet.csv", table())
    assert "is the truth of several hosts" in reasons(one)[0]


# Parquet


def as_parquet(path: Path, text: str, rows: int = 7) -> Path:
    """The table of a text, its numbers as doubles, in several row groups."""
    names, *lines = (line.split(",") for line in text.splitlines())
    columns = dict(zip(names, zip(*lines, strict=True), strict=True))
    kept = {
        name: list(cells) if name in {"source", "host", "unique_id"} else [*map(float, cells)]
        for name, cells in columns.items()
    }
    pq.write_table(pa.table(kept), path, row_group_size=rows)
    return path


def test_parquet_and_csv_of_the_same_values_are_the_same_trace(tmp_path):
    text = table(delay_s="0.02{n}17", source="s", cpu_temp_c="55.{n}")
    plain = only(written(tmp_path / "a.csv", text))
    stored = only(as_parquet(tmp_path / "b.parquet", text))
    assert plain.digest == stored.digest
    assert plain.recording is not None
    assert stored.recording is not None
    assert plain.recording.arrivals == stored.recording.arrivals
    assert plain.notes == stored.notes


def test_the_digest_is_of_the_content_alone(tmp_path):
    text = table()
    one = only(written(tmp_path / "a.csv", text))
    two = only(written(tmp_path / "x" / "b.csv.gz", f"# comment\n{text}"), host="h")
    assert one.digest == two.digest
    assert len(one.digest) == 64
    written(tmp_path / "a.truth.csv", "t_local_s,offset_s\n0,0\n5000,0\n")
    changed = [
        only(tmp_path / "a.csv"),
        only(written(tmp_path / "c.csv", table(delay_s="0.02"))),
        only(written(tmp_path / "d.csv", table(source="other"))),
        only(written(tmp_path / "e.csv", text.replace("39e-6", "39.001e-6"))),
    ]
    assert len({one.digest, *(trace.digest for trace in changed)}) == 5


def test_unix_time_in_parquet_is_exact_as_a_timestamp(tmp_path):
    """A double holds it to 0.2 us only."""
    times = [1_763_640_000_123_456_789 + n * SECOND for n in range(ROWS)]
    columns = {
        "t_s": pa.array(times, pa.timestamp("ns", "UTC")),
        "offset_s": [n * 1e-6 for n in range(ROWS)],
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    recording = only(tmp_path / "a.parquet").recording
    assert recording is not None
    assert recording.local_ns(recording.arrivals[0].raw_ns) == times[0]


def test_a_wrong_cell_of_parquet_is_told_by_its_row(tmp_path):
    text = table().replace("5e-6", "inf", 1)
    path = as_parquet(tmp_path / "a.parquet", text)
    assert reasons(path) == ["row 6, column offset_s: 'inf' is not finite"]
    back = table().replace("641,", "1,")
    path = as_parquet(tmp_path / "a.parquet", back)
    assert reasons(path)[0].startswith("row 11: its time is 576 s before that of row 10, of the")


def test_missing_values_are_counted_by_their_row(tmp_path):
    columns = {
        "t_s": [1.0 + 64 * n for n in range(ROWS)],
        "offset_s": [None if n in {3, 5} else n * 1e-6 for n in range(ROWS)],
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    told = "2 rows left out: offset_s is empty or NaN (the first: row 4)"
    assert told in only(tmp_path / "a.parquet").notes


# Logs and histories


def test_logs_of_chrony_and_ntpd_are_clocks(tmp_path):
    chrony = "".join(
        f"2016-11-09 05:{n:02d}:50 203.0.113.15    N  2 111 111 1111  10 10 1.0  -4.{n:02d}6e-03"
        "  2.296e-01  1.577e-05  1.615e-01  7.446e-03 CB00717B 4B D K\n"
        for n in range(ROWS)
    )
    peers = "".join(
        f"48773 {10847 + 64 * n}.650 192.0.2.7 9714 -0.0016{n:02d} 0.0105 0.0014 0.0009\n"
        for n in range(ROWS)
    )
    written(tmp_path / "measurements.log", chrony)
    written(tmp_path / "peerstats.20251014", peers)
    found = read_traces([str(tmp_path)])
    assert found.problems == ()
    assert [(trace.name, trace.cadence_s) for trace in found.traces] == [
        ("measurements", 60.0),
        ("peerstats.20251014", 64.0),
    ]


@pytest.fixture
def past(tmp_path: Path) -> Path:
    path = tmp_path / "node" / "history.sqlite3"
    path.parent.mkdir()
    with open_history(path, 30).history as history:
        for number in range(2 * ROWS):
            measurement = Measurement(
                source="192.0.2.7:123",
                raw_ns=(100 + 64 * number) * SECOND,
                offset_ns=1_763_640_000 * SECOND + number,
                delay_ns=20_001,
                precision_ns=100,
                root_delay_ns=5,
                root_dispersion_ns=7,
                stratum=2,
            )
            history.add_measurement(measurement, selected=True)
    return path


def test_a_history_is_a_trace_for_each_boot_of_one_host(past):
    assert only(past).name == "history"
    with sqlite3.connect(past) as connection:
        connection.execute(
            "UPDATE measurements SET boot_id = 'feed-beef-0001' WHERE raw_ns >= ?",
            ((100 + 64 * ROWS) * SECOND,),
        )
    connection.close()
    first, second = read_traces([str(past.parent.parent)]).traces
    assert first.name.startswith("history@")
    assert second.name == "history@feed-bee"
    assert first.host == second.host == "history"
    assert first.recording is not None
    assert len(first.recording.arrivals) == ROWS


def test_a_boot_that_is_too_short_leaves_the_others(past):
    with sqlite3.connect(past) as connection:
        connection.execute(
            "UPDATE measurements SET boot_id = 'short' WHERE raw_ns >= ?",
            ((100 + 64 * (2 * ROWS - 3)) * SECOND,),
        )
    connection.close()
    found = read_traces([str(past)])
    assert len(found.traces) == 1
    (problem,) = found.problems
    assert problem.name == "history@short"
    assert problem.reason == "holds 3 measurements, a comparison needs 32 at least"


def test_boots_that_damage_has_made_alike_are_a_problem(past):
    """As much of them as tells them apart was sought for ever."""
    with sqlite3.connect(past) as connection:
        damage = "UPDATE measurements SET boot_id = CAST(? AS TEXT) WHERE id % 2 = ?"
        connection.executemany(damage, [(b"\xff", 0), (b"\xfe", 1)])
    connection.close()
    (reason,) = reasons(past)
    assert "several boots" in reason


def test_a_damaged_schema_is_a_problem(past):
    """SQLite quotes it in messages that are no UTF-8 then."""
    data = past.read_bytes()
    past.write_bytes(data.replace(b"CREATE TABLE measurements", b"CREATE TABLE \xff measurement"))
    (reason,) = reasons(past)
    assert reason.startswith("cannot be read as a history (")


def test_an_empty_history_is_told(tmp_path):
    open_history(tmp_path / "history.sqlite3", 30).history.close()
    assert reasons(tmp_path / "history.sqlite3") == ["holds no measurements"]


# Bad input


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (table(31), "holds 31 measurements, a comparison needs 32 at least"),
        (table(offset_s="0.001"), "all 40 offsets are the same: nothing to compare"),
        (table(offset_s="{n}e-3", t_s="5"), "all measurements are of one instant"),
        (table(offset_ms="1"), "offset_s and offset_ms: one quantity in two units"),
        (table(delay_s="1", delay_us="1"), "delay_s and delay_us: one quantity in two units"),
        ("t_s,offset_ms\n1,1\n", "line 1: a table needs a header with t_s (or t_local_s)"),
        ("t_s,offset_ms\n1,1\n", "Divide offset_ms by 1000 and call it offset_s"),
        ("t_s;offset_s\n1;1\n", "line 1: its columns must be separated by commas"),
        ("t_s,offset_s\n1,fast\n", "line 2, column offset_s: 'fast' is no number"),
        ("t_s,offset_s\n", "it has a header only"),
        ("host,t_s,offset_s\n", "holds a header only"),
        ("host,t_s,offset_s\n,1,0\n", "line 2 names no host"),
        ("# nothing\n", "holds nothing but comments"),
        ("", "is empty"),
        ("1,2\n3,4\n", "line 1: no column is a time"),
    ],
)
def test_a_wrong_table_is_a_problem_with_its_line(tmp_path, text, words):
    (reason,) = reasons(written(tmp_path / "a.csv", text))
    assert words in reason
    assert "\n" not in reason


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\x7fELF\0\0\0", "is not text: byte 4 is zero"),
        (b"t_s,offset_s\n1,\xff\xfe\n", "line 2: is not text in UTF-8"),
        (gzip.compress(table().encode())[:-20], "ends early: it was cut off"),
        (b"PAR1 and no more", "cannot be read as Parquet ("),
        (b"ARROW1\0\0", "is an Arrow file. Save it as Parquet"),
        (b"PK\x03\x04", "is a zip archive, or a spreadsheet"),
        (b"SQLite format 3\0", "cannot be read as a history"),
    ],
)
def test_junk_is_a_problem(tmp_path, data, words):
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    (reason,) = reasons(path)
    assert words in reason


@pytest.mark.parametrize("keep", [0, 5, 100, -20])
def test_a_parquet_file_that_was_cut_off_is_a_problem(tmp_path, keep):
    path = as_parquet(tmp_path / "a.parquet", table())
    path.write_bytes(path.read_bytes()[:keep])
    (reason,) = reasons(path)
    assert reason == "is empty" if not keep else "cannot be read as Parquet (" in reason


def test_other_texts_called_parquet_are_told(tmp_path):
    (reason,) = reasons(written(tmp_path / "a.parquet", table()))
    assert "cannot be read as Parquet (" in reason


def test_damage_within_parquet_is_a_problem(tmp_path):
    path = as_parquet(tmp_path / "a.parquet", table(source="s{n}"), rows=10)
    data = path.read_bytes()
    for place in range(4, len(data) - 8, 97):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        found = read_traces([str(path)])
        assert len(found.traces) + len(found.problems) == 1


def test_a_problem_ends_nothing(tmp_path):
    written(tmp_path / "a.csv", "junk\n")
    written(tmp_path / "b.csv", table())
    found = read_traces([str(tmp_path), str(tmp_path / "none")])
    assert [trace.name for trace in found.traces] == ["b"]
    assert [problem.name for problem in found.problems] == ["a", str(tmp_path / "none")]


# Recorded traces


@pytest.mark.skipif(not TRACES.is_dir(), reason="no traces (CHRONOTICK_TRACES)")
@pytest.mark.parametrize(("pattern", "count"), [("[a-o]*", 8), ("[p-r]*", 2), ("[s-t]*", 5)])
def test_all_real_traces_are_clocks(pattern, count):
    found = read_traces([str(TRACES / "real" / pattern)])
    assert found.problems == ()
    assert len(found.traces) == count
    assert {trace.kind for trace in found.traces} == {"clock"}
    assert all(0.9 < trace.cadence_s < 1100 for trace in found.traces)


@pytest.mark.skipif(not TRACES.is_dir(), reason="no traces (CHRONOTICK_TRACES)")
@pytest.mark.parametrize("network", ["dc", "wan", "wans", "wifi"])
def test_all_simulated_worlds_have_their_truth(network):
    found = read_traces([str(TRACES / "sim" / f"{network}_*")])
    assert found.problems == ()
    folders = (TRACES / "sim").glob(f"{network}_*")
    assert [trace.name for trace in found.traces] == sorted(path.name for path in folders)
    for trace in found.traces:
        assert trace.truth_s.size > 8000
        assert np.isfinite(trace.truth_s).all()
        assert (np.diff(trace.truth_time_s) > 0).all()
