from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.daemon.steering import Served, Steering

SECOND = 1_000_000_000
PERIOD = SECOND // 10
MAX_SLEW = 500e-6


def steering() -> Steering:
    return Steering(MAX_SLEW, step_threshold_ns=SECOND // 4)


def run(steps: int, target_ns, period: int = PERIOD) -> list[Served]:
    """Steer to ``target_ns(raw_ns)``, the offset of UTC from RAW, at rate 0."""
    s = steering()
    return [s.steer(n * period, n * period + target_ns(n * period), 0.0) for n in range(steps)]


def test_the_first_estimate_is_served_at_once():
    served = steering().steer(0, 123 * SECOND, 1e-5)
    assert served == Served(0, 123 * SECOND, 1e-5, 0, stepped=True)


def test_every_record_starts_where_the_one_before_stands():
    served = run(200, lambda raw_ns: 0 if raw_ns < SECOND else 1_000_000)
    for before, after in pairwise(served):
        assert abs(after.utc_ns - before.utc_at(after.raw_ns)) <= 1
    assert not any(s.stepped for s in served[1:])


@pytest.mark.parametrize("jump_ns", [1_000, 1_000_000, -1_000_000, 20_000_000])
@pytest.mark.parametrize("period", [SECOND // 1000, PERIOD, SECOND])
def test_a_new_estimate_is_approached_without_overshoot_to_speak_of(jump_ns, period):
    served = run(200 * SECOND // period, lambda raw_ns: jump_ns if raw_ns else 0, period)
    residuals = [s.residual_ns for s in served[1:]]
    assert abs(residuals[-1]) <= 3 + abs(jump_ns) * 0.001
    overshoot = min(r * (1 if jump_ns > 0 else -1) for r in residuals)
    assert overshoot >= -0.1 * abs(jump_ns) - 2


def test_slewing_is_limited():
    served = run(100, lambda raw_ns: 200_000_000 if raw_ns else 0)
    assert max(s.rate for s in served) == pytest.approx(MAX_SLEW)


def test_beyond_the_threshold_served_time_steps_and_says_so():
    s = steering()
    s.steer(0, 0, 0.0)
    assert s.steer(PERIOD, PERIOD + SECOND, 0.0).stepped


def test_forgetting_serves_the_next_estimate_at_once():
    s = steering()
    s.steer(0, 0, 0.0)
    s.forget()
    assert s.steer(PERIOD, PERIOD + 5, 0.0).utc_ns == PERIOD + 5


@given(st.lists(st.tuples(st.integers(1, SECOND), st.integers(-(10**8), 10**8)), max_size=50))
def test_served_time_never_steps_backwards_within_an_epoch(moves):
    s = steering()
    raw_ns = 0
    before = s.steer(0, 0, 0.0)
    for passed, offset_ns in moves:
        raw_ns += passed
        served = s.steer(raw_ns, raw_ns + offset_ns, 0.0)
        if not served.stepped:
            assert served.utc_ns > before.utc_ns
            assert served.utc_at(raw_ns + 50_000) >= before.utc_at(raw_ns + 50_000) - 6
        before = served
