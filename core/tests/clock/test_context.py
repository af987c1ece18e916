from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from chronotick.clock import ClockState, Samples
from chronotick.models import LEVELS, as_batch, as_path
from chronotick.ntp.measurement import Measurement
from chronotick.plugin import Forecast

SECOND = 1_000_000_000
TREND = ClockState(
    raw_ns=100 * SECOND,
    offset_ns=1_000_000,
    frequency=1e-6,
    var_offset=1e-12,
    cov=0.0,
    var_frequency=1e-18,
    white_psd=0.0,
    wander_psd=1e-18,
)


def measurement(raw_s: float, beyond_trend_ns: int) -> Measurement:
    raw_ns = round(raw_s * SECOND)
    return Measurement(
        source="a",
        raw_ns=raw_ns,
        offset_ns=TREND.offset_at(raw_ns) + beyond_trend_ns,
        delay_ns=1000,
        precision_ns=0,
        root_delay_ns=0,
        root_dispersion_ns=0,
        stratum=1,
    )


def window(*measurements: object, length: int = 10):
    samples = Samples(8)
    for each in measurements:
        samples.add(each, 1e-6, 0.0)  # type: ignore[arg-type]
    return samples.window(TREND, 10 * SECOND, length)


def test_each_step_holds_the_mean_of_its_measurements_beyond_the_trend():
    w = window(measurement(99, 1000), measurement(95, 3000), measurement(71, -500))
    assert w.values[-1] == pytest.approx(2e-6, rel=1e-10)
    assert w.noise[-1] == pytest.approx(1e-6 / np.sqrt(2))
    assert w.values[-3] == pytest.approx(-0.5e-6)
    assert np.isnan(w.values[-2])
    assert np.isnan(w.noise[-2])
    assert w.measured == 2


def test_noisy_measurements_weigh_less():
    samples = Samples(8)
    samples.add(measurement(98, 9000), 1e-3, 0.0)
    samples.add(measurement(99, 1000), 1e-6, 0.0)
    w = samples.window(TREND, 10 * SECOND, 4)
    assert w.values[-1] == pytest.approx(1e-6, rel=1e-3)


def test_measurements_outside_the_window_are_left_out():
    w = window(measurement(100.5, 1), measurement(-1, 2), length=5)
    assert w.measured == 0


def test_a_window_without_measurements_ends_with_the_trend():
    w = window(measurement(100.5, 1), length=5)
    assert (w.newest_raw_ns, w.step_ns) == (100 * SECOND, 10 * SECOND)
    assert np.isnan(w.noise).all()


def test_a_window_begins_and_ends_with_whole_steps():
    """From 50 s, exclusive, to 100 s."""
    w = window(measurement(100, 7), measurement(50, 9), length=5)
    assert w.values[-1] == pytest.approx(7e-9)
    assert w.measured == 1
    assert window(measurement(50 + 1e-9, 9), length=5).values[0] == pytest.approx(9e-9)


def test_what_is_wrong_with_a_measurement_is_taken_off():
    samples = Samples(8)
    samples.add(measurement(99, 1000), 1e-6, 0.4e-6)
    assert samples.window(TREND, 10 * SECOND, 4).values[-1] == pytest.approx(0.6e-6)


def test_the_oldest_give_way_and_the_others_stay_in_order():
    samples = Samples(3)
    for n in range(20):
        samples.add(measurement(80 + n, n), 1e-6, 0.0)
    assert [m.raw_ns // SECOND for m in samples] == [97, 98, 99]
    w = samples.window(TREND, SECOND, 10)
    assert w.measured == len(samples) == 3
    assert w.values[-4:-1] == pytest.approx([17e-9, 18e-9, 19e-9])
    assert w.newest_raw_ns == 99 * SECOND


@pytest.mark.parametrize("taken", [5, 12])
def test_sources_that_lied_are_forgotten(taken):
    samples = Samples(8)
    for n in range(taken):
        named = dataclasses.replace(measurement(85 + n, 1000 * n), source="ab"[n % 2])
        samples.add(named, 1e-6, 0.0)
    honest = [m for m in samples if m.source == "a"]
    samples.drop({"b"})
    assert list(samples) == honest
    w = samples.window(TREND, SECOND, 20)
    beyond = [(m.offset_ns - TREND.tangent_at(m.raw_ns)) * 1e-9 for m in honest]
    assert w.values[~np.isnan(w.values)] == pytest.approx(beyond)
    samples.clear()
    assert samples.window(TREND, SECOND, 20).measured == 0


def test_a_forecast_can_never_become_a_context():
    """An earlier prototype fed its models their own output and diverged to +426 s."""
    forecast = dataclasses.make_dataclass("Forecast", ["raw_ns", "offset_ns"])(99 * SECOND, 5)
    with pytest.raises(TypeError, match="made of measurements"):
        window(forecast)


def test_batch_is_the_newest_part_of_the_window():
    batch = as_batch(window(measurement(99, 1000)), max_context=3)
    assert batch.values.shape == batch.noise.shape == (1, 3)
    assert batch.values[0, -1] == pytest.approx(1e-6)
    assert batch.step_s == 10
    assert batch.trend_covariance.tolist() == [[1e-12, 0.0, 1e-18, 1e-18]]


def test_path_starts_on_the_trend_and_follows_the_forecast():
    forecast = Forecast(mean=np.array([[1e-6, 2e-6]]), quantiles=np.array([[[0, 1, 2]] * 2]) * 1e-6)
    path = as_path("m", "short_term", window(measurement(99, 0)), forecast, 0.01)
    start = TREND.raw_ns
    assert path.offset_at(start) == TREND.offset_ns
    assert path.offset_at(start + 5 * SECOND) == TREND.offset_at(start + 5 * SECOND) + 500
    assert path.offset_at(start + 20 * SECOND) == TREND.offset_at(start + 20 * SECOND) + 2000
    assert path.claimed_sigma_at(start + 10 * SECOND) == pytest.approx(2e-6 / 2.5631)
    assert path.covers(start + 20 * SECOND)
    assert not path.covers(start + 21 * SECOND)
    assert not path.covers(start - 1)


def test_forecast_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="not finite"):
        as_path("m", "s", window(measurement(99, 0)), Forecast(mean=np.array([[np.nan]])), 0.0)


def test_levels_are_ascending_and_symmetric():
    assert list(LEVELS) == sorted(LEVELS)
    assert LEVELS[0] + LEVELS[-1] == pytest.approx(1.0)
