"""`chronotick run --models chronos,ttm` with every download forbidden and an empty cache.

Measurements and forecasts come each second, so that scores come soon.
"""

from __future__ import annotations

import pytest

from chronotick.plugin import load_plugins
from chronotick.shm.layout import Status

pytestmark = [pytest.mark.environment, pytest.mark.chronyd, pytest.mark.timeout(900)]

MODELS = ("chronos", "ttm")


def test_weights_that_come_with_plugins_forecast_are_scored_and_have_a_weight(
    start_daemon, chronyd, environments, environment_of, tmp_path
):
    for name in MODELS:
        environment_of(load_plugins().find(name))
    daemon = start_daemon(
        *("--server", chronyd, "--models", ",".join(MODELS), "--offline"),
        CHRONOTICK_WORKERS__ENVIRONMENTS=str(environments),
        HF_HOME=str(tmp_path / "no-hub"),
        CHRONOTICK_CLOCK_MEASUREMENT__TIMING__NORMAL_OPERATION__MEASUREMENT_INTERVAL="1",
        CHRONOTICK_CLOCK_MEASUREMENT__TIMING__NORMAL_OPERATION__MAX_INTERVAL="1",
        CHRONOTICK_SHORT_TERM__INFERENCE_INTERVAL="1",
        CHRONOTICK_SHORT_TERM__STEP="1",
        CHRONOTICK_FUSION__MIN_SCORES="2",
    )
    daemon.wait_for(Status.SYNCHRONISED)
    daemon.wait_until(lambda: all(each["state"] == "ready" for each in _models(daemon)), 240)
    daemon.wait_until(lambda: all(each["skill"] for each in _models(daemon)), 120)
    daemon.wait_until(lambda: all(each["weight"] > 0 for each in _models(daemon)), 240)
    for name, model in zip(MODELS, _models(daemon), strict=True):
        assert model["checkpoint"] == f"chronotick_{name}:clocks"
        assert model["failures"] == 0
    assert daemon.status is Status.SYNCHRONISED


def _models(daemon) -> list[dict]:
    models = daemon.ask("models")
    return [models[name] for name in MODELS]
