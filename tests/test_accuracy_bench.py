"""The accuracy benchmark: its parts on a short fresh world, and its command line."""

from __future__ import annotations

import gzip
import importlib
import math
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from chronotick.clock import ClockState

BENCH = Path(__file__).parents[1] / "bench" / "accuracy"
DURATION_S = 2 * 3600.0  # errors count after the first hour


def _program(name: str) -> ModuleType:
    """A module of the benchmark, which is no package: its programs find each other by folder."""
    sys.path.insert(0, str(BENCH))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(BENCH))


ablations = _program("ablations")
estimates = _program("estimates")
figures = _program("figures")
real = _program("real")
scores = _program("scores")
worlds = _program("worlds")
yardsticks = _program("yardsticks")
benchmark = _program("run")


@pytest.fixture(scope="module")
def world():
    return worlds.fresh("dc_calm_p6_s4", seed=3, duration_s=DURATION_S)


@pytest.fixture(scope="module")
def alone(world):
    """What the bank, which sees the past only, makes of it."""
    return estimates.bank_alone(world.recording, world.truth)


@pytest.fixture(scope="module")
def replayed(world):
    return estimates.replayed(world.recording, world.truth)


def error_s(world, offset_s) -> float:
    return scores.spread(world, offset_s - world.truth.offset_s)


def by_hand(name: str = "dc_x", **columns: list[float]) -> tuple[Any, Any]:
    """A world whose truth is 0, with four instants of which the last three count."""
    nothing = np.full(4, math.nan)
    truth = {"offset_s": np.zeros(4), "chrony_s": nothing, "disciplined_s": nothing}
    truth |= {key: np.array(columns.pop(key)) for key in truth.keys() & columns.keys()}
    given = {"offset_s": nothing, "sigma_s": nothing, "bound_s": nothing, "members_s": {}}
    given |= {key.removeprefix("our_"): np.array(column) for key, column in columns.items()}
    time_s = np.array([0.0, 3600.0, 3610.0, 3620.0])
    made = worlds.World(name=name, recording=None, truth=worlds.Truth(time_s=time_s, **truth))
    return made, estimates.Estimates(**given)


def test_a_fresh_world_is_as_long_as_asked_and_of_its_seed(world):
    assert world.truth.time_s[-1] == DURATION_S
    assert world.network == "dc"
    assert {a.measurement.source for a in world.recording.arrivals} == set("1234")
    other = worlds.fresh("dc_calm_p6_s4", seed=4, duration_s=DURATION_S)
    assert not np.array_equal(other.truth.offset_s, world.truth.offset_s)


def test_who_sees_the_future_is_better_and_who_knows_only_lines_is_worse(world, alone):
    causal = error_s(world, alone.offset_s)
    assert error_s(world, yardsticks.oracle(world.recording, world.truth)) < 0.8 * causal
    lines = [
        yardsticks.line(world.recording, world.truth, window_s) for window_s in yardsticks.LINES_S
    ]
    assert causal < min(error_s(world, each) for each in lines) < 1e-3


def clock_state(offset_us: float, sigma_us: float, route_us: float, **frequency: float):
    sigma_s, correlation = sigma_us * 1e-6, frequency.pop("correlation")
    return ClockState(
        raw_ns=0,
        offset_ns=round(offset_us * 1e3),
        frequency=frequency["rate"],
        var_offset=sigma_s**2,
        cov=correlation * sigma_s * frequency["sigma"],
        var_frequency=frequency["sigma"] ** 2,
        white_psd=0.0,
        wander_psd=0.0,
        var_route=(route_us * 1e-6) ** 2,
    )


def test_a_future_of_two_measurements_does_not_overrule_the_past():
    """As on wifi_hvacs_def_s4: less its routes the variance was none, and the oracle 19 ms off."""
    past = clock_state(-124, 146, 39, rate=-2.379e-5, sigma=1.177e-7, correlation=0.509)
    future = clock_state(1697, 4481, 272, rate=2.836e-5, sigma=8.598e-6, correlation=0.99898)
    for each in (past, future):
        assert np.linalg.eigvalsh(yardsticks._covariance(each, 1.0)).min() > 0
    assert abs(yardsticks._combined(past, future)) < 1e6  # ns


