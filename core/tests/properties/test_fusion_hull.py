"""What is fused lies within its members, whatever they forecast and however they were judged."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronotick.clock import ClockState
from chronotick.fusion import Fusion, Scale, Skill
from chronotick.models import PathForecast

SECOND = 1_000_000_000
BASE = 1_700_000_000 * SECOND
STEPS = 16
ROUNDS = 8  # twice what proves a model here
HORIZONS_S = (4.0, 64.0)

apart_s = st.floats(-1e-3, 1e-3)
models = st.lists(st.tuples(apart_s, st.floats(1e-9, 1e-3)), min_size=1, max_size=4)


def state(raw_ns: int) -> ClockState:
    return ClockState(
        raw_ns=raw_ns,
        offset_ns=BASE,
        frequency=0.0,
        var_offset=1e-10,
        cov=0.0,
        var_frequency=1e-16,
        white_psd=0.0,
        wander_psd=0.0,
        var_route=0.0,
    )


def forecast(model: str, beyond_s: float, trend: ClockState) -> PathForecast:
    return PathForecast(
        model=model,
        predictor="short_term",
        trend=trend,
        known_raw_ns=trend.raw_ns,
        step_ns=4 * SECOND,
        residual=np.full(STEPS + 1, beyond_s),
        claimed_sigma=np.full(STEPS + 1, math.nan),
        latency_s=0.0,
    )


def taught(skill: Skill, errors_s: list[float], seed: int) -> None:
    """Let models be judged that err so much each."""
    rng = np.random.default_rng(seed)
    for number in range(1, ROUNDS):
        for horizon_s in HORIZONS_S:
            own = float(rng.normal(0.0, 10e-6))
            raw_ns = number * 64 * SECOND
            judged = skill.judge(raw_ns, horizon_s, own, 1e-12, 1e-10)
            errors = [float(rng.normal(0.0, error_s)) for error_s in errors_s]
            skill.take(judged, {f"m{n}": own - error for n, error in enumerate(errors)})


@pytest.mark.parametrize("method", ["inverse_variance", "expert", "best", "none"])
@settings(max_examples=30)
@given(models=models, age_s=st.floats(0.0, 120.0), seed=st.integers(0, 2**16))
def test_the_fused_offset_is_within_the_hull_of_its_members(
    method: str, models: list[tuple[float, float]], age_s: float, seed: int
) -> None:
    skill = Skill(4, experts=method == "expert")
    taught(skill, [error_s for _, error_s in models], seed)
    trend = state(ROUNDS * 64 * SECOND)
    paths = [forecast(f"m{n}", beyond_s, trend) for n, (beyond_s, _) in enumerate(models)]
    raw_ns = trend.raw_ns + round(age_s * SECOND)
    fusion = Fusion(method, skill)
    fused = fusion.fuse(trend, Scale(), raw_ns, {path.model: path for path in paths})
    weighty = [member for member in fused.members if member.weight > 0.0]
    offsets = [member.offset_ns for member in weighty]
    assert min(offsets) - 1 <= fused.offset_ns <= max(offsets) + 1
    assert sum(member.weight for member in weighty) == pytest.approx(1.0)
    assert all(member.weight >= 0.0 for member in fused.members)
    assert 0.0 < fused.sigma_s < math.inf
