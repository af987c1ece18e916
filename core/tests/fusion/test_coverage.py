from __future__ import annotations

import numpy as np
import pytest

from chronotick.clock import Innovation
from chronotick.fusion import HORIZONS_S, Calibration, Coverage

AT_64 = HORIZONS_S.index(64.0)
UNSOUND = ([[1e3, 1, 1, 1]] * 7, [[0, -5, 1, 1]] * 7, [[0, 1, 2, 1]] * 7, [[0, 1, -1, 1]] * 7)


def run(
    coverage: Coverage,
    count: int,
    *,
    actual_s: float,
    stated_s: float = 10e-6,
    noise_s: float = 1e-6,
    index: int = AT_64,
    begin: int = 0,
) -> float:
    """Feed errors of one size with statements of another; return the share that was covered."""
    rng = np.random.default_rng(begin)
    inside = 0
    for n in range(begin, begin + count):
        error, noise = rng.normal(0, actual_s), rng.normal(0, noise_s)
        inside += abs(error) <= 1.96 * stated_s * coverage.factor(HORIZONS_S[index])
        at = (n + 1) * int(HORIZONS_S[index]) * 10**9
        coverage.add(at, index, error + noise, stated_s**2, noise_s**2)
    return inside / count


@pytest.mark.parametrize("actual_s", [5e-6, 10e-6, 40e-6])
def test_coverage_comes_to_the_nominal_whatever_was_stated(actual_s):
    coverage = Coverage()
    run(coverage, 300, actual_s=actual_s)
    assert run(coverage, 1000, actual_s=actual_s, begin=300) == pytest.approx(0.95, abs=0.02)
    assert coverage.factor(64.0) == pytest.approx(actual_s / 10e-6, rel=0.35)


def test_errors_with_heavy_tails_are_covered_too():
    coverage, rng = Coverage(), np.random.default_rng(5)
    inside = 0
    for n in range(2000):
        error = rng.standard_t(2.5) * 10e-6
        inside += n >= 500 and abs(error) <= 1.96 * 10e-6 * coverage.factor(64.0)
        coverage.add((n + 1) * 64 * 10**9, AT_64, error, 1e-10, 1e-14)
    assert inside / 1500 == pytest.approx(0.95, abs=0.02)


def test_it_follows_a_change_within_the_hour():
    coverage = Coverage()
    run(coverage, 500, actual_s=10e-6)
    run(coverage, 56, actual_s=40e-6, begin=500)
    assert coverage.factor(64.0) > 2.0


def test_noise_that_hides_sigma_proves_nothing_about_it():
    coverage = Coverage()
    run(coverage, 2000, actual_s=0.0, noise_s=1e-3)
    assert coverage.factor(64.0) > 0.9


def test_sigma_shrinks_only_on_much_evidence():
    coverage = Coverage()
    run(coverage, 30, actual_s=1e-6)
    assert coverage.factor(64.0) == 1.0
    run(coverage, 500, actual_s=1e-6, begin=30)
    assert 0.35 < coverage.factor(64.0) < 0.6


def test_judgements_in_quick_succession_are_about_one_forecast():
    coverage = Coverage()
    for n in range(200):
        coverage.add(10**12 + n * 10**8, AT_64, 1.0, 1e-10, 1e-14)
    assert coverage.factor(64.0) < 1.6


def test_between_horizons_the_factor_is_interpolated_and_beyond_them_it_holds():
    coverage = Coverage()
    run(coverage, 300, actual_s=20e-6, index=3)
    run(coverage, 300, actual_s=80e-6, index=5, begin=10_000)
    low, high = coverage.factor(64.0), coverage.factor(1024.0)
    assert coverage.factor(256.0) == pytest.approx((low + high) / 2)
    assert coverage.factor(0.0) == low
    assert coverage.factor(1e6) == high


def test_coverage_is_counted_not_assumed():
    coverage = Coverage()
    assert coverage.table() == []
    for n in range(1000):
        error = 1.0 if n % 5 == 0 else 0.0
        coverage.add((n + 1) * 64 * 10**9, AT_64, error * 1e-9, 1e-10, 1e-14)
    (row,) = coverage.table()
    assert row["horizon_s"] == 64.0
    assert row["coverage"] == 1.0
    assert row["judgements"] > 200


def test_snapshot_of_coverage():
    coverage, twin = Coverage(), Coverage()
    run(coverage, 100, actual_s=30e-6)
    twin.restore(coverage.snapshot())
    assert twin.table() == coverage.table()
    for damage in (
        None,
        [],
        [[1.0]],
        [["x", 1, 1, 1]] * 7,
        [[float("nan"), 1, 1, 1]] * 7,
        *UNSOUND,
    ):
        with pytest.raises(ValueError, match="damaged"):
            twin.restore(damage)
    assert twin.table() == coverage.table()


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


@pytest.mark.parametrize(("size", "factor"), [(2.0, 2.0), (0.8, 0.81), (0.1, 0.7)])
def test_the_factor_follows_the_innovations_and_shrinks_within_limits(size, factor):
    calibration = Calibration()
    for n in range(2000):
        calibration.add(innovation(size * (-1.0) ** n))
    assert calibration.factor == pytest.approx(factor, rel=0.03)


def test_small_innovations_shrink_nothing_before_there_are_many():
    calibration = Calibration()
    for _ in range(90):
        calibration.add(innovation(0.1))
    assert calibration.factor == 1.0


def test_innovations_outside_their_interval_are_counted():
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
    for damage in ({"count": "many"}, {"count": -1, "square": 1, "inside": 1}):
        with pytest.raises(ValueError, match="damaged"):
            twin.restore(damage)
