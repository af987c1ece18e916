"""Rows that hold a whole series each, as JSON lines and Parquet."""

from __future__ import annotations

import gzip
import json
import math
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronotick.lab.traces import Trace, Traces, read_traces

START = datetime(2025, 10, 14, tzinfo=timezone.utc)
ROWS = 40
VALUES = [round(math.sin(n), 3) for n in range(ROWS)]
TIMES = [START + timedelta(minutes=n) for n in range(ROWS)]


def record(**changes: object) -> dict[str, object]:
    plain = {"id": "x", "timestamp": [time.isoformat() for time in TIMES], "target": VALUES}
    return {name: cell for name, cell in {**plain, **changes}.items() if cell is not ...}


def lines(*records: dict[str, object]) -> str:
    return "".join(f"{json.dumps(each)}\n" for each in records)


def read(tmp_path: Path, text: str, **options: object) -> Traces:
    (tmp_path / "a.jsonl").write_text(text)
    return read_traces([str(tmp_path / "a.jsonl")], **options)


def only(tmp_path: Path, text: str, **options: object) -> Trace:
    found = read(tmp_path, text, **options)
    assert found.problems == ()
    (trace,) = found.traces
    return trace


def stored(tmp_path: Path, columns: dict[str, object]) -> Traces:
    pq.write_table(pa.table(columns), tmp_path / "b.parquet")
    return read_traces([str(tmp_path / "b.parquet")])


def test_a_line_is_a_series(tmp_path):
    trace = only(tmp_path, lines(record(host="ada", unit="degC")))
    assert (trace.name, trace.host, trace.unit, trace.kind) == ("x", "ada", "degC", "series")
    assert trace.time_s[0] == START.timestamp()
    assert trace.cadence_s == 60
    assert trace.value.tolist() == VALUES


@pytest.mark.parametrize("name", ["id", "item_id", "unique_id"])
def test_all_names_of_ids_are_known(tmp_path, name):
    assert only(tmp_path, lines({**record(id=...), name: 7})).name == "7"


def test_lines_without_an_id_are_called_as_the_file(tmp_path):
    found = read(tmp_path, lines(record(id=...), record(id=..., target=VALUES[::-1])))
    assert [trace.name for trace in found.traces] == ["a", "a-2"]


def test_start_and_step_stand_for_times(tmp_path):
    short = record(timestamp=..., start="2025-10-14 00:00:00", freq="min")
    assert only(tmp_path, lines(short)).digest == only(tmp_path, lines(record())).digest


def test_packed_lines_are_read(tmp_path):
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines(record()).encode()))
    assert len(read_traces([str(tmp_path)]).traces) == 1


def test_parquet_and_lines_of_the_same_values_are_the_same_trace(tmp_path):
    plain = only(tmp_path, lines(record()))
    for kind in (pa.timestamp("ms"), pa.timestamp("ns"), pa.timestamp("us", "UTC")):
        times = pa.array([[time.replace(tzinfo=None) for time in TIMES]], pa.list_(kind))
        found = stored(tmp_path, {"id": ["x"], "timestamp": times, "target": [VALUES]})
        assert [trace.digest for trace in found.traces] == [plain.digest]


def test_many_rows_of_parquet_are_many_series(tmp_path):
    count = 150  # more than are read at once
    columns = {
        "id": [f"s{n}" for n in range(count)],
        "timestamp": [TIMES] * count,
        "target": [[value + n for value in VALUES] for n in range(count)],
        "covariate": [VALUES] * count,
    }
    found = stored(tmp_path, columns)
    assert [trace.name for trace in found.traces] == columns["id"]
    assert found.traces[149].value[0] == 149


def test_missing_values_are_gaps(tmp_path):
    holed = [None, math.nan, *VALUES[2:]]
    trace = only(tmp_path, lines(record(target=holed)))
    assert trace.notes == ("2 values are NaN or empty (the first: line 1, value 1)",)
    (same,) = stored(tmp_path, {"id": ["x"], "timestamp": [TIMES], "target": [holed]}).traces
    assert same.digest == trace.digest


def test_truth_may_be_a_list(tmp_path):
    trace = only(tmp_path, lines(record(truth=[None, *VALUES[1:]])))
    assert trace.truth_s.tolist() == VALUES[1:]


def test_offsets_of_a_clock_may_be_records(tmp_path):
    trace = only(tmp_path, lines(record(kind="clock", target=[v * 1e-6 for v in VALUES])))
    assert trace.recording is not None
    assert len(trace.recording.arrivals) == ROWS