def test_two_equal_sides_of_an_instant_meet_in_the_middle():
    past = clock_state(-10, 50, 0, rate=1e-6, sigma=1e-7, correlation=0.0)
    future = clock_state(30, 50, 0, rate=-1e-6, sigma=1e-7, correlation=0.0)
    assert yardsticks._combined(past, future) == pytest.approx(10e3)
    assert yardsticks._combined(past, None) == -10e3
    assert math.isnan(yardsticks._combined(None, None))


def test_a_line_through_a_line_is_that_line(world):
    """Measurements without any error: the fit is exact, and there is none before three of them."""
    recording = world.recording
    exact = tuple(
        replace(a, measurement=replace(a.measurement, offset_ns=a.measurement.raw_ns // 1000))
        for a in recording.arrivals
    )
    straight = replace(recording, arrivals=exact)
    fitted = yardsticks.line(straight, world.truth, 512.0)
    known = ~np.isnan(fitted)
    raw_ns = np.array([recording.raw_ns(round(t * 1e9)) for t in world.truth.time_s[known]])
    wanted_s = (raw_ns // 1000 + recording.shift_ns) * 1e-9
    assert np.abs(fitted[known] - wanted_s).max() < 1e-7  # offsets are large: float64 keeps less
    assert known[-100:].all()


def test_the_daemons_code_is_as_good_as_its_estimator(world, alone, replayed):
    fused, single = error_s(world, replayed.offset_s), error_s(world, alone.offset_s)
    assert fused == pytest.approx(single, rel=0.25)
    assert error_s(world, replayed.members_s["kalman"]) == pytest.approx(fused, rel=0.05)
    assert replayed.wall_s > 0


def test_a_liar_is_left_out_where_yardsticks_are_told(world, alone):
    found = estimates.bank_alone(world.recording, world.truth, without={"1", "2", "3"})
    assert not np.allclose(found.offset_s, alone.offset_s, equal_nan=True)
    assert benchmark.liars_of("wan_hvacs_p6_s4_false") == {"4"}
    assert benchmark.liars_of("wan_hvacs_p6_s4") == set()


def test_estimates_know_nothing_of_what_is_to_come(world, alone):
    half = len(world.recording.arrivals) // 2
    cut = replace(world.recording, arrivals=world.recording.arrivals[:half])
    last_ns = cut.arrivals[-1].raw_ns
    before = [world.recording.raw_ns(round(t * 1e9)) <= last_ns for t in world.truth.time_s]
    found = estimates.bank_alone(cut, world.truth)
    np.testing.assert_array_equal(found.offset_s[before], alone.offset_s[before])


def test_scores_are_those_of_hand_calculation():
    made, given = by_hand(
        our_offset_s=[9.0, 3e-6, -1e-6, 1e-6],
        our_sigma_s=[9.0, 1e-6, 1e-6, 2e-6],
        our_bound_s=[1.0, 2e-6, 2e-6, math.nan],
        chrony_s=[0.0, 6e-6, 6e-6, 6e-6],
        disciplined_s=[0.0, 1e-6, 1e-6, 1e-6],
    )
    found = scores.score(made, given)
    rms = math.sqrt((9 + 1 + 1) / 3) * 1e-6
    assert found.rms_s == found.error_s == pytest.approx(rms)
    assert found.sd_s == pytest.approx(math.sqrt((4 + 4 + 0) / 3) * 1e-6)
    assert found.to_chrony == pytest.approx(rms / 6e-6)
    assert found.to_disciplined == pytest.approx(rms / 1e-6)
    assert found.coverage == pytest.approx(2 / 3)  # 3 us is more than 1.96 times 1 us
    assert found.sigma_to_rms == pytest.approx(4 / 3 * 1e-6 / rms)
    assert (found.violations, found.checks) == (2, 3)  # of the bound at all times


def test_where_routes_are_asymmetric_a_constant_error_does_not_count():
    same = {"our_offset_s": [9.0, 5e-6, 5e-6, 5e-6], "our_sigma_s": [1.0] * 4}
    assert scores.score(*by_hand("wan_x", **same)).error_s == pytest.approx(0.0, abs=1e-18)
    assert scores.score(*by_hand("wans_x", **same)).error_s == pytest.approx(5e-6)


def test_who_is_silent_is_not_scored():
    """Missing estimates made ratios NaN, which means of ratios left out."""
    made, given = by_hand(our_offset_s=[0.0, 1e-6, math.nan, 1e-6], our_sigma_s=[1.0] * 4)
    with pytest.raises(
        ValueError, match="dc_x: no estimate after the warm-up 1 times, first at 36"
    ):
        scores.score(made, given)


def test_a_line_that_is_not_always_there_is_not_the_best():
    """With polls of 256 s the shortest line had gaps, and the ratio to the best was NaN."""
    made, _ = by_hand()
    gaps, whole = np.array([0, 0, math.nan, 0]), np.full(4, 2e-6)
    assert benchmark.least_error(made, [gaps, whole]) == pytest.approx(2e-6)
    assert math.isnan(benchmark.least_error(made, [gaps]))


def test_a_geometric_mean_is_of_what_is_known():
    assert scores.geometric_mean([2.0, math.nan, 8.0]) == pytest.approx(4.0)
    assert math.isnan(scores.geometric_mean([math.nan]))


def test_what_is_not_known_is_null_in_json():
    """NaN is no JSON: most readers refuse the whole file."""
    found = {"worlds": [{"to_chrony": math.nan, "checks": 3, "pair": (1.5, math.inf)}]}
    told = {"worlds": [{"to_chrony": None, "checks": 3, "pair": [1.5, None]}]}
    assert benchmark.as_json(found) == told


def test_the_legend_names_every_column(capsys):
    benchmark.print_worlds([])
    columns = {"/tuned", "bar", *capsys.readouterr().out.replace("error us", "error").split()}
    assert columns - {"world", "wall", "s"} <= set(benchmark.LEGEND.replace(":", " ").split())


def test_progress_is_for_terminals_only(capsys):
    with ThreadPoolExecutor(1) as pool:
        assert list(benchmark.progress(pool, abs, [-1, 2], "numbers")) == [1, 2]
    assert capsys.readouterr().err == ""


def test_every_ablation_can_be_sent_to_another_process(world):
    """One was a lambda, which none can: `--ablations` ended with an error."""
    sent = [pickle.loads(pickle.dumps(part)) for part in ablations.ablations()]  # noqa: S301 - own
    prepared = {part.name: part.prepare(world.recording) for part in sent}
    blind = [a.measurement for a in prepared.pop(ablations.DELAY_BLIND).arrivals]
    assert not any(measurement.delay_known for measurement in blind)
    assert all(recording == world.recording for recording in prepared.values())


def test_the_figure_shows_every_world(world, replayed, tmp_path):
    figures.draw([(world, replayed)], tmp_path)
    assert "<svg" in (tmp_path / "accuracy-dc.svg").read_text()


def test_holdover_of_a_straight_clock_is_straight(tmp_path, monkeypatch):
    folder = tmp_path / "real"
    folder.mkdir()
    time_s = np.arange(0.0, 4 * 3600.0, 15.0)
    noise_s = np.random.default_rng(1).normal(0, 1e-6, len(time_s))
    rows = [
        f"{t!r},{5e-6 * t + n!r}" for t, n in zip(time_s.tolist(), noise_s.tolist(), strict=True)
    ]
    with gzip.open(folder / "steady.csv.gz", "wt") as file:
        file.write("\n".join(["t_s,offset_s", *rows]))
    monkeypatch.setenv("CHRONOTICK_TRACES", str(tmp_path))
    found = list(real.holdover("steady", 600.0))
    assert [each.horizon_s for each in found] == [64.0, 256.0, 1024.0, 3600.0]
    for each in found:
        assert each.rms_s["hold"] == pytest.approx(5e-6 * each.horizon_s, rel=0.05)
        assert each.rms_s["kalman"] < 0.1 * each.rms_s["hold"]
        assert 0.5 < each.coverage <= 1.0


def asked(*arguments: str, traces: Path) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"CHRONOTICK_TRACES": str(traces)}
    command = [sys.executable, str(BENCH / "run.py"), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=50, env=environ
    )


def test_the_program_explains_itself(tmp_path):
    done = asked("--help", traces=tmp_path)
    assert done.returncode == 0
    assert "--ablations" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--worlds", "none-such"], "no world's name holds 'none-such'. There are dc_calm_p6_s1, "),
        ([], "give --seeds 1 for fresh ones"),
        (["--seeds", "1", "--ablations"], "--ablations needs recorded worlds"),
        (["--real"], "--real needs the real traces"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_to_do(tmp_path, arguments, said):
    done = asked(*arguments, traces=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
