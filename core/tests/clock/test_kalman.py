from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from chronotick.clock import KalmanFilter
from chronotick.ntp.measurement import Measurement

SECOND = 1_000_000_000


def measurement(
    raw_s: float, offset_ns: int, delay_ns: int = 100_000, source: str = "a"
) -> Measurement:
    return Measurement(
        source=source,
        raw_ns=round(raw_s * SECOND),
        offset_ns=offset_ns,
        delay_ns=delay_ns,
        precision_ns=100,
        root_delay_ns=0,
        root_dispersion_ns=1000,
        stratum=1,
    )


def kalman() -> KalmanFilter:
    return KalmanFilter(wander=1e-9, max_frequency_error=500e-6)


BASE = 1_700_000_000 * SECOND


def test_before_the_first_measurement_there_is_no_state():
    assert kalman().state(0) is None
    assert kalman().newest_raw_ns is None


def test_first_measurement_sets_the_offset_exactly():
    estimator = kalman()
    estimator.update(measurement(10, BASE + 123))
    state = estimator.state(10 * SECOND)
    assert state is not None
    assert state.offset_ns == BASE + 123


@pytest.mark.parametrize("frequency", [0.0, 20e-6, -491e-6])
def test_offset_and_frequency_of_a_steady_oscillator_are_found(frequency):
    rng = np.random.default_rng(1)
    estimator = kalman()
    for t in range(0, 3200, 16):
        queue = rng.exponential(20e3, 2)
        offset = BASE + round(frequency * t * 1e9) + round((queue[0] - queue[1]) / 2)
        estimator.update(measurement(t, offset, 80_000 + round(queue.sum())))
    state = estimator.state(3200 * SECOND)
    assert state is not None
    assert state.frequency == pytest.approx(frequency, abs=4e-8)  # wander limits it
    assert abs(state.offset_ns - BASE - round(frequency * 3200e9)) < 5_000


def test_a_queued_packet_moves_the_estimate_by_less_than_a_prompt_one():
    def shift(delay_ns: int) -> int:
        estimator = kalman()
        for t in range(0, 640, 16):
            estimator.update(measurement(t, BASE))
        estimator.update(measurement(640, BASE + 2_000, delay_ns))
        state = estimator.state(640 * SECOND)
        assert state is not None
        return state.offset_ns - BASE

    assert 0 < shift(180_000) < shift(100_000) / 10


def test_bias_of_one_of_two_sources_is_told_from_the_offset():
    estimator = kalman()
    for t in range(0, 3200, 16):
        estimator.update(measurement(t, BASE, 2_000_000, source="far"))
        estimator.update(measurement(t + 1, BASE - 30_000, 20_000_000, source="farther"))
    assert estimator.bias_s("farther") < estimator.bias_s("far")
    assert estimator.bias_s("never seen") == 0.0


def test_single_outlier_is_gated_and_barely_moves_the_clock():
    estimator = kalman()
    for t in range(0, 640, 16):
        estimator.update(measurement(t, BASE))
    innovation = estimator.update(measurement(640, BASE + 50_000_000))
    state = estimator.state(640 * SECOND)
    assert innovation.outlier
    assert not innovation.reacquired
    assert state is not None
    assert abs(state.offset_ns - BASE) < 20_000


def test_a_real_change_is_acquired_again_after_four_measurements():
    estimator = kalman()
    for t in range(0, 640, 16):
        estimator.update(measurement(t, BASE))
    innovations = [
        estimator.update(measurement(640 + 16 * n, BASE + 50_000_000)) for n in range(10)
    ]
    state = estimator.state(800 * SECOND)
    assert [i.reacquired for i in innovations].index(True) == 3
    assert state is not None
    assert abs(state.offset_ns - BASE - 50_000_000) < 500_000


def test_uncertainty_grows_away_from_the_measurements():
    estimator = kalman()
    for t in range(0, 640, 16):
        estimator.update(measurement(t, BASE))
    state = estimator.state(640 * SECOND)
    assert state is not None
    sigmas = [state.sigma_at((640 + age) * SECOND) for age in (0, 10, 100, 1000, 10_000)]
    assert sigmas == sorted(sigmas)
    assert sigmas[-1] > 10 * sigmas[0]


def test_measurements_may_arrive_a_little_out_of_order_but_not_a_minute():
    estimator = kalman()
    estimator.update(measurement(100, BASE))
    estimator.update(measurement(99.9, BASE, source="b"))
    with pytest.raises(ValueError, match="older"):
        estimator.update(measurement(10, BASE))


def test_covariance_stays_positive_over_many_updates():
    rng = np.random.default_rng(3)
    estimator = kalman()
    for t in range(5000):
        delay = 80_000 + round(rng.exponential(1e5))
        estimator.update(measurement(t, BASE, delay, source=f"s{t % 4}"))
    eigenvalues = np.linalg.eigvalsh(estimator._p)
    assert (eigenvalues > 0).all()


def test_snapshot_restores_the_same_state():
    estimator = kalman()
    for t in range(0, 640, 16):
        estimator.update(measurement(t, BASE + t, source=f"s{t % 3}"))
    twin = kalman()
    twin.restore(estimator.snapshot())
    assert twin.state(1000 * SECOND) == estimator.state(1000 * SECOND)
    next_one = measurement(700, BASE)
    assert twin.update(next_one) == estimator.update(next_one)


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 99},
        {"x": [0.0]},
        {"p": [[1.0]]},
        {"raw_ns": None},
        {"delays": {}},
        {"p": [[float("nan")] * 3] * 3},
    ],
)
def test_damaged_snapshots_are_refused_and_change_nothing(damage):
    estimator = kalman()
    estimator.update(measurement(1, BASE))
    before = estimator.state(SECOND)
    with pytest.raises(ValueError, match="saved state"):
        estimator.restore({**estimator.snapshot(), **damage})
    assert estimator.state(SECOND) == before


def test_noise_of_a_first_sample_is_not_zero():
    estimator = kalman()
    first = measurement(1, BASE, 40_000_000)
    estimator.update(first)
    assert estimator.noise_s(first) > 1e-4
    assert estimator.noise_s(dataclasses.replace(first, delay_ns=60_000_000)) > 5e-3


def test_a_source_that_is_gone_takes_its_bias_with_it_and_nothing_else():
    estimator = kalman()
    for t in range(0, 640, 16):
        estimator.update(measurement(t, BASE, source="a"))
        estimator.update(measurement(t + 1, BASE, source="b"))
    before = estimator.state(640 * SECOND)
    bias = estimator.bias_s("b")
    estimator.drop("a")
    estimator.drop("never seen")
    assert estimator.state(640 * SECOND) == before
    assert estimator.bias_s("a") == 0.0
    assert estimator.bias_s("b") == bias
    estimator.update(measurement(656, BASE, source="a"))


def test_the_first_delay_counts_once():
    estimator = kalman()
    estimator.update(measurement(1, BASE, 40_000_000))
    assert estimator.snapshot()["delays"] == {"a": [0.04]}
