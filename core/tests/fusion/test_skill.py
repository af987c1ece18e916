from __future__ import annotations

import math

import pytest

from chronotick.clock import Innovation
from chronotick.fusion import HORIZONS_S, Calibration, Skill

NOISE = 1e-12


def scored(errors: list[float], horizon_s: float = 16.0, noise: float = NOISE) -> Skill:
    skill = Skill(min_scores=4)
    for error in errors:
        skill.add("m", horizon_s, error, noise)
    return skill


def test_a_model_is_unproven_until_it_has_enough_scores():
    assert scored([1e-5] * 3).mean_square("m", 16) is None
    assert scored([1e-5] * 4).mean_square("m", 16) is not None
    assert scored([1e-5] * 3).scores("m", 16) == 3
    assert Skill(4).mean_square("never heard of", 16) is None


def test_the_judges_own_noise_is_taken_off():
    skill = scored([1e-5, -1e-5] * 200, noise=(6e-6) ** 2)
    assert skill.mean_square("m", 16) == pytest.approx(1e-10 - 3.6e-11, rel=1e-6)


def test_errors_hidden_in_the_noise_are_not_stated_below_what_can_be_known():
    skill = scored([0.0] * 50, noise=1e-10)
    mean_square = skill.mean_square("m", 16)
    assert mean_square is not None
    assert mean_square == pytest.approx(1e-10 * math.sqrt(2 / 44.3), rel=0.05)


def test_proof_at_one_horizon_says_nothing_about_a_longer_one():
    skill = scored([1e-5] * 10)
    assert skill.mean_square("m", 16) is not None
    assert skill.mean_square("m", 64) is None
    assert skill.mean_square("m", 1) is None


def test_between_two_proven_horizons_the_error_is_interpolated():
    skill = scored([1e-5] * 10)
    for _ in range(10):
        skill.add("m", 64, 1e-4, NOISE)
    middle = skill.mean_square("m", 32)
    assert middle == pytest.approx(1e-9, rel=0.05)


def test_noisy_judges_count_less():
    skill = Skill(min_scores=1)
    for _ in range(10):
        skill.add("m", 16, 1e-5, 1e-12)
        skill.add("m", 16, 1e-3, 1e-6)
    mean_square = skill.mean_square("m", 16)
    assert mean_square is not None
    assert mean_square < 4e-10


def test_old_errors_are_forgotten():
    skill = scored([1e-3] * 100 + [1e-6] * 4000)
    assert skill.mean_square("m", 16) == pytest.approx(1e-12, rel=0.3)


def test_horizons_beyond_the_table_belong_to_its_ends():
    skill = scored([1e-5] * 10, horizon_s=1e6)
    assert skill.mean_square("m", HORIZONS_S[-1]) is not None
    assert scored([1e-5] * 10, horizon_s=0.001).mean_square("m", 0.5) is not None


def test_snapshot_restores_every_score():
    skill, twin = scored([1e-5] * 10), Skill(4)
    twin.restore(skill.snapshot())
    assert twin.table() == skill.table()
    for damage in ({"m@99": [1, 1, 1, 1]}, {"m@1": ["x"]}, {"m": [1, 1, 1, 1]}):
        with pytest.raises(ValueError, match="damaged"):
            twin.restore(damage)
    assert twin.table() == skill.table()


def innovation(normalised: float) -> Innovation:
    return Innovation(residual_s=normalised * 1e-5, variance=1e-10, noise_variance=1e-11)


def test_calibration_starts_wide_and_with_no_confidence():
    calibration = Calibration()
    assert calibration.factor > 2
    assert calibration.confidence == 0.0


def test_innovations_as_predicted_bring_the_factor_to_one():
    calibration = Calibration()
    for n in range(400):
        calibration.add(innovation((-1.0) ** n))
    assert calibration.factor == pytest.approx(1.0, abs=0.02)
    assert calibration.confidence > 0.99


def test_innovations_twice_as_large_double_the_factor():
    calibration = Calibration()
    for n in range(2000):
        calibration.add(innovation(2.0 * (-1.0) ** n))
    assert calibration.factor == pytest.approx(2.0, rel=0.03)


def test_coverage_is_counted_not_assumed():
    calibration = Calibration()
    for n in range(1000):
        calibration.add(innovation(4.9 if n % 5 == 0 else 0.1))
    assert calibration.coverage == pytest.approx(0.8, abs=0.01)
    assert calibration.confidence == pytest.approx(0.8 / 0.95, abs=0.02)


def test_one_wild_innovation_does_not_ruin_the_calibration():
    calibration = Calibration()
    for _ in range(200):
        calibration.add(innovation(1.0))
    calibration.add(innovation(1e6))
    assert calibration.factor < 1.1


def test_calibration_snapshot():
    calibration, twin = Calibration(), Calibration()
    calibration.add(innovation(2.0))
    twin.restore(calibration.snapshot())
    assert twin.factor == calibration.factor
    with pytest.raises(ValueError, match="damaged"):
        twin.restore({"count": "many"})
