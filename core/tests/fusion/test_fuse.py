from __future__ import annotations

import math

import numpy as np
import pytest

from chronotick.fusion import Fused, Fusion, Scale, Skill, fused_variance
from chronotick.models import PathForecast

SECOND = 1_000_000_000
BASE = 1_700_000_000 * SECOND


@pytest.fixture
def fuse(state_at):
    def at(
        fusion: Fusion, *paths: PathForecast, raw_s: float = 116.0, scale: Scale | None = None
    ) -> Fused:
        by_model = {path.model: path for path in paths}
        return fusion.fuse(state_at(), scale or Scale(), round(raw_s * SECOND), by_model)

    return at


def weights(fused: Fused) -> dict[str, float]:
    return {m.model: m.weight for m in fused.members}


def test_unproven_models_have_no_weight_and_say_why(skill, fuse, path_of):
    fused = fuse(Fusion("inverse_variance", skill), path_of("new", 5e-3))
    assert weights(fused) == {"kalman": 1.0, "new": 0.0}
    assert fused.offset_ns == BASE
    assert "not proven at 16 s: 0 scored forecasts of 4 needed" in fused.members[1].reason


def test_the_horizon_that_is_not_proven_is_one_that_is_judged(skill, fuse, path_of):
    """It once said "at 0 s", a horizon that nobody scores."""
    fused = fuse(Fusion("inverse_variance", skill), path_of("new", 5e-3), raw_s=100.2)
    assert fused.members[1].reason.startswith("not proven at 1 s: ")


def test_a_small_weight_of_a_model_with_a_small_error_is_explained(
    skill, teach, errors_of, fuse, path_of
):
    """Estimates at their lower limit read "rms 0.22 us against 1.1 us", beside a weight of 0."""
    teach(skill, {"m": errors_of(1e-9)}, count=6, horizons=(16.0,), noise_s=20e-6, seed=4)
    fused = fuse(Fusion("inverse_variance", skill), path_of("m", 1e-6))
    reason = fused.members[1].reason
    assert not skill.rms_told("m", 2)
    assert fused.members[1].weight < 0.1
    assert "rms not told from zero, against kalman's" in reason
    assert "standard errors, which count from" in reason


def test_a_weight_that_is_sure_needs_no_explanation(skill, teach, errors_of, fuse, path_of):
    teach(skill, {"good": errors_of(4e-6)}, count=300)
    reason = fuse(Fusion("inverse_variance", skill), path_of("good", 1e-6)).members[1].reason
    assert reason.startswith("rms ")
    assert "not told" not in reason
    assert "standard errors" not in reason


def test_weight_follows_measured_error_not_claims(skill, teach, errors_of, fuse, path_of):
    teach(skill, {"good": errors_of(1e-6, 1), "bad": errors_of(1e-3, 2)}, count=100)
    fused = fuse(
        Fusion("inverse_variance", skill),
        path_of("good", 1e-5),
        path_of("bad", 1e-4, claimed_s=1e-9),
    )
    shares = weights(fused)
    assert shares["bad"] == 0.0
    assert shares["good"] > 0.8
    assert sum(shares.values()) == pytest.approx(1.0)
    assert BASE + 8000 < fused.offset_ns < BASE + 10_001


@pytest.mark.parametrize("method", ["inverse_variance", "expert", "best", "none"])
def test_fused_sigma_is_never_below_the_best_members(teach, errors_of, fuse, path_of, method):
    skill = Skill(4, experts=True)
    teach(skill, {m: errors_of(3e-6, n) for n, m in enumerate("abc")}, count=200)
    fused = fuse(Fusion(method, skill), *(path_of(m, 0.0) for m in "abc"))
    assert fused.sigma_s >= min(m.sigma_s for m in fused.members) * (1 - 1e-9)


