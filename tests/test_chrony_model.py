"""The model of chrony that judges fresh worlds: its parts, and the whole."""

from __future__ import annotations

import importlib
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

REPOSITORY = Path(__file__).parents[1]
BENCH = REPOSITORY / "bench" / "accuracy"
DRIFT, START_S, JITTER_S = 2e-5, 0.25, 20e-6


def _program(name: str) -> ModuleType:
    """A module of the benchmark, which is no package: its programs find each other by folder."""
    sys.path.insert(0, str(BENCH))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(BENCH))


chrony = _program("chrony")
reference = _program("chrony_reference")
regression = _program("chrony_regression")
source = _program("chrony_source")
worlds = _program("worlds")
rms = _program("scores").rms


def true_offset_s(time_s: float) -> float:
    return START_S + DRIFT * time_s


def world(servers: int, *, wrong: int = 0, count: int = 60) -> list[Any]:
    """Samples of a clock with constant drift; the last `wrong` servers are off by 30 ms."""
    rng = np.random.default_rng(7)
    taken = []
    for number in range(servers):
        lie_s = 0.03 if number >= servers - wrong else 0.0
        for index in range(count):
            middle_s = 64.0 * index + 0.2 * number
            out_s, back_s = 1e-3 + rng.exponential(JITTER_S, 2)
            error_s = (out_s - back_s) / 2 + lie_s
            taken.append(
                source.Sample(
                    source=f"s{number}",
                    arrived_s=middle_s + (out_s + back_s) / 2,
                    middle_s=middle_s,
                    offset_s=true_offset_s(middle_s) + error_s,
                    delay_s=out_s + back_s,
                )
            )
    return sorted(taken, key=lambda sample: sample.arrived_s)


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [(1, 636.62), (2, 31.599), (3, 12.924), (10, 4.587), (40, 3.551), (41, 3.5), (62, 3.5)],
)
def test_confidence_is_students_until_it_is_a_constant(degrees, expected):
    assert regression.confidence_coefficient(degrees) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("count", "expected"), [(3, 0), (7, 0), (8, 2), (9, 3), (20, 7), (64, 26), (128, 55)]
)
def test_critical_runs_are_those_of_fair_coins(count, expected):
    assert regression.critical_runs(count) == expected


def test_critical_runs_of_a_random_sequence_are_rare():
    rng = np.random.default_rng(1)
    found = [regression.runs(rng.normal(size=30)) for _ in range(4000)]
    assert np.mean(np.array(found) < regression.critical_runs(30)) < 0.07


def test_runs_change_with_the_sign_and_at_zero():
    assert regression.runs(np.array([1.0, 2.0, -1.0, -3.0, 4.0])) == 3
    assert regression.runs(np.array([1.0, 0.0, 2.0])) == 3
    assert regression.runs(np.array([1.0])) == 1


def test_a_weighted_line_is_that_of_least_squares():
    rng = np.random.default_rng(2)
    times_s = np.sort(rng.uniform(-600, 0, 12))
    times_s -= times_s[-1]
    offsets_s = 1e-3 + 5e-6 * times_s + rng.normal(0, 1e-5, 12)
    variances = rng.uniform(1, 9, 12)
    line = regression.best_line(times_s, offsets_s, variances, older=0, fewest=12)
    slope, offset_s = np.polyfit(times_s, offsets_s, 1, w=variances**-0.5)
    assert line.start == 0
    assert line.frequency == pytest.approx(slope, rel=1e-9)
    assert line.offset_s == pytest.approx(offset_s, rel=1e-9)
    assert line.skew == pytest.approx(line.frequency_sd * 4.587, rel=1e-3)


def test_two_samples_are_no_line():
    pair = np.array([-1.0, 0.0])
    assert regression.best_line(pair, pair, np.ones(2), older=0, fewest=6) is None


def test_a_bend_makes_it_forget_what_was_before():
    times_s = np.arange(-39.0, 1.0) * 64
    noise_s = np.random.default_rng(3).normal(0, 1e-7, 40)
    bent_s = np.where(times_s < -900, 0.0, (times_s + 900) * 1e-6) + noise_s
    line = regression.best_line(times_s, bent_s, np.ones(40), older=0, fewest=6)
    assert times_s[line.start] > -1300
    assert line.frequency == pytest.approx(1e-6, rel=0.1)
    assert len(times_s) - line.start >= 6


def test_samples_from_before_reveal_a_bend_too():
    """Among the fitted samples alone there are too few signs to tell."""
    times_s = np.arange(-13.0, 1.0) * 64
    bent_s = 1e-10 * times_s**2
    alone = regression.best_line(times_s[7:], bent_s[7:], np.ones(7), older=0, fewest=3)
    before = regression.best_line(times_s, bent_s, np.ones(7), older=7, fewest=3)
    assert alone.start == 0
    assert before.start > 0


