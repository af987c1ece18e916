from __future__ import annotations

import numpy as np
import pytest

from chronotick.models import LEVELS, InProcessModel
from chronotick.models.builtin import chronotick_models
from chronotick.models.line import WINDOWS, line
from chronotick.plugin import ContextBatch, Environment, ModelSpec

SPECS = {spec.name: spec for spec in chronotick_models()}


def batch(*series: list[float], noise: float = 1e-6) -> ContextBatch:
    values = np.array(series, dtype=float)
    return ContextBatch(
        values=values,
        noise=np.where(np.isnan(values), np.nan, noise),
        step_s=4.0,
        trend_covariance=np.array([[1e-12, 0.0, 1e-16, 1e-18]] * len(series)),
    )


@pytest.fixture(params=sorted(SPECS))
def model(request: pytest.FixtureRequest) -> InProcessModel:
    return InProcessModel(SPECS[request.param])


@pytest.mark.parametrize("length", [1, 4, 600])
@pytest.mark.parametrize("horizon", [1, 64])
def test_every_model_answers_in_the_asked_shape(model, length, horizon):
    values = [list(np.sin(np.arange(length)) * 1e-6)] * 2
    forecast, seconds = model.forecast(batch(*values), horizon, LEVELS)
    assert forecast.mean.shape == (2, horizon)
    assert np.isfinite(forecast.mean).all()
    assert seconds >= 0
    if forecast.quantiles is not None:
        assert forecast.quantiles.shape == (2, horizon, len(LEVELS))
        assert (np.diff(forecast.quantiles, axis=-1) > 0).all()


def test_every_model_answers_without_a_single_measurement(model):
    forecast, _ = model.forecast(batch([float("nan")] * 16), 4, LEVELS)
    assert forecast.mean.tolist() == [[0.0] * 4]


def test_hold_holds_the_last_measured_value():
    forecast, _ = InProcessModel(SPECS["hold"]).forecast(batch([1.0, 2.0, float("nan")]), 2, LEVELS)
    assert forecast.mean.tolist() == [[2.0, 2.0]]


def test_line_goes_on_with_the_slope():
    forecast, _ = InProcessModel(SPECS["line"]).forecast(batch(list(np.arange(100.0))), 3, LEVELS)
    assert forecast.mean[0] == pytest.approx([100.0, 101.0, 102.0])


def test_line_trusts_precise_samples():
    values = np.arange(64.0)
    values[::3] += 50.0
    noisy = batch(list(values))
    noise = np.where(np.arange(64) % 3 == 0, 1.0, 1e-3)[np.newaxis]
    weighted = ContextBatch(
        values=noisy.values, noise=noise, step_s=4.0, trend_covariance=noisy.trend_covariance
    )
    forecast, _ = InProcessModel(SPECS["line"]).forecast(weighted, 1, LEVELS)
    assert forecast.mean[0, 0] == pytest.approx(64.0, abs=0.1)


def test_line_uses_a_short_window_after_a_bend_and_a_long_one_in_noise():
    bend = np.concatenate([np.zeros(200), np.arange(56.0)])
    forecast, _ = InProcessModel(SPECS["line"]).forecast(batch(list(bend)), 1, LEVELS)
    assert forecast.mean[0, 0] == pytest.approx(56.0, abs=1.0)
    noise = np.random.default_rng(0).normal(size=512)
    forecast, _ = InProcessModel(SPECS["line"]).forecast(batch(list(noise)), 1, LEVELS)
    assert abs(forecast.mean[0, 0]) < 0.5


def test_kalman_states_the_filters_own_uncertainty():
    forecast, _ = InProcessModel(SPECS["kalman"]).forecast(batch([0.0]), 100, (0.1587, 0.5, 0.8413))
    assert forecast.quantiles is not None
    sigma = (forecast.quantiles[0, :, 2] - forecast.quantiles[0, :, 0]) / 2
    expected = np.sqrt(1e-12 + 1e-16 * 400.0**2 + 1e-18 * 400.0**3 / 3)
    assert sigma[-1] == pytest.approx(expected, rel=1e-3)
    assert (np.diff(sigma) > 0).all()


def test_a_model_with_an_environment_is_not_loaded_into_the_daemon():
    spec = ModelSpec(
        name="x",
        title="X",
        worker="json:JSONDecoder",
        licence="MIT",
        output="point",
        environment=Environment(recipe="r", package="p", python=">=3.10"),
    )
    with pytest.raises(ValueError, match="worker process"):
        InProcessModel(spec)


def straight(time, values, weights) -> tuple[float, float]:
    slope, value = np.polyfit(time, values, 1, w=np.sqrt(weights))
    return value, slope


@pytest.mark.parametrize("seed", range(4))
def test_running_sums_fit_and_judge_as_least_squares_would(seed):
    """Samples whose noise differs by a factor of ten thousand, far from zero."""
    rng = np.random.default_rng(seed)
    noise = 1e-6 * 10 ** rng.uniform(0, 4, 400)
    values = 1e-3 + np.cumsum(rng.normal(0, 1e-7, 400)) + rng.normal(0, 1, 400) * noise
    values[rng.random(400) < 0.3] = np.nan
    measured = np.flatnonzero(~np.isnan(values))
    time, y, weight = measured - 399.0, values[measured], noise[measured] ** -2
    missed, weights = np.zeros(len(WINDOWS)), np.zeros(len(WINDOWS))
    for number, size in enumerate(WINDOWS):
        for end in range(len(y) - size // 4, max(size, len(y) // 2) - 1, -(size // 4)):
            value, slope = straight(*(each[end - size : end] for each in (time, y, weight)))
            judged = slice(end, end + size // 4)
            missed[number] += weight[judged] @ (y - value - slope * time)[judged] ** 2
            weights[number] += weight[judged].sum()
    size = WINDOWS[
        int(np.nanargmin(np.where(weights > 0, missed / np.maximum(weights, 1), np.nan)))
    ]
    value, slope = straight(time[-size:], y[-size:], weight[-size:])
    ahead = np.arange(1.0, 33.0)
    assert line(values, noise, ahead) == pytest.approx(value + slope * ahead, abs=1e-10)
