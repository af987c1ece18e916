"""Series that are no clocks: long tables, their units, and how each mistake in one is told."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chronotick.lab.recordings.errors import CellError
from chronotick.lab.traces import Trace, Traces, read_traces
from chronotick.lab.traces.instants import instant_ns, step_ns

SECOND = 1_000_000_000
TRACES = Path(os.environ.get("CHRONOTICK_TRACES", Path(__file__).parents[4] / "shared" / "traces"))
ROWS = 40
START = datetime(2025, 10, 14, tzinfo=timezone.utc)


def value(n: int) -> float:
    return round(math.sin(n), 3)


def long(rows: int = ROWS, step: float = 60, **columns: Callable[[int], object]) -> str:
    """A long table; ``columns`` are functions of the row's number."""
    forms: dict[str, Callable[[int], object]] = {"ds": lambda n: n * step, "y": value, **columns}
    lines = (",".join(str(form(n)) for form in forms.values()) for n in range(rows))
    return "\n".join([",".join(forms), *lines]) + "\n"


def read(tmp_path: Path, text: str, name: str = "a.csv", **options: object) -> Traces:
    (tmp_path / name).write_text(text)
    return read_traces([str(tmp_path / name)], **options)


def only(tmp_path: Path, text: str, **options: object) -> Trace:
    found = read(tmp_path, text, **options)
    assert found.problems == ()
    (trace,) = found.traces
    return trace


def reason(tmp_path: Path, text: str, **options: object) -> str:
    found = read(tmp_path, text, **options)
    assert found.traces == ()
    (problem,) = found.problems
    assert "\n" not in problem.reason
    return problem.reason


def test_a_series_lies_on_its_grid(tmp_path):
    trace = only(tmp_path, long())
    assert (trace.name, trace.host, trace.kind, trace.unit) == ("a", "a", "series", "")
    assert trace.recording is None
    assert trace.cadence_s == 60
    assert trace.time_s.tolist() == [60.0 * n for n in range(ROWS)]
    assert trace.value.tolist() == [value(n) for n in range(ROWS)]
    assert trace.season == 1
    assert trace.notes == ()


@pytest.mark.parametrize(
    "form",
    [
        "{:%Y-%m-%d %H:%M:%S}",
        "{:%Y-%m-%dT%H:%M:%SZ}",
        "{:%Y-%m-%dT%H:%M}",
        "{:%Y-%m-%dT%H:%M:%S.000000000+00:00}",
    ],
)
def test_times_may_be_dates(tmp_path, form):
    text = long(ds=lambda n: form.format(START + timedelta(minutes=n)))
    trace = only(tmp_path, text)
    assert trace.time_s[0] == START.timestamp()
    assert trace.cadence_s == 60


def test_daily_values_are_a_series(tmp_path):
    text = long(ds=lambda n: f"{START + timedelta(days=n):%Y-%m-%d}")
    assert only(tmp_path, text).cadence_s == 86_400


def test_series_are_told_apart_by_their_id_and_may_interleave(tmp_path):
    text = "unique_id,ds,y\n" + "".join(
        f"{name},{n},{value(n) + k}\n" for n in range(ROWS) for k, name in enumerate("BA")
    )
    b, a = read(tmp_path, text).traces
    assert (b.name, a.name) == ("B", "A")
    assert np.allclose(a.value - b.value, 1)


def test_other_libraries_names_of_columns_are_known(tmp_path):
    text = long().replace("ds,y", "timestamp,target", 1)
    assert only(tmp_path, text).digest == only(tmp_path, long()).digest
    ided = long(item_id=lambda _n: "x").replace("ds,y", "timestamp,target", 1)
    assert only(tmp_path, ided).name == "x"


def test_one_id_of_several_hosts_is_several_series(tmp_path):
    text = "unique_id,host,ds,y\n" + "".join(
        f"offset,{host},{n},{value(n * k)}\n"
        for n in range(ROWS)
        for k, host in ((1, "a"), (2, "b"))
    )
    found = read(tmp_path, text)
    assert [(t.name, t.host) for t in found.traces] == [("offset@a", "a"), ("offset@b", "b")]