def test_another_column_may_be_named(tmp_path):
    text = lines(record(power_ppm=VALUES[::-1]))
    trace = only(tmp_path, text, value="power")
    assert (trace.unit, trace.value[0]) == ("ppm", VALUES[-1])
    assert only(tmp_path, text, value="other").value[0] == VALUES[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": [*VALUES[:-1], "x"]}, "line 2, value 40, column target: 'x' is no number"),
        ({"target": [*VALUES[:-1], math.inf]}, "value 40, column target: 'inf' is not finite"),
        ({"target": [*VALUES[:-1], True]}, "value 40, column target: 'True' is no number"),
        ({"target": [[v] for v in VALUES]}, "line 2, column target: holds several series"),
        ({"target": 7}, "line 2, column target: must be a list"),
        ({"target": ...}, "line 2: has no target. Write {"),
        ({"target": VALUES[1:]}, "line 2, column timestamp: has 40 times for 39 values"),
        ({"target": [1.5] * ROWS}, "is constant"),
        ({"target": []}, "has 40 times for 0 values"),
        ({"timestamp": [*range(20), *range(20)]}, "line 2, value 21: its time is 19 s before that"),
        ({"timestamp": [0, *range(39)]}, "value 2: has the time of line 2, value 1. Take one"),
        ({"timestamp": ...}, "line 2: has no times: it needs a list timestamp, or start and freq"),
        (
            {"timestamp": ..., "start": "2025-01-01", "freq": "M"},
            "'M' is no step of a fixed length",
        ),
        ({"timestamp": ..., "start": "never", "freq": "s"}, "column start: 'never' is no number"),
        ({"timestamp": ..., "start": "2100-01-01", "freq": "365000D"}, "column freq: a time of"),
        ({"truth": VALUES[1:]}, "line 2, column truth: has 39 values, target has 40"),
        ({"kind": "gauge"}, "line 2, column kind: 'gauge' is no kind"),
        ({"kind": "clock", "unit": "ms"}, "must be in s. Divide them by 1000"),
        ({"target_ms": VALUES}, "target and target_ms: one quantity in two units"),
        ({"id": "first"}, "line 2, column id: first is in line 1 already"),
    ],
)
def test_a_wrong_record_is_told_and_leaves_the_others(tmp_path, changes, words):
    found = read(tmp_path, lines(record(id="first"), record(**changes), record(id="last")))
    assert [trace.name for trace in found.traces][-1] == "last"
    (problem,) = found.problems
    assert words in problem.reason


def test_a_line_that_was_cut_off_leaves_the_others(tmp_path):
    found = read(tmp_path, lines(record(), record(id="y"))[:-30])
    assert [trace.name for trace in found.traces] == ["x"]
    (problem,) = found.problems
    assert problem.name == "a-2"
    assert problem.reason.startswith("line 2: is no JSON (")
    assert problem.reason.endswith("Was it cut off?")


@pytest.mark.parametrize("text", ['{\n "name": "dc"\n}\n', "[1, 2]\n", "{" * 100_000, "[{}, {}]"])
def test_other_json_is_told(tmp_path, text):
    (problem,) = read(tmp_path, text).problems
    assert problem.reason.startswith("is JSON, but not a series in each line ({")
    assert "If it describes a world: chronotick lab simulate" in problem.reason


def test_the_same_id_of_two_hosts_is_two_series(tmp_path):
    found = read(tmp_path, lines(record(host="ada"), record(host="bob", target=VALUES[::-1])))
    assert [(t.name, t.host) for t in found.traces] == [("x", "ada"), ("x@bob", "bob")]


# Nothing that a file can hold raises


@settings(max_examples=60)
@given(data=st.binary(max_size=60), ending=st.sampled_from([".csv", ".jsonl", ".parquet"]))
def test_any_bytes_are_a_problem_at_most(tmp_path_factory, data, ending):
    path = tmp_path_factory.mktemp("junk") / f"a{ending}"
    path.write_bytes(data)
    found = read_traces([str(path)])
    assert len(found.problems) == 1


CELLS = st.sampled_from(
    [
        "",
        "nan",
        "inf",
        "-1",
        "1e400",
        "1_0",
        "2025-10-14",
        "9999-12-31",
        "x",
        '"',
        "1e18",
        "0x1",
        "٣",
    ]
)
HEADERS = st.sampled_from(
    [
        "t_s,offset_s",
        "ds,y",
        "unique_id,ds",
        "host,t_s",
        "t_s,y_ms",
        "kind,ds",
        "y,offset_s",
        "ds,ds",
    ]
)


@settings(max_examples=150)
@given(header=HEADERS, rows=st.lists(st.tuples(CELLS, CELLS), max_size=4))
def test_any_cells_are_a_problem_at_most(tmp_path_factory, header, rows):
    path = tmp_path_factory.mktemp("cells") / "a.csv"
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]))
    for options in ({}, {"kind": "clock"}, {"kind": "series"}, {"value": "y"}):
        assert read_traces([str(path)], **options).traces == ()


@settings(max_examples=100)
@given(
    content=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=3) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["id", "timestamp", "target", "start"]), inner)
        ),
    )
)
def test_any_json_is_a_problem_at_most(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("json") / "a.jsonl"
    path.write_text(f"{json.dumps(record())}\n{json.dumps(content)}\n")
    found = read_traces([str(path)])
    assert [trace.name for trace in found.traces] == ["x"]
    assert len(found.problems) == 1
