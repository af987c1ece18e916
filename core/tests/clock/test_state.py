from __future__ import annotations

import pytest

from chronotick.clock import ClockState

SECOND = 1_000_000_000


@pytest.mark.parametrize("age_s", [0.0, 100.0, -100.0])
def test_without_a_course_the_variance_is_that_of_the_two_state_model(age_s: float):
    state = ClockState(
        raw_ns=7 * SECOND,
        offset_ns=5,
        frequency=1e-6,
        var_offset=4e-12,
        cov=1e-15,
        var_frequency=9e-16,
        white_psd=3e-14,
        wander_psd=6e-18,
    )
    length_s = abs(age_s)
    expected = 4e-12 + 2 * 1e-15 * age_s + 9e-16 * age_s**2
    expected += 3e-14 * length_s + 6e-18 * length_s**3 / 3
    at_ns = 7 * SECOND + round(age_s * SECOND)
    assert state.variance_at(at_ns) == pytest.approx(expected)
    assert state.sigma_at(at_ns) == pytest.approx(expected**0.5)
    assert state.offset_at(at_ns) == 5 + 1000 * age_s


def test_a_variance_is_never_negative():
    state = ClockState(
        raw_ns=0,
        offset_ns=0,
        frequency=0.0,
        var_offset=1e-12,
        cov=-1e-12,
        var_frequency=0.0,
        white_psd=0.0,
        wander_psd=0.0,
    )
    assert state.sigma_at(SECOND) == 0.0
