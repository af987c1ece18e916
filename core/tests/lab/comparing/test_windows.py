"""Windows hold what the daemon would have known at their origins, and nothing that came later."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chronotick.config.schema import Config, Predictor
from chronotick.daemon.clockwork import Clockwork
from chronotick.daemon.status import StateMachine
from chronotick.daemon.timekeeper import Timekeeper
from chronotick.lab.comparing import Origins, Preparation
from chronotick.lab.comparing.grids import Grid
from chronotick.lab.comparing.judging import FEWEST_DIFFERENCES, Judge, last_value, naive_scale
from chronotick.lab.comparing.preparing import NoWindowsError, is_prepared, prepare
from chronotick.lab.comparing.windows import (
    ARRAYS,
    PER_HORIZON,
    PER_WINDOW,
    Draft,
    Windows,
    WindowWriter,
    write_index,
)
from chronotick.lab.recordings.recording import Arrival, Recording
from chronotick.lab.replaying.host import NoMemory
from chronotick.lab.replaying.sources import RecordedSources
from chronotick.lab.traces import Trace
from chronotick.models.forecast import as_batch

S = 1_000_000_000
CONTEXT = 48
KNOWN_BY_THEN = (*PER_WINDOW, "mean", "sigma", "low", "high", "scale")


def preparation(*horizons_s: float, **origins: object) -> Preparation:
    wanted = Origins(**({"warm_up_s": 3600.0, "windows": 8} | origins))
    return Preparation(horizons_s=horizons_s or (128.0, 512.0), context=CONTEXT, origins=wanted)


def windows_of(trace: Trace, how: Preparation, root: Path) -> tuple[Grid, Windows]:
    """Prepare a trace whose horizons share a grid."""
    (key,) = prepare(trace, how, root)
    (grid,) = how.grids(trace)
    return grid, Windows.opened(root / key, grid.step_ns / S)


def with_arrivals(trace: Trace, arrivals: list[Arrival]) -> Trace:
    assert trace.recording is not None
    recording = replace(trace.recording, arrivals=tuple(arrivals))
    return replace(trace, recording=recording, digest=f"{len(arrivals)}{trace.digest}")


class Daemon:
    """The daemon's parts, driven by hand."""

    def __init__(self, recording: Recording) -> None:
        config, first_ns = Config(), recording.arrivals[0].raw_ns
        self.keeper = Timekeeper(config)
        self.sources = RecordedSources(config.clock_measurement)
        self.clockwork = Clockwork(
            self.keeper,
            NoMemory(),
            StateMachine(lambda _change: None, first_ns),
            config.clock_measurement,
            raw_ns=first_ns,
            suspended_ns=0,
        )
        self._arrivals = list(recording.arrivals)

    def until(self, raw_ns: int) -> None:
        while self._arrivals and self._arrivals[0].raw_ns <= raw_ns:
            arrival = self._arrivals.pop(0)
            if self.sources.arrive(arrival):
                self.clockwork.measure(arrival.measurement, self.sources)


def test_contexts_are_those_of_the_daemon(wild: Trace, known_windows: Path):
    recording = wild.recording
    assert recording is not None
    grid, windows = windows_of(wild, preparation(), known_windows)
    daemon = Daemon(recording)
    for number, origin_s in enumerate(windows.table["origin_s"]):
        raw_ns = recording.raw_ns(round(origin_s * S))
        daemon.until(raw_ns)
        theirs = daemon.keeper.window(
            Predictor(step=grid.step_ns / S, context_length=CONTEXT), raw_ns
        )
        assert theirs is not None
        np.testing.assert_array_equal(windows.values[number], theirs.values.astype(np.float32))
        np.testing.assert_array_equal(windows.noise[number], theirs.noise.astype(np.float32))
        trend = theirs.trend
        assert windows.table["trend"][number].tolist() == [
            (trend.offset_ns + recording.shift_ns) / S,
            trend.frequency,
            trend.var_offset,
            trend.cov,
            trend.var_frequency,
            trend.wander_psd,
        ]
        assert windows.table["context"][number] == theirs.measured > 30
        sent, asked = as_batch(theirs, CONTEXT), windows.chosen(np.array([number]), CONTEXT)
        np.testing.assert_array_equal(asked.expected, sent.expected)
        np.testing.assert_array_equal(asked.expected_sigma, sent.expected_sigma)
        assert np.ptp(sent.expected) > 0


