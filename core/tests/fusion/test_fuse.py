from __future__ import annotations

import numpy as np
import pytest

from chronotick.clock import ClockState
from chronotick.fusion import Fusion, Scorer, Skill
from chronotick.models import PathForecast
from chronotick.ntp.measurement import Measurement

SECOND = 1_000_000_000
BASE = 1_700_000_000 * SECOND


def state(raw_s: float = 100.0) -> ClockState:
    return ClockState(
        raw_ns=round(raw_s * SECOND),
        offset_ns=BASE,
        frequency=0.0,
        var_offset=1e-12,
        cov=0.0,
        var_frequency=1e-16,
        white_psd=0.0,
        wander_psd=0.0,
    )


def path(model: str, beyond_s: float, raw_s: float = 100.0, steps: int = 16) -> PathForecast:
    return PathForecast(
        model=model,
        predictor="short_term",
        trend=state(raw_s),
        known_raw_ns=round(raw_s * SECOND),
        step_ns=4 * SECOND,
        residual=np.concatenate([[0.0], np.full(steps, beyond_s)]),
        claimed_sigma=np.full(steps + 1, np.nan),
        latency_s=0.0,
    )


def proven(rms_s: dict[str, float]) -> Skill:
    skill = Skill(min_scores=4)
    for model, rms in rms_s.items():
        for horizon in (1.0, 4.0, 16.0, 64.0):
            for _ in range(20):
                skill.add(model, horizon, rms, 1e-16)
    return skill


def fuse(fusion: Fusion, *paths: PathForecast, raw_s: float = 116.0):
    return fusion.fuse(state(), 1.0, round(raw_s * SECOND), {p.model: p for p in paths})


def weights(fused) -> dict[str, float]:
    return {m.model: m.weight for m in fused.members}


def test_unproven_models_have_no_weight_and_say_why():
    fused = fuse(Fusion("inverse_variance", Skill(4)), path("new", 5e-3))
    assert weights(fused) == {"kalman": 1.0, "new": 0.0}
    assert fused.offset_ns == BASE
    assert "not proven at 16 s: 0 scored forecasts" in fused.members[1].reason


def test_weight_follows_measured_error_not_claims():
    fused = fuse(
        Fusion("inverse_variance", proven({"good": 1e-7, "bad": 1e-3})),
        path("good", 1e-5),
        path("bad", 1e-2),
    )
    shares = weights(fused)
    assert shares["bad"] < 1e-5
    assert shares["good"] > shares["kalman"] > 0
    assert BASE < fused.offset_ns < BASE + 10_000 + 50


def test_fused_sigma_is_that_of_the_best_member_not_less():
    fused = fuse(
        Fusion("inverse_variance", proven({"a": 2e-6, "b": 2e-6, "c": 2e-6})),
        *(path(m, 0.0) for m in "abc"),
    )
    assert fused.sigma_s == min(m.sigma_s for m in fused.members)


def test_method_none_serves_the_baseline_alone():
    fused = fuse(Fusion("none", proven({"good": 1e-9})), path("good", 1e-3))
    assert fused.offset_ns == BASE
    assert weights(fused)["good"] == 0.0


def test_method_best_takes_one():
    fused = fuse(
        Fusion("best", proven({"good": 1e-9, "bad": 1e-3})), path("good", 1e-6), path("bad", 1.0)
    )
    assert weights(fused) == {"kalman": 0.0, "good": 1.0, "bad": 0.0}


def test_an_expired_forecast_counts_no_longer():
    fused = fuse(
        Fusion("inverse_variance", proven({"good": 1e-9})), path("good", 1e-3, steps=2), raw_s=130.0
    )
    assert weights(fused) == {"kalman": 1.0, "good": 0.0}
    assert "ended 22 s ago" in fused.members[1].reason


def test_weights_move_smoothly():
    fusion = Fusion("inverse_variance", skill := Skill(4))
    fuse(fusion, path("good", 0.0), raw_s=101)
    for horizon in (1.0, 4.0, 16.0):
        for _ in range(10):
            skill.add("good", horizon, 1e-9, 1e-18)
    shares = [
        weights(fuse(fusion, path("good", 0.0), raw_s=s))["good"] for s in (101, 102, 103, 111)
    ]
    assert shares[0] == 0.0
    assert shares == sorted(shares)
    assert 0 < shares[1] < 0.2


def measurement(raw_s: float, beyond_ns: int) -> Measurement:
    return Measurement(
        source="a",
        raw_ns=round(raw_s * SECOND),
        offset_ns=BASE + beyond_ns,
        delay_ns=1000,
        precision_ns=0,
        root_delay_ns=0,
        root_dispersion_ns=0,
        stratum=1,
    )


def test_a_forecast_is_judged_by_later_measurements_only():
    scorer = Scorer()
    scorer.add(path("m", 1e-6, raw_s=100))
    assert scorer.judge(measurement(99, 0), 1e-12, 0.0) == []
    (score,) = scorer.judge(measurement(116, 5000), 1e-12, 0.0)
    assert score.horizon_s == pytest.approx(16.0)
    assert score.error_s == pytest.approx(4e-6)


def test_the_sources_bias_is_not_held_against_the_forecast():
    scorer = Scorer()
    scorer.add(path("m", 0.0))
    (score,) = scorer.judge(measurement(116, 5000), 1e-12, 5e-6)
    assert score.error_s == pytest.approx(0.0, abs=1e-12)


def test_each_horizon_is_judged_once_by_the_forecast_nearest_to_it():
    scorer = Scorer()
    for issued in range(40, 116, 4):
        scorer.add(path("m", 0.0, raw_s=issued))
    scores = scorer.judge(measurement(116, 0), 1e-12, 0.0)
    assert sorted(round(s.horizon_s) for s in scores) == [4, 16, 64]


def test_forecasts_of_a_disrupted_clock_are_not_judged():
    scorer = Scorer()
    scorer.add(path("m", 0.0))
    scorer.forget()
    assert scorer.judge(measurement(116, 0), 1e-12, 0.0) == []


def test_looking_ahead_moves_no_weight():
    fusion = Fusion("inverse_variance", skill := Skill(4))
    fuse(fusion, path("good", 0.0), raw_s=101)
    for _ in range(10):
        skill.add("good", 1.0, 1e-9, 1e-18)
    ahead = fusion.ahead(state(), 1.0, 102 * SECOND, {"good": path("good", 0.0)})
    assert weights(ahead)["good"] == 0.0


def test_members_that_disagree_make_the_result_less_certain():
    """Two members 1 ms apart were once fused to a sigma of 10 us."""
    skill = proven({"a": 1e-6})
    near = fuse(Fusion("inverse_variance", skill), path("a", 1e-6))
    apart = fuse(Fusion("inverse_variance", skill), path("a", 1e-3))
    share = weights(apart)["a"]
    assert 0.1 < share < 0.9
    assert apart.sigma_s == pytest.approx(1e-3 * (share * (1 - share)) ** 0.5, rel=0.05)
    assert near.sigma_s < 3e-6


def test_the_baseline_is_judged_by_its_measured_error_too():
    fused = fuse(
        Fusion("inverse_variance", proven({"kalman": 1e-3, "good": 1e-7})), path("good", 0.0)
    )
    assert weights(fused)["good"] > 0.99
