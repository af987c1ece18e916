from __future__ import annotations

import numpy as np
import pytest

from chronotick.fusion import Evidence, Judged

SECOND = 1_000_000_000
OWN_S = 10e-6


def judged(n: float, residual_s: float, noise_s: float = 1e-6, horizon_s: float = 64.0) -> Judged:
    return Judged(
        raw_ns=round((n + 1) * 64 * SECOND),
        index=3,
        horizon_s=horizon_s,
        residual_s=residual_s,
        noise_variance=noise_s**2,
        expected=OWN_S**2,
        variance=OWN_S**2 + noise_s**2,
        independent=1.0,
    )


def learn(evidence: Evidence, count: int, error_s: float, noise_s: float, begin: int = 0) -> int:
    """Scores of a model whose errors are independent; how often it was found to have changed."""
    rng = np.random.default_rng(begin + 3)
    changes = 0
    for n in range(begin, begin + count):
        own, its = rng.normal(0, OWN_S), rng.normal(0, error_s)
        measured = own + rng.normal(0, noise_s)
        changes += bool(evidence.add(judged(n, measured, noise_s), own - its))
    return changes


@pytest.mark.parametrize("noise_s", [1e-6, 10e-6])
def test_the_share_is_the_one_that_brings_the_estimator_nearest_to_the_truth(noise_s):
    evidence = Evidence()
    learn(evidence, 1500, 10e-6, noise_s)  # as good as the estimator, and independent of it
    assert evidence.share(2.0) == pytest.approx(0.5, abs=0.12)
    assert evidence.difference == pytest.approx(0.0, abs=0.4 * OWN_S**2)


def test_nothing_is_followed_that_is_not_proven():
    evidence = Evidence()
    assert evidence.share(2.0) == 0.0
    learn(evidence, 2, 1e-6, 1e-6)
    assert evidence.share(2.0) == 0.0


def test_a_random_model_hidden_in_the_noise_of_its_judges_earns_no_share():
    """By its mean square error alone it looked as good as the estimator: half the weight."""
    shares = []
    for seed in range(20):
        evidence = Evidence()
        learn(evidence, 150, 50e-6, 300e-6, begin=10_000 * seed)
        shares.append(evidence.share(2.0))
    assert np.mean(shares) < 0.02


def test_the_difference_has_not_the_judges_noise_in_it():
    errors = []
    for noise_s in (1e-6, 100e-6):
        evidence = Evidence()
        learn(evidence, 1000, 30e-6, noise_s)
        errors.append(evidence.difference_error)
        assert evidence.difference == pytest.approx(8e-10, rel=1.0)
    assert errors[1] < 20 * errors[0]  # squares of the noise alone would make it 10000 times


def test_scores_of_overlapping_forecasts_are_not_taken_for_many():
    """Hundred scores within one horizon are about one and the same error."""
    apart, together = Evidence(), Evidence()
    for n in range(100):
        apart.add(judged(n, 1e-5 * (-1) ** n), 5e-6 * (-1) ** n)
        together.add(judged(n / 100, 1e-5 * (-1) ** n), 5e-6 * (-1) ** n)
    assert apart.judged_blocks > 50
    assert together.judged_blocks <= 2
    assert together.share(2.0) == 0.0


def test_a_model_that_turns_bad_loses_its_past():
    evidence = Evidence()
    assert learn(evidence, 200, 2e-6, 5e-6) == 0
    assert evidence.share(2.0) > 0.8
    assert learn(evidence, 20, 80e-6, 5e-6, begin=200) >= 1
    assert evidence.share(2.0) < 0.1


def test_before_it_is_found_out_it_loses_its_share_to_its_own_restlessness():
    evidence = Evidence()
    learn(evidence, 200, 2e-6, 5e-6)
    assert evidence.steadiness == 1.0
    for n in range(2):
        evidence.add(judged(200 + n, 0.0, 5e-6), 60e-6)
    assert evidence.count > 100
    assert evidence.steadiness < 0.75


def test_restlessness_is_forgiven_where_the_estimator_is_the_one_that_is_wrong():
    evidence = Evidence()
    learn(evidence, 200, 2e-6, 5e-6)
    for n in range(12):
        evidence.add(judged(200 + n, 60e-6, 5e-6), 60e-6)
    assert evidence.gap_square_now > 4 * OWN_S**2
    assert evidence.steadiness > 0.8


def test_one_absurd_forecast_does_not_ruin_the_record():
    evidence = Evidence()
    learn(evidence, 200, 2e-6, 1e-6)
    before = evidence.share(2.0)
    evidence.add(judged(201, 1e-6), 1.0)
    assert evidence.share(2.0) > 0.8 * before
    assert evidence.tamed(1.0, OWN_S**2) < 100e-6


def test_old_scores_are_forgotten():
    evidence = Evidence()
    learn(evidence, 3000, 10e-6, 1e-6)
    assert evidence.count < 310
    assert evidence.judged_blocks < 310


def test_a_list_restores_the_evidence():
    evidence = Evidence()
    learn(evidence, 50, 10e-6, 1e-6)
    twin = Evidence.from_list(evidence.as_list())
    assert twin.share(2.0) == evidence.share(2.0)
    assert twin.since_ns == 0
    with pytest.raises(ValueError, match="sums"):
        Evidence.from_list([1.0, 2.0])