def test_a_batch_is_the_newest_samples_of_the_windows_asked_for(wild: Trace, known_windows: Path):
    grid, windows = windows_of(wild, preparation(), known_windows)
    batch = windows.chosen(np.array([5, 2]), 10)
    assert batch.step_s == grid.step_ns / S
    np.testing.assert_array_equal(batch.values, windows.values[[5, 2], -10:])
    np.testing.assert_array_equal(batch.trend_covariance, windows.table["trend"][[5, 2], 2:])
    assert batch.values.dtype == np.float64


def test_what_comes_after_an_origin_changes_nothing_that_was_known(
    wild: Trace, known_windows: Path, tmp_path: Path
):
    """All later measurements are moved by a millisecond, delays too; every tenth is taken out."""
    assert wild.recording is not None
    how = preparation()
    _, before = windows_of(wild, how, known_windows)
    number = 4
    cut_ns = wild.recording.raw_ns(round(before.table["origin_s"][number] * S))
    changed = [
        each
        if each.raw_ns <= cut_ns
        else replace(
            each,
            measurement=replace(
                each.measurement,
                offset_ns=each.measurement.offset_ns + 1_000_000,
                delay_ns=2 * each.measurement.delay_ns,
            ),
        )
        for place, each in enumerate(wild.recording.arrivals)
        if each.raw_ns <= cut_ns or place % 10
    ]
    _, after = windows_of(with_arrivals(wild, changed), how, tmp_path)
    known = slice(0, number + 1)
    np.testing.assert_array_equal(after.values[known], before.values[known])
    np.testing.assert_array_equal(after.noise[known], before.noise[known])
    for name in KNOWN_BY_THEN:
        np.testing.assert_array_equal(after.table[name][known], before.table[name][known], name)
    np.testing.assert_array_equal(after.table["truth"], before.table["truth"])
    moved = after.table["measured"][number] - before.table["measured"][number]
    assert (np.abs(moved) > 1e-4).all()
    assert not np.array_equal(after.values[number + 1], before.values[number + 1])