def test_a_delay_on_one_way_shows_as_a_slope_of_one_half():
    rng = np.random.default_rng(4)
    times_s, delays_s = np.arange(-19.0, 1.0) * 64, rng.exponential(1e-3, 20)
    offsets_s = 1e-5 * times_s + 0.5 * delays_s
    assert regression.delay_slope(times_s, offsets_s, delays_s) == pytest.approx(0.5)
    assert regression.delay_slope(times_s, offsets_s, np.full(20, 1e-3)) is None
    assert regression.delay_slope(times_s[:3], offsets_s[:3], delays_s[:3]) is None


def test_a_late_reply_that_its_delay_explains_is_left_out():
    server = source.Source()
    early = world(1, count=20)
    assert all(server.take(sample) for sample in early)
    late = replace(early[-1], middle_s=1280.0, arrived_s=1280.25, delay_s=0.5)
    assert not server.take(replace(late, offset_s=true_offset_s(1280.0) + 0.2))
    assert server.take(replace(late, offset_s=true_offset_s(1280.0) + 5.0))


def test_time_that_goes_back_starts_the_history_again():
    server = source.Source()
    early = world(1, count=20)
    for sample in early:
        server.take(sample)
    server.take(early[3])
    assert server.line is None


def test_a_history_holds_64_samples():
    server, sizes = source.Source(), []
    for sample in world(1, count=150):
        server.take(sample)
        sizes.append(server._end - server._first)
        assert server._first - server._oldest <= sizes[-1]
    assert max(sizes) == source.MOST_SAMPLES
    assert server.line.frequency == pytest.approx(DRIFT, abs=1e-8)


def interval(low_s, high_s):
    return source.Interval(low_s, high_s, (high_s - low_s) / 2)


def test_the_majority_agrees_and_others_are_false():
    three = {"a": interval(-1, 1), "b": interval(-0.5, 2), "c": interval(5, 6)}
    assert reference.agreeing(three) == ["a", "b"]


def test_half_is_no_majority():
    assert reference.agreeing({"a": interval(-1, 1), "b": interval(2, 3)}) == []


def test_the_clock_takes_a_frequency_only_with_small_skew():
    clock = reference.Clock()
    unsure = clock.adjust(10.0, reference.Tracking(0.5, 1e-5, 1e-3))
    assert (unsure.offset_s, unsure.frequency) == (0.5, 0.0)
    sure = clock.adjust(20.0, reference.Tracking(0.6, 1e-5, 1e-6))
    assert sure.frequency == pytest.approx(1e-5, rel=1e-6)


@pytest.mark.parametrize(("servers", "wrong"), [(1, 0), (4, 0), (4, 1)])
def test_a_steady_clock_is_followed(servers, wrong):
    updates = list(chrony.chrony_updates(world(servers, wrong=wrong)))
    errors_s = [each.offset_s - true_offset_s(each.time_s) for each in updates[5:]]
    assert math.sqrt(np.mean(np.square(errors_s))) < JITTER_S
    assert updates[-1].frequency == pytest.approx(DRIFT, abs=2e-8)


def test_the_future_changes_nothing_before_it():
    taken = world(4)
    changed = [replace(sample, offset_s=sample.offset_s + 1e-3) for sample in taken[120:]]
    before = taken[120].arrived_s
    known = [each for each in chrony.chrony_updates(taken) if each.time_s < before]
    other = [u for u in chrony.chrony_updates([*taken[:120], *changed]) if u.time_s < before]
    assert known
    assert known == other


@pytest.mark.parametrize("name", ["dc_hvac_p6_s1", "wan_hvacs_p8_s4", "wifi_calm_p6_s1"])
def test_it_is_what_chrony_said_of_recorded_worlds(name):
    if name not in worlds.recorded_names():
        pytest.skip(f"no recorded worlds in {worlds.traces()}")
    recorded = worlds.recorded(name)
    truth, late = recorded.truth, recorded.truth.counts
    model_s = chrony.chrony_as_recorded(recorded.recording, truth.time_s, truth.offset_s)
    theirs = rms((truth.chrony_s - truth.offset_s)[late])
    assert rms((model_s - truth.offset_s)[late]) == pytest.approx(theirs, rel=0.02)
    assert rms((model_s - truth.chrony_s)[late]) < 0.05 * theirs
    causal_s = chrony.chrony_estimate(recorded.recording, truth.time_s)
    assert rms((causal_s - truth.offset_s)[late]) == pytest.approx(theirs, rel=0.03)


def test_before_the_first_update_the_clock_is_believed():
    fresh = worlds.fresh("wan_calm_p8_s1", seed=5)
    estimate_s = chrony.chrony_estimate(fresh.recording, np.array([0.0, 86_000.0]))
    assert estimate_s[0] == 0.0
    true_s = np.interp(86_000.0, fresh.truth.time_s, fresh.truth.offset_s)
    assert estimate_s[1] == pytest.approx(true_s, abs=0.01)


def test_without_recorded_worlds_the_program_says_so(tmp_path):
    environ = os.environ | {"CHRONOTICK_TRACES": str(tmp_path)}
    command = [sys.executable, str(BENCH / "chrony.py")]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=50, env=environ
    )
    assert done.returncode == 1
    assert "CHRONOTICK_TRACES" in done.stderr