def test_the_same_id_in_two_files_gets_the_names_of_the_files(tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text(long(unique_id=lambda _n: "x"))
    assert [t.name for t in read_traces([str(tmp_path)]).traces] == ["one/x", "two/x"]


def test_truth_beside_the_values_is_kept_where_it_is_known(tmp_path):
    trace = only(tmp_path, long(truth=lambda n: "" if n % 2 else n))
    assert trace.truth_time_s.tolist() == [60.0 * n for n in range(0, ROWS, 2)]
    assert trace.truth_s.tolist() == list(range(0, ROWS, 2))


def test_a_season_is_counted_in_samples(tmp_path):
    assert only(tmp_path, long(), season_s=600).season == 10
    trace = only(tmp_path, long(), season_s=86_400)
    assert trace.season == 1
    assert trace.notes == ("a season of 86400 s is not used: 1440 samples of 40",)


# Parquet as pandas writes it


def frame(rows: int = ROWS) -> pd.DataFrame:
    times = pd.date_range("2025-10-14", periods=rows, freq="min")
    return pd.DataFrame({"unique_id": "x", "ds": times, "y": [value(n) for n in range(rows)]})


def test_a_frame_of_nixtlas_is_the_same_trace_in_parquet_and_csv(tmp_path):
    plain = only(tmp_path, frame().to_csv(index=False))
    for change in ({}, {"unique_id": "category"}, {"ds": "datetime64[ns, UTC]"}):
        data = frame().copy()
        if change.get("ds"):
            data["ds"] = data["ds"].dt.tz_localize("UTC")
        else:
            data = data.astype(change)
        data.to_parquet(tmp_path / "a.parquet")
        (stored,) = read_traces([str(tmp_path / "a.parquet")]).traces
        assert stored.digest == plain.digest
        assert stored.name == "x"
        assert stored.time_s[0] == START.timestamp()


def test_rows_of_parquet_are_counted_from_one(tmp_path):
    data = frame()
    data.loc[20, "y"] = math.inf
    data.to_parquet(tmp_path / "a.parquet")
    (problem,) = read_traces([str(tmp_path / "a.parquet")]).problems
    assert (problem.name, problem.reason) == ("x", "row 21, column y: 'inf' is not finite")


# A named column, and units


def test_a_column_has_to_be_named(tmp_path):
    text = long().replace("ds,y", "t_s,frequency_ppm", 1)
    assert reason(tmp_path, text) == (
        "line 1: is neither a clock (t_local_s or t_s, and offset_s) nor a series (ds and y). Say "
        "which column holds the values, as in --value frequency_ppm. It has t_s, frequency_ppm"
    )
    for named in ("frequency", "frequency_ppm"):
        trace = only(tmp_path, text, value=named)
        assert (trace.unit, trace.name, trace.kind) == ("ppm", "a", "series")
    assert "has no column power, but t_s" in reason(tmp_path, text, value="power")


def test_a_named_column_of_a_clocks_table_is_a_series_and_other_clocks_stay_clocks(tmp_path):
    offsets = "".join(f"{64 * n},{value(n)}e-6,{value(n)}\n" for n in range(ROWS))
    (tmp_path / "both.csv").write_text(f"t_s,offset_s,freq_ppm\n{offsets}")
    lines = "".join(f"{line.rsplit(',', 1)[0]}\n" for line in offsets.splitlines())
    (tmp_path / "clock.csv").write_text(f"t_s,offset_s\n{lines}")
    both, clock = read_traces([str(tmp_path)], value="freq").traces
    assert (both.kind, both.unit, clock.kind) == ("series", "ppm", "clock")
    both, clock = read_traces([str(tmp_path)], kind="series").traces
    assert (both.kind, both.unit, clock.kind) == ("series", "s", "series")
    assert clock.value[3] == pytest.approx(value(3) * 1e-6)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns", "ppm", "ppb"])
def test_the_ending_of_a_column_is_its_unit(tmp_path, unit):
    assert only(tmp_path, long().replace("ds,y", f"ds,y_{unit}", 1), unit="degC").unit == unit


def test_a_unit_is_what_the_file_says_else_what_the_caller_says(tmp_path):
    assert only(tmp_path, long(), unit="degC").unit == "degC"
    assert only(tmp_path, long(unit=lambda _n: "W"), unit="degC").unit == "W"


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        (
            long(unit=lambda n: "ms" if n > 20 else "s"),
            {},
            "line 23, column unit: 'ms', but 's' in line 2: two units in one series, convert",
        ),
        (long(y_ms=value), {}, "y and y_ms: one quantity in two units. Take one"),
        (
            long(f_ppm=value, f_ppb=value),
            {"value": "f"},
            "line 1, column f: f_ppm and f_ppb: one quantity in two units",
        ),
        (
            long()
            .replace("ds,y", "ds,y_ppm", 1)
            .replace("\n", ",ppb\n")
            .replace(",ppb", ",unit", 1),
            {},
            "line 2, column unit: 'ppb', but the column is y_ppm: two units",
        ),
        (
            long().replace("ds,y", "t_ms,y", 1),
            {"value": "y"},
            "line 1, column t_ms: times must be in s: divide them by 1000 and call it t_s",
        ),
        (
            long(ds=lambda n: (1_763_640_000 + n) * 1000),
            {},
            "line 2, column ds: a time of 1.764e+12 s: in milliseconds? Divide them by 1000",
        ),
        (
            long().replace("ds,y", "ds,y_ms", 1),
            {"kind": "clock"},
            "line 2, column y_ms: offsets of a clock must be in s. Divide them by 1000",
        ),
        (long(), {"kind": "clock", "unit": "ppm"}, "must be in s, these are in ppm"),
    ],
)
def test_a_mistake_of_unit_is_told_with_its_cure(tmp_path, text, options, words):
    assert words in reason(tmp_path, text, **options)