def test_members_that_disagree_make_the_result_less_certain(skill, teach, errors_of, fuse, path_of):
    """Two members 1 ms apart were once fused to a sigma of 10 us."""
    teach(skill, {"a": errors_of(10e-6)}, count=600)
    fusion = Fusion("inverse_variance", skill)
    near, apart = fuse(fusion, path_of("a", 1e-6)), fuse(fusion, path_of("a", 30e-6))
    share = weights(apart)["a"]
    assert 0.3 < share < 0.7
    assert apart.sigma_s > 1.3 * near.sigma_s


def test_where_sigma_comes_from_is_stated(skill, teach, errors_of, fuse, path_of):
    teach(skill, {"point": errors_of(3e-6, 1), "other": errors_of(4e-6, 2)}, count=200)
    fused = fuse(
        Fusion("inverse_variance", skill),
        path_of("point", 0.0),
        path_of("other", 0.0, claimed_s=1e-3),
    )
    told = {m.model: m.sigma_from for m in fused.members}
    assert told == {
        "kalman": "the estimator, calibrated",
        "point": "its own scored residuals (it states none)",
        "other": "its own scored residuals",
    }
    assert 1e-6 < fused.members[1].sigma_s < 10e-6
    assert 1e-6 < fused.members[2].sigma_s < 10e-6


def test_constant_errors_of_routes_are_never_scaled_down(skill, state_at):
    fused = Fusion("none", skill).fuse(
        state_at(route_s=1e-3), Scale(innovations=0.5, horizon=0.4), 101 * SECOND, {}
    )
    assert 1e-3 < fused.sigma_s < 1.0001e-3


def test_the_calibration_scales_the_rest(skill, fuse):
    fusion = Fusion("none", skill)
    plain, doubled = fuse(fusion), fuse(fusion, scale=Scale(innovations=2.0, horizon=1.5))
    assert doubled.sigma_s == pytest.approx(3 * plain.sigma_s)


def test_method_none_serves_the_baseline_alone(skill, teach, errors_of, fuse, path_of):
    teach(skill, {"good": errors_of(1e-6)})
    fused = fuse(Fusion("none", skill), path_of("good", 1e-5))
    assert fused.offset_ns == BASE
    assert weights(fused)["good"] == 0.0


def test_method_best_takes_one(skill, teach, errors_of, fuse, path_of):
    teach(skill, {"good": errors_of(1e-6, 1), "bad": errors_of(1e-4, 2)}, count=100)
    fused = fuse(Fusion("best", skill), path_of("good", 1e-6), path_of("bad", 1e-4))
    assert weights(fused) == {"kalman": 0.0, "good": 1.0, "bad": 0.0}


def test_an_expired_forecast_counts_no_longer(skill, teach, errors_of, fuse, path_of):
    teach(skill, {"good": errors_of(1e-6)})
    fused = fuse(Fusion("inverse_variance", skill), path_of("good", 1e-5, steps=2), raw_s=130.0)
    assert weights(fused) == {"kalman": 1.0, "good": 0.0}
    assert "ended 22 s ago" in fused.members[1].reason


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_forecast_that_is_not_finite_is_left_out(skill, fuse, path_of, value):
    fused = fuse(Fusion("inverse_variance", skill), path_of("good", value))
    assert weights(fused) == {"kalman": 1.0, "good": 0.0}
    assert fused.offset_ns == BASE
    assert fused.members[1].reason == "its forecast is not finite"


def test_an_absurd_forecast_is_set_aside_at_once(skill, teach, errors_of, fuse, path_of):
    teach(skill, {"good": errors_of(1e-6)}, count=200)
    fused = fuse(Fusion("inverse_variance", skill), path_of("good", 1.0))
    assert weights(fused)["good"] == 0.0
    assert fused.offset_ns == BASE
    assert "set aside: +1e+06 us from kalman, usually" in fused.members[1].reason


def test_a_wild_forecast_is_followed_no_further_than_it_was_judged(
    skill, teach, errors_of, fuse, path_of
):
    teach(skill, {"good": errors_of(1e-6)}, count=200)
    fused = fuse(Fusion("inverse_variance", skill), path_of("good", 80e-6))
    assert BASE + 15_000 < fused.offset_ns < BASE + 50_000


