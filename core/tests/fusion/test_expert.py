from __future__ import annotations

import numpy as np
import pytest

from chronotick.fusion import Judged
from chronotick.fusion.expert import Experts

OWN_S = 10e-6
AT_64 = 3


def judged(n: int, residual_s: float, noise_s: float = 1e-6) -> Judged:
    return Judged(
        raw_ns=(n + 1) * 64 * 10**9,
        index=AT_64,
        horizon_s=64.0,
        residual_s=residual_s,
        noise_variance=noise_s**2,
        expected=OWN_S**2,
        variance=OWN_S**2 + noise_s**2,
        independent=1.0,
    )


def run(
    experts: Experts,
    errors: dict[str, float],
    count: int,
    *,
    noise_s: float = 1e-6,
    begin: int = 0,
    seed: int = 3,
) -> tuple[float, float]:
    """Mean losses of the mixture and of the best member, the estimator being one."""
    rng = np.random.default_rng(seed + begin)
    mixed, single = [], {name: [] for name in ("", *errors)}
    for n in range(begin, begin + count):
        own = rng.normal(0, OWN_S)
        gaps = {model: own - rng.normal(0, error) for model, error in errors.items()}
        weights = experts.weights(AT_64)
        mixed.append((own - sum(weights.get(m, 0.0) * g for m, g in gaps.items())) ** 2)
        single[""].append(own**2)
        for model, gap in gaps.items():
            single[model].append((own - gap) ** 2)
        experts.add(judged(n, own + rng.normal(0, noise_s), noise_s), gaps)
    return float(np.mean(mixed)), min(float(np.mean(losses)) for losses in single.values())


@pytest.mark.parametrize("noise_s", [1e-6, 10e-6])
def test_the_regret_against_the_best_member_is_small(noise_s):
    mixed, best = run(Experts(), {"good": 4e-6, "fair": 9e-6, "bad": 40e-6}, 3000, noise_s=noise_s)
    assert mixed < 1.15 * best


def test_where_the_estimator_is_best_nothing_is_lost():
    experts, members = Experts(), {"bad": 40e-6, "worse": 300e-6}
    run(experts, members, 60)
    mixed, best = run(experts, members, 500, begin=60)
    assert best == pytest.approx(OWN_S**2, rel=0.1)
    assert mixed < 1.02 * best


def test_before_anything_is_known_the_baseline_is_trusted():
    experts = Experts()
    assert experts.weights(AT_64) == {}
    run(experts, {"m": 10e-6}, 3)
    assert experts.weights(AT_64)["m"] < 0.2


def test_it_follows_a_change_of_the_best_member():
    experts = Experts()
    run(experts, {"a": 2e-6, "b": 15e-6}, 400)
    assert experts.weights(AT_64)["a"] > 0.8
    run(experts, {"a": 40e-6, "b": 2e-6}, 400, begin=400)
    assert experts.weights(AT_64)["b"] > 0.8
    assert experts.weights(AT_64)["a"] < 0.05


def test_what_spoke_for_a_member_is_forgotten_when_it_turns_worse():
    experts = Experts()
    run(experts, {"a": 2e-6}, 200)
    experts.forget(AT_64, "a", worse=True)
    assert "a" not in experts.weights(AT_64)
    run(experts, {"a": 2e-6}, 2, begin=200)
    assert experts.weights(AT_64).get("a", 0.0) < 0.3


def test_a_snapshot_restores_the_weights():
    experts = Experts()
    run(experts, {"a": 2e-6, "b": 15e-6}, 200)
    twin = Experts.restored(experts.snapshot())
    assert twin.weights(AT_64)["a"] == pytest.approx(experts.weights(AT_64)["a"], abs=1e-9)


@pytest.mark.parametrize(
    "damage", [[], [{}] * 9, [{"a": [1.0]}] * 7, [{"a": [float("nan"), 1, 1]}] * 7, [1] * 7]
)
def test_damage_is_noticed(damage):
    with pytest.raises((AttributeError, TypeError, ValueError)):
        Experts.restored(damage)
