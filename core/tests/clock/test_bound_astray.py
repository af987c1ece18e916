"""The hard bound does not trust an estimate that was led astray."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chronotick.clock import ClockState, HardBound
from chronotick.ntp.measurement import Measurement

SECOND = 1_000_000_000
LIMIT = 500e-6
DRIFT = 15e-6

MEASUREMENT = Measurement(
    source="a",
    raw_ns=0,
    offset_ns=0,
    delay_ns=2_000_000,
    precision_ns=0,
    root_delay_ns=0,
    root_dispersion_ns=0,
    stratum=1,
)
STATE = ClockState(
    raw_ns=0,
    offset_ns=0,
    frequency=0.0,
    var_offset=(10e-6) ** 2,
    cov=0.0,
    var_frequency=0.0,
    white_psd=0.0,
    wander_psd=0.0,
)


def rates(state: ClockState, *measurements: Measurement) -> tuple[float, float]:
    """Limits of the frequency after these measurements, the last of which the state has seen."""
    bound = HardBound(max_drift=DRIFT, max_frequency_error=LIMIT)
    for measurement in measurements[:-1]:
        bound.update(measurement, STATE)
    bound.update(measurements[-1], state)
    interval = bound.at(0)
    assert interval is not None
    return interval.low_rate, interval.high_rate


def test_a_frequency_beyond_the_configured_limit_limits_nothing():
    """A burst through long queues once put it at -1284 ppm, 3.4 sigma beyond the limit."""
    astray = replace(STATE, frequency=-1284e-6, var_frequency=(10e-6) ** 2)
    assert rates(astray, MEASUREMENT) == (-LIMIT, LIMIT)


def test_the_limits_never_exceed_the_configured_one():
    unsure = replace(STATE, frequency=400e-6, var_frequency=(100e-6) ** 2)
    assert rates(unsure, MEASUREMENT) == pytest.approx((85e-6, LIMIT))


def test_an_offset_outside_the_bound_limits_nothing():
    astray = replace(STATE, offset_ns=1_100_000)
    assert rates(astray, MEASUREMENT) == (-LIMIT, LIMIT)
    wide = replace(MEASUREMENT, source="b", delay_ns=10_000_000)
    assert rates(astray, MEASUREMENT, wide) == (-LIMIT, LIMIT)
    assert rates(astray, wide) == (-DRIFT, DRIFT)


def test_an_offset_at_the_very_end_of_the_bound_is_inside():
    for offset_ns in (-1_000_000, 1_000_000):
        sure = replace(STATE, offset_ns=offset_ns, var_offset=0.0)
        assert rates(sure, MEASUREMENT) == (-DRIFT, DRIFT)
        beyond = replace(sure, offset_ns=offset_ns * 1_000_001 // 1_000_000)
        assert rates(beyond, MEASUREMENT) == (-LIMIT, LIMIT)
        unsure = replace(STATE, offset_ns=4 * offset_ns, var_offset=1e-6)  # three times a ms
        assert rates(unsure, MEASUREMENT) == (-DRIFT, DRIFT)


@pytest.mark.parametrize("frequency", [-LIMIT, LIMIT])
def test_a_frequency_at_the_limit_is_believed(frequency: float):
    low, high = rates(replace(STATE, frequency=frequency), MEASUREMENT)
    assert high - low == pytest.approx(DRIFT)


def test_what_the_estimate_does_not_know_of_the_frequency_counts_three_times():
    unsure = replace(STATE, frequency=1e-6, var_frequency=(10e-6) ** 2)
    assert rates(unsure, MEASUREMENT) == pytest.approx((-44e-6, 46e-6))


def test_an_offset_that_may_be_inside_by_its_own_uncertainty_does():
    near = replace(STATE, offset_ns=1_025_000)
    assert rates(near, MEASUREMENT) == (-DRIFT, DRIFT)