def test_a_demoted_model_says_why(skill, teach, errors_of, fuse, path_of):
    teach(skill, {"bad": errors_of(50e-6)}, count=200)
    fused = fuse(Fusion("inverse_variance", skill), path_of("bad", 1e-5))
    assert weights(fused)["bad"] == 0.0
    assert fused.members[1].reason.startswith("demoted: rms ")


def test_weights_move_smoothly(skill, teach, errors_of, fuse, path_of):
    fusion = Fusion("inverse_variance", skill)
    fuse(fusion, path_of("good", 0.0), raw_s=101)
    teach(skill, {"good": errors_of(1e-6)}, count=100)
    shares = [
        weights(fuse(fusion, path_of("good", 0.0), raw_s=s))["good"] for s in (101, 102, 103, 111)
    ]
    assert shares[0] == 0.0
    assert shares == sorted(shares)
    assert 0 < shares[1] < 0.2


def test_looking_ahead_moves_no_weight(skill, teach, errors_of, path_of, state_at):
    fusion = Fusion("inverse_variance", skill)
    fusion.fuse(state_at(), Scale(), 101 * SECOND, {"good": path_of("good", 0.0)})
    teach(skill, {"good": errors_of(1e-6)}, count=100)
    paths = {"good": path_of("good", 1e-5)}
    assert fusion.ahead(state_at(), 111 * SECOND, paths) == BASE


def test_ages_that_are_never_judged_have_the_weight_of_the_shortest_that_is(
    skill, teach, errors_of, fuse, path_of
):
    """With a poll of 64 s nothing is known of 10 s: a forecast that knows all begins alike."""
    teach(skill, {"good": errors_of(1e-6)}, count=100, horizons=(64.0,))
    fusion = Fusion("inverse_variance", skill)
    assert weights(fuse(fusion, path_of("good", 0.0), raw_s=110.0))["good"] > 0.8


def test_a_forecast_older_than_the_newest_measurement_has_little_weight_right_after_it(
    skill, teach, errors_of, fuse, path_of
):
    teach(skill, {"good": errors_of(1e-6)}, count=100, horizons=(64.0,))
    fused = fuse(Fusion("inverse_variance", skill), path_of("good", 0.0, raw_s=80.0), raw_s=102.0)
    assert weights(fused)["good"] < 0.1


def test_no_weight_where_a_judged_horizon_speaks_against_it(skill, teach, errors_of, fuse, path_of):
    """Weights of 1024 s once stood in for those of 64 s, where the model had just been dropped."""
    teach(skill, {"m": errors_of(1e-6)}, count=100, horizons=(256.0,))
    teach(skill, {}, count=100, horizons=(16.0, 64.0))
    fused = fuse(Fusion("inverse_variance", skill), path_of("m", 0.0), raw_s=132.0)
    assert weights(fused)["m"] == 0.0


def test_after_a_restart_models_have_the_weight_they_had(skill, teach, errors_of, fuse, path_of):
    """No horizon counted as judged then: until the next judgements the baseline stood alone."""
    teach(skill, {"good": errors_of(1e-6)}, count=100, horizons=(16.0, 64.0))
    restored = Skill(4)
    restored.restore(skill.snapshot())
    for raw_s in (108.0, 116.0, 140.0):
        before, after = (
            weights(fuse(Fusion("inverse_variance", each), path_of("good", 1e-6), raw_s=raw_s))
            for each in (skill, restored)
        )
        assert after == pytest.approx(before)
        assert after["good"] > 0.5


def test_variance_of_the_fused_path():
    assert fused_variance(4.0, {}, {}, {}) == 4.0
    assert fused_variance(4.0, {"a": 0.5}, {"a": 0.0}, {"a": 0.25}) == 1.0
    assert fused_variance(4.0, {"a": 0.5}, {"a": 2.0}, {"a": 0.25}) == pytest.approx(2.0)
    assert fused_variance(4.0, {"a": 0.01}, {"a": 0.0}, {"a": 0.25}) == 4.0  # too light to speak
    assert np.isfinite(fused_variance(0.0, {"a": 1.0}, {"a": 1.0}, {"a": 1.0}))