def test_a_recording_that_ends_early_has_the_same_windows_until_then(calm: Trace, tmp_path: Path):
    """Nothing of what is known depends on how a recording goes on, or whether it does."""
    assert calm.recording is not None
    how = preparation(warm_up_s=1800.0, every_s=600.0)
    _, whole = windows_of(calm, how, tmp_path)
    arrivals = calm.recording.arrivals
    _, part = windows_of(with_arrivals(calm, [*arrivals[: len(arrivals) // 2]]), how, tmp_path)
    both = min(len(whole), len(part)) - 1
    assert both > 3
    for name in KNOWN_BY_THEN:
        np.testing.assert_array_equal(part.table[name][:both], whole.table[name][:both], name)


def test_a_forecast_never_enters_a_context(compare: Callable[..., object], calm: Trace):
    """Windows are made before any model is asked; the same files serve all of them."""
    compare("", calm)
    root = compare.out / "windows"
    before = {path: path.read_bytes() for path in root.glob("*/arrays/*.npy")}
    compare("echo short", calm)
    assert {path: path.read_bytes() for path in root.glob("*/arrays/*.npy")} == before
    assert before


def test_measured_is_a_weighted_mean_of_the_step_before_the_target():
    recording = Recording(path="", format="", arrivals=(), shift_ns=1000 * S)
    learnt = [
        # RAW time, UTC - RAW, noise, expected error: local times 100, 106, 108 and 111 s
        (1100 * S, -1000 * S + 1_000, 1e-6, 0.0),
        (1108 * S, -1000 * S + 5_000, 1e-6, 2e-6),
        (1106 * S, -1000 * S + 3_000, 2e-6, 0.0),
        (1111 * S, -1000 * S + 9_000, 1e-6, 0.0),
    ]
    judge = Judge(learnt, recording)
    targets_ns = np.array([110 * S, 111 * S, 105 * S, 100 * S])
    frequency = np.array([1e-7, 0.0, 0.0, 0.0])
    found = judge.measured(targets_ns, 4 * S, frequency)
    # (106, 110]: 5 us less the error of 2 us at 108, carried on for 2 s. 106 itself is outside.
    assert found[0] == pytest.approx(3e-6 + 2e-7, abs=1e-15)
    # (107, 111]: 3 us and 9 us of the same weight.
    assert found[1] == pytest.approx(6e-6, abs=1e-15)
    assert np.isnan(found[2])
    assert found[3] == pytest.approx(1e-6, abs=1e-15)
    wider = judge.measured(targets_ns[:1], 10 * S, frequency)
    weights = np.array([2e-6, 1e-6]) ** -2.0
    values = np.array([3e-6 + 4e-7, 3e-6 + 2e-7])
    assert wider[0] == pytest.approx((weights * values).sum() / weights.sum(), abs=1e-15)


def test_without_any_measurement_nothing_is_judged():
    judge = Judge([], Recording(path="", format="", arrivals=()))
    assert np.isnan(judge.measured(np.array([S]), S, np.zeros(1))).all()


def test_truth_is_interpolated_and_never_carried_on(wild: Trace, tmp_path: Path):
    how = preparation(128.0, 512.0, every_s=300.0, windows=100)
    end_s = wild.truth_time_s[-200]
    short = replace(
        wild,
        truth_time_s=wild.truth_time_s[10:-199],
        truth_s=wild.truth_s[10:-199],
        digest="short",
    )
    _, windows = windows_of(short, how, tmp_path)
    for place, horizon_s in enumerate((128.0, 512.0)):
        target_s = windows.table["origin_s"] + horizon_s
        found = windows.table["truth"][:, place]
        inside = (target_s >= short.truth_time_s[0]) & (target_s <= end_s)
        assert 0 < inside.sum() < len(inside)
        assert np.isnan(found[~inside]).all()
        exact = np.interp(target_s[inside], wild.truth_time_s, wild.truth_s)
        np.testing.assert_array_equal(found[inside], exact)


def test_truth_is_not_made_up_in_holes(wild: Trace, tmp_path: Path):
    """A receiver that was off for twenty minutes leaves them unknown, not a straight line."""
    off = slice(500, 620)
    holed = replace(
        wild,
        truth_time_s=np.delete(wild.truth_time_s, off),
        truth_s=np.delete(wild.truth_s, off),
        digest="holed",
    )
    _, windows = windows_of(holed, preparation(128.0, 512.0, every_s=300.0), tmp_path)
    target_s = windows.table["origin_s"] + 128.0
    inside = (target_s > wild.truth_time_s[499]) & (target_s < wild.truth_time_s[620])
    assert 0 < inside.sum() < len(inside)
    assert (np.isnan(windows.table["truth"][:, 0]) == inside).all()


def test_the_last_value_is_as_it_was_measured():
    grid = Grid(step_ns=10 * S, context=4, steps=(1,))
    values = np.array([1e-6, np.nan, 3e-6, np.nan])
    assert last_value(values, 0.5, 1e-6, grid) == pytest.approx(0.5 + 3e-6 - 1e-5, abs=1e-15)
    assert np.isnan(last_value(np.full(4, np.nan), 0.5, 1e-6, grid))


def test_the_scale_is_the_error_of_a_naive_drift():
    count = FEWEST_DIFFERENCES + 2
    squares = np.arange(count, dtype=float) ** 2
    assert naive_scale(squares, 1) == 2.0  # the second difference of squares
    assert naive_scale(squares + 1e3 + 7.0 * np.arange(count), 1) == pytest.approx(2.0)
    assert np.isnan(naive_scale(squares[:-1], 1))  # one difference too few
    assert np.isnan(naive_scale(squares, count // 2))
    gaps = np.r_[squares, np.nan, squares]
    assert naive_scale(gaps, 1) == 2.0


def test_windows_are_made_once(calm: Trace, tmp_path: Path):
    how = preparation()
    assert not is_prepared(calm, how, tmp_path)
    counts = prepare(calm, how, tmp_path)
    assert is_prepared(calm, how, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert prepare(calm, how, tmp_path) == counts
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_key_is_of_the_content_alone(wild: Trace):
    how = preparation()
    (grid,) = how.grids(wild)
    assert how.key(replace(wild, name="other", path="/elsewhere"), grid) == how.key(wild, grid)
    others = {
        how.key(wild, grid),
        how.key(replace(wild, digest="another"), grid),
        how.key(wild, replace(grid, context=49)),
        how.key(wild, replace(grid, steps=(1,))),
        preparation(windows=9).key(wild, grid),
    }
    assert len(others) == 5


def test_a_trace_without_a_window_says_what_to_shorten(wild: Trace, tmp_path: Path):
    with pytest.raises(NoWindowsError, match=r"lasts 10\d+ s, .* 3600 s .* 86400 s.*--horizons"):
        prepare(wild, preparation(86_400.0), tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_origin_before_the_first_measurement_is_none(calm: Trace, tmp_path: Path):
    _, windows = windows_of(calm, preparation(exactly_s=(-5.0, 5000.0)), tmp_path)
    assert windows.table["origin_s"].tolist() == [5000.0]


def test_windows_that_are_passed_over_hold_nothing(tmp_path: Path):
    """Not zeros, which would be measurements."""
    writer = WindowWriter(tmp_path / "key" / ARRAYS, 4, 3, 1)
    writer.write(1, {"values": np.arange(3.0), "noise": np.ones(3)})
    writer.close()
    windows = Windows.opened(tmp_path / "key", 1.0)
    assert windows.values[1].tolist() == [0.0, 1.0, 2.0]
    for number in (0, 2, 3):
        assert np.isnan(windows.values[number]).all()
        assert np.isnan(windows.noise[number]).all()
    assert np.isnan(windows.table["context"]).all()


def test_a_half_written_directory_is_none(tmp_path: Path):
    final = tmp_path / "windows"
    (final / ARRAYS).mkdir(parents=True)
    (final / ARRAYS / "values.npy").write_bytes(b"half")
    with Draft(final) as path:
        (path / "new").write_text("whole")
        write_index(path, {"windows": 1})
    assert [each.name for each in sorted(final.iterdir())] == ["new", "windows.json"]
    assert [each.name for each in tmp_path.iterdir()] == ["windows"]


def test_a_draft_that_fails_leaves_nothing(tmp_path: Path):
    def fail(path: Path) -> None:
        (path / "half").write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError), Draft(tmp_path / "windows") as path:
        fail(path)
    assert not list(tmp_path.iterdir())


def test_the_faster_of_two_processes_wins(tmp_path: Path):
    """Two traces with the same content have windows of the same name."""
    with Draft(tmp_path / "windows") as slow:
        with Draft(tmp_path / "windows") as fast:
            write_index(fast, {"windows": 1})
        write_index(slow, {"windows": 2})
    assert [each.name for each in tmp_path.iterdir()] == ["windows"]
    assert '"windows": 1' in (tmp_path / "windows" / "windows.json").read_text()


def test_a_full_disk_is_an_error_and_leaves_nothing(calm: Trace, tmp_path: Path):
    """A memory map would end the process with SIGBUS instead."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (700, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            prepare(calm, preparation(), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def test_directories_of_windows_can_be_read_by_a_group(calm: Trace, tmp_path: Path):
    (key,) = prepare(calm, preparation(), tmp_path)
    (tmp_path / "ordinary").mkdir()
    assert (tmp_path / key).stat().st_mode == (tmp_path / "ordinary").stat().st_mode
    assert os.listdir(tmp_path / key / ARRAYS)  # noqa: PTH208 - any entry will do


def test_the_table_has_a_row_per_window_and_a_column_per_horizon(wild: Trace, known_windows: Path):
    grid, windows = windows_of(wild, preparation(), known_windows)
    assert len(windows) == 8
    for name in PER_HORIZON:
        assert windows.table[name].shape == (8, len(grid.steps)), name
    part = windows.part(2, 5)
    assert len(part) == 3
    np.testing.assert_array_equal(part.table["mean"], windows.table["mean"][2:5])