# Long tables of clocks


def test_offsets_may_be_given_as_clocks(tmp_path):
    offsets = long(64, y=lambda n: value(n) * 1e-6)
    said = only(tmp_path, offsets, kind="clock")
    assert (said.kind, said.unit, said.cadence_s) == ("clock", "s", 60.0)
    assert said.time_s.size == 0
    table = only(tmp_path, offsets.replace("ds,y", "t_s,offset_s", 1))
    assert said.digest == table.digest
    told = only(tmp_path, long(64, y=lambda n: value(n) * 1e-6, kind=lambda _n: "clock"))
    assert told.digest == table.digest


def test_columns_of_measurements_are_kept_in_long_tables_of_clocks(tmp_path):
    text = long(64, y=lambda n: value(n) * 1e-6, delay_s=lambda _n: 0.02, source=lambda n: n % 2)
    recording = only(tmp_path, text, kind="clock").recording
    assert recording is not None
    assert recording.counts == {"0": 32, "1": 32}
    assert recording.arrivals[0].measurement.delay_ns == 20_000_000


def test_dates_of_clocks_are_exact(tmp_path):
    text = long(
        64,
        ds=lambda n: f"{START + timedelta(seconds=n):%Y-%m-%dT%H:%M:%S}.123456789Z",
        y=lambda n: value(n) * 1e-6,
        truth=lambda n: n * 1e-6,
    )
    trace = only(tmp_path, text, kind="clock")
    assert trace.recording is not None
    first = trace.recording.arrivals[0]
    assert trace.recording.local_ns(first.raw_ns) == round(START.timestamp()) * SECOND + 123_456_789
    assert trace.truth_s.tolist() == [n * 1e-6 for n in range(64)]


