"""ChronoTick's own checks, in the models' real environment, and what is special to these models."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from chronotick.testing import CHECKS, Check, LoadedModel, NotReady, walk

MODELS = ("auto-arima", "auto-ets", "theta")


@pytest.fixture(scope="module", params=MODELS)
def model(
    request: pytest.FixtureRequest, chronotick_model: Callable[..., LoadedModel]
) -> LoadedModel:
    """Each of the models, loaded once (``chronotick_model`` is ChronoTick's fixture)."""
    return chronotick_model(request.param)


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance(model: LoadedModel, check: Check):
    model.check(check)


def test_a_straight_line_goes_on(model: LoadedModel):
    """Theta, whose long-term slope is half that of the context, does that on purpose."""
    rising = 1e-9 * np.arange(100.0)[np.newaxis]
    slope = np.diff(model.forecast(rising, 20).mean[0]) / 1e-9
    expected = 0.5 if model.subject.spec.name == "theta" else 1.0
    np.testing.assert_allclose(slope, expected, rtol=0.02)


def test_steps_after_the_last_measurement_are_forecast_too(model: LoadedModel):
    values = walk(200)
    early = np.where(np.arange(200) >= 190, np.nan, values)
    expected = model.forecast(values[:, :190], 26).mean[:, 10:]
    np.testing.assert_allclose(
        model.forecast(early, 16).mean, expected, atol=1e-3 * np.nanstd(early)
    )


def test_intervals_of_a_random_walk_widen_and_hold_the_forecast(model: LoadedModel):
    forecast = model.forecast(walk(300), 50)
    lowest, highest = forecast.quantiles[0, :, 0], forecast.quantiles[0, :, -1]
    assert (lowest <= forecast.mean[0]).all()
    assert (forecast.mean[0] <= highest).all()
    assert highest[-1] - lowest[-1] > 2 * (highest[0] - lowest[0])


def test_weights_are_refused(chronotick_model: Callable[..., LoadedModel]):
    with pytest.raises(NotReady, match="this model has no weights, but was given 'org/name'"):
        chronotick_model("auto-ets", checkpoint="org/name")
