"""What counts as a forecast, and the model authors copy from."""

from __future__ import annotations

import numpy as np
import pytest

from chronotick.plugin import ContextBatch, Forecast, InvalidForecast, check_forecast
from chronotick.plugin.echo import Echo

MEAN = np.zeros((2, 3))
QUANTILES = np.zeros((2, 3, 2))


@pytest.mark.parametrize(
    "forecast", [Forecast(mean=MEAN), Forecast(mean=MEAN, quantiles=QUANTILES)]
)
def test_good_answers_pass_unchanged(forecast: Forecast):
    assert check_forecast(forecast, 2, 3, 2) is forecast


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "must return a Forecast, not NoneType"),
        (Forecast(mean=[[0.0]]), "mean must be a float64 array, not list"),
        (Forecast(mean=MEAN.astype(np.float32)), "not float32"),
        (Forecast(mean=MEAN.T), r"shape \(3, 2\), asked for was \(2, 3\)"),
        (Forecast(mean=np.full((2, 3), np.inf)), "6 of 6 values that are not finite"),
        (Forecast(mean=MEAN, quantiles=QUANTILES[:, :, :1]), "quantiles has shape"),
        (Forecast(mean=MEAN, quantiles=QUANTILES - [0, 1]), "must not decrease"),
    ],
)
def test_bad_answers_are_told_apart(answer: object, words: str):
    with pytest.raises(InvalidForecast, match=words):
        check_forecast(answer, 2, 3, 2)


def test_echo_repeats_the_last_measurement_with_its_noise():
    values = np.array([[1.0, 2.0, np.nan], [3.0, np.nan, np.nan]])
    noise = np.where(np.isnan(values), np.nan, 0.5)
    batch = ContextBatch(values=values, noise=noise, step_s=1.0, trend_covariance=np.zeros((2, 4)))
    model = Echo()
    model.load("", "cpu", 1)
    forecast = check_forecast(model.forecast(batch, 2, (0.1, 0.5, 0.9)), 2, 2, 3)
    np.testing.assert_array_equal(forecast.mean, [[2.0, 2.0], [3.0, 3.0]])
    np.testing.assert_allclose(forecast.quantiles[0, 0], [2 - 0.6408, 2, 2 + 0.6408], atol=1e-4)


def test_echo_knows_its_switches():
    with pytest.raises(ValueError, match="echo has no switch"):
        Echo().load("crash", "cpu", 1)