def test_the_truth_of_sources_at_one_instant_counts_once(tmp_path):
    text = long(64, ds=lambda n: n // 2 * 64, source=lambda n: n % 2, truth=lambda n: n // 2)
    trace = only(tmp_path, text.replace("\n64.0", "\n64"), kind="clock")
    assert trace.truth_s.tolist() == list(range(32))


def test_a_mistake_in_a_long_table_of_clocks_is_told_with_its_line(tmp_path):
    text = long(64, y=lambda n: "fast" if n == 9 else value(n) * 1e-6)
    words = "line 11, column offset_s: 'fast' is no number of seconds"
    assert reason(tmp_path, text, kind="clock") == words


# What is wrong with a series


def test_missing_values_are_gaps_and_counted(tmp_path):
    trace = only(tmp_path, long(y=lambda n: {7: "NaN", 9: ""}.get(n, value(n))))
    assert np.flatnonzero(np.isnan(trace.value)).tolist() == [7, 9]
    assert trace.notes == ("2 values are NaN or empty (the first: line 9)",)


def test_a_few_missing_samples_become_gaps(tmp_path):
    trace = only(tmp_path, long(ds=lambda n: 60 * (n + 2 * (n > 20) + (n > 30))))
    assert len(trace.time_s) == ROWS + 3
    assert np.flatnonzero(np.isnan(trace.value)).tolist() == [21, 22, 33]
    told = "3 samples are missing on the grid and NaN (2 of them after line 22)"
    assert trace.notes == (told,)


def test_times_a_little_beside_the_grid_are_on_it_and_told(tmp_path):
    trace = only(tmp_path, long(ds=lambda n: 60 * n + 3 * (n % 2) * (n < ROWS - 1)))
    assert np.allclose(np.diff(trace.time_s), trace.cadence_s)
    assert "times miss the grid of 60 s by up to 3 s" in trace.notes[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (long(y=lambda n: "fast" if n == 5 else n), "line 7, column y: 'fast' is no number"),
        (long(y=lambda n: "inf" if n == 5 else n), "line 7, column y: 'inf' is not finite"),
        (long(y=lambda n: "1e999" if n == 5 else n), "line 7, column y: '1e999' is not finite"),
        (long(y=lambda n: "1_0" if n == 5 else n), "line 7, column y: '1_0' is no number"),
        (long(y=lambda n: '"1,5"' if n == 5 else n), "is no number: write a decimal point"),
        (long(truth=lambda n: "x" if n == 5 else n), "line 7, column truth: 'x' is no number"),
        (long(ds=lambda n: "noon" if n == 5 else n), "line 7, column ds: 'noon' is no number"),
        (long(ds=lambda n: "" if n == 5 else n), "line 7, column ds: there is no time"),
        (
            long(ds=lambda n: "14/10/2025" if n == 5 else n),
            "line 7, column ds: '14/10/2025' is no time. Write 2025-10-14T12:00:00, or seconds",
        ),
        (long(ds=lambda n: "2025-02-30" if n == 5 else n), "line 7, column ds: '2025-02-30' is no"),
        (long(ds=lambda n: "1700-01-01" if n == 5 else n), "is outside the years 1828 to 2111"),
        (long(ds=lambda n: n - (n == 5)), "line 7: has the time of line 6. Take one of them out"),
        (
            long(ds=lambda n: n if n < 30 else n - 20),
            "line 32: its time is 19 s before that of line 31: several series need a column unique",
        ),
        (
            long(ds=lambda n: n + 0.5 * (n > 5)),
            "line 8: comes 1.5 s after line 7, where the usual step is 1 s: a series needs a regul",
        ),
        (long(ds=lambda n: n * n), "a series needs a regular grid. Resample it, or, if it is a"),
        (
            long(ds=lambda n: n + 1000 * (n > 20)),
            "1000 of 1040 samples of its grid are missing, the most of them in one place (1000)",
        ),
        (long(ds=lambda n: n + 1e9 * (n > 20)), "samples of its grid are missing"),
        (long(y=lambda _n: 7), "is constant: all its 40 values are 7, nothing to compare"),
        (long(1), "holds 1 value, a comparison needs 32 at least"),
        (long(31), "holds 31 values, a comparison needs 32 at least"),
        (
            long(y=lambda n: value(n) if n < 31 else "nan"),
            "holds 31 values and 9 that are NaN or empty, a comparison needs 32 at least",
        ),
        (long(100, y=lambda n: value(n) if n % 3 == 0 else ""), "66 of 100 values are NaN"),
        (long(kind=lambda _n: "gauge"), "line 2, column kind: 'gauge' is no kind of trace. Write"),
        (long(kind=lambda n: "clock" if n else "series"), "two kinds in one series, make it two"),
        ("ds,y\n", "holds a header only"),
        ("ds,y\n1\n", "line 2: has 1 cells, the header 2. Was it cut off?"),
        ("ds,value\n1,2\n", "Say which column holds the values, as in --value value. It has ds"),
        ("value,z\n1,2\n", "no column is a time (t_local_s, t_s or ds)"),
        ("ds,host\n1,2\n", "has no column of values, but ds, host"),
        (long(unique_id=lambda n: "" if n == 5 else "x"), "line 7: unique_id is empty"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path, text, words):
    assert words in reason(tmp_path, text)


def test_a_bad_series_leaves_the_others(tmp_path):
    text = "unique_id,ds,y\n" + "".join(
        f"{name},{n},{'x' if name == 'bad' and n == 3 else value(n)}\n"
        for name in ("a", "bad", "b")
        for n in range(ROWS)
    )
    found = read(tmp_path, text)
    assert [trace.name for trace in found.traces] == ["a", "b"]
    assert [(p.name, p.reason) for p in found.problems] == [
        ("bad", "line 45, column y: 'x' is no number")
    ]


# Times and steps


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("0", 0),
        ("-1.5", -1_500_000_000),
        ("1763640000.123456789", 1_763_640_000_123_456_789),
        ("1970-01-01", 0),
        ("1970-01-01T00:00:01Z", SECOND),
        ("1970-01-01 00:00:00.000000001", 1),
        ("1969-12-31T23:59:59.5", -500_000_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T01:00:00 +0100", 0),
        ("1970-01-01 00:00:00 UTC", 0),
    ],
)
def test_instants_are_exact(text, expected_ns):
    assert instant_ns(text) == expected_ns


@pytest.mark.parametrize(
    ("text", "expected_s"),
    [
        ("s", 1),
        ("5min", 300),
        ("15T", 900),
        ("h", 3600),
        ("2H", 7200),
        ("D", 86_400),
        ("W-SUN", 604_800),
    ],
)
def test_steps_are_named_as_by_pandas(text, expected_s):
    assert step_ns(text) == expected_s * SECOND


@pytest.mark.parametrize("text", ["M", "MS", "QE", "B", "0s", "", "min5", "1.5h"])
def test_a_step_without_a_fixed_length_is_refused(text):
    with pytest.raises(CellError, match="is no step"):
        step_ns(text)


@pytest.mark.skipif(not TRACES.is_dir(), reason="no traces (CHRONOTICK_TRACES)")
def test_the_frequency_of_a_real_loop_is_a_series():
    path = str(TRACES / "real" / "pfsense_loop_freq.csv.gz")
    (trace,) = read_traces([path], value="freq").traces
    assert (trace.kind, trace.unit, len(trace.value)) == ("series", "ppm", 10_800)
    assert trace.cadence_s == pytest.approx(8)
    assert not np.isnan(trace.value).any()
