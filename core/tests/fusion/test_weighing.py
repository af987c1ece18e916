from __future__ import annotations

import itertools

import numpy as np
import pytest

from chronotick.fusion import HORIZONS_S, Skill
from chronotick.fusion.weighing import minimum_variance, weigh

AT_64 = HORIZONS_S.index(64.0)


def cost_of(w: np.ndarray, benefit: np.ndarray, cost: np.ndarray) -> float:
    return float(w @ cost @ w - 2 * benefit @ w)


def by_brute_force(benefit: np.ndarray, cost: np.ndarray) -> float:
    """The least cost on a fine grid of the simplex."""
    steps = np.linspace(0, 1, 41)
    grid = (np.array(w) for w in itertools.product(steps, repeat=len(benefit)) if sum(w) <= 1)
    return min(cost_of(w, benefit, cost) for w in grid)


@pytest.mark.parametrize("seed", range(8))
def test_minimum_variance_is_the_minimum(seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(3, 3))
    cost, benefit = root @ root.T + 0.05 * np.eye(3), rng.normal(0.3, 1.0, 3)
    found = np.array(minimum_variance(benefit.tolist(), cost.tolist(), [0.0, 0.0, 0.0]))
    assert (found >= 0).all()
    assert found.sum() <= 1 + 1e-9
    assert cost_of(found, benefit, cost) <= by_brute_force(benefit, cost) + 1e-3


def test_minimum_variance_begins_anywhere():
    ends = [
        minimum_variance([1.0, 0.5], [[1.0, 0.2], [0.2, 1.0]], start)
        for start in ([0.0, 0.0], [0.0, 1.0], [5.0, 5.0], [-1.0, 0.3])
    ]
    for end in ends:
        assert end == pytest.approx(ends[0], abs=1e-2)


def test_independent_members_get_the_inverse_of_their_variances(skill, teach, errors_of):
    teach(skill, {"m": errors_of(5e-6)}, count=3000, horizons=(64.0,))
    weights = weigh("inverse_variance", skill, AT_64, {})
    assert weights["m"] == pytest.approx(0.8, abs=0.06)  # (1/25)/(1/25 + 1/100)


def test_two_copies_share_the_weight_of_one(teach, errors_of):
    single, double = Skill(4), Skill(4)
    error, kept = errors_of(5e-6), [0.0]

    def original(own: float) -> float:
        kept[0] = error(own)
        return kept[0]

    def copied(own: float) -> float:
        return kept[0]

    teach(double, {"a": original, "b": copied}, count=300)
    teach(single, {"a": errors_of(5e-6)}, count=300)
    alone = weigh("inverse_variance", single, AT_64, {})["a"]
    both = weigh("inverse_variance", double, AT_64, {})
    assert both["a"] == pytest.approx(both["b"], abs=0.05)
    assert both["a"] + both["b"] == pytest.approx(alone, abs=0.05)


def test_an_exaggerated_copy_of_the_estimator_gets_next_to_nothing(skill, teach):
    """Weights by 1/σ² alone gave it 40 % and made the result 8 % worse than the best."""
    teach(skill, {"m": lambda own: 1.2 * own}, count=300)
    assert weigh("inverse_variance", skill, AT_64, {})["m"] < 0.1


@pytest.mark.parametrize("noise_s", [1e-6, 10e-6, 100e-6, 1000e-6])
def test_a_random_model_gets_next_to_nothing_however_noisy_the_judges_are(
    teach, errors_of, noise_s
):
    for seed in range(5):
        skill = Skill(4)
        teach(skill, {"m": errors_of(60e-6, seed)}, count=120, noise_s=noise_s, seed=seed)
        assert weigh("inverse_variance", skill, AT_64, {})["m"] < 0.06


def test_what_all_unproven_members_may_cost_is_limited(skill, teach, errors_of):
    teach(skill, {n: errors_of(12e-6, n_) for n_, n in enumerate("abcd")}, count=6, noise_s=100e-6)
    weights = weigh("inverse_variance", skill, AT_64, {})
    assert 0 < sum(weights.values()) < 0.05


@pytest.mark.parametrize("method", ["inverse_variance", "expert", "best", "none"])
def test_demoted_models_have_no_weight_by_any_method(teach, errors_of, method):
    skill = Skill(4, experts=True)
    teach(skill, {"bad": errors_of(50e-6)}, count=100)
    assert skill.is_demoted("bad")
    assert weigh(method, skill, AT_64, {}) == {"bad": 0.0}


def test_best_takes_the_best_one_and_needs_to_be_sure(teach, errors_of):
    skill = Skill(4)
    teach(skill, {"good": errors_of(3e-6, 1), "fair": errors_of(6e-6, 2)}, count=200)
    assert weigh("best", skill, AT_64, {}) == {"good": 1.0, "fair": 0.0}
    doubtful = Skill(4)
    teach(doubtful, {"good": errors_of(9e-6)}, count=30, noise_s=100e-6)
    assert weigh("best", doubtful, AT_64, {}) == {"good": 0.0}


def test_models_that_are_not_proven_at_a_horizon_are_not_in_its_table(skill, teach, errors_of):
    teach(skill, {"m": errors_of(3e-6)}, horizons=(16.0,))
    assert weigh("inverse_variance", skill, AT_64, {}) == {}
