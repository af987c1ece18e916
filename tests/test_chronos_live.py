"""The whole path with a real foundation model, in a uv environment of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from chronotick.shm.layout import Status
from chronotick_chronos.plugin import chronotick_models

pytestmark = [pytest.mark.environment, pytest.mark.chronyd, pytest.mark.timeout(900)]


@pytest.fixture
def weights(tiny_weights) -> Path:
    return tiny_weights("chronos")


def test_chronos_forecasts_the_clock_of_a_running_daemon(
    start_daemon, chronyd, environments, weights
):
    daemon = start_daemon(
        "--server",
        chronyd,
        "--models",
        "kalman,chronos",
        "--checkpoint",
        f"chronos={weights}",
        CHRONOTICK_WORKERS__ENVIRONMENTS=str(environments),
        CHRONOTICK_WORKERS__OFFLINE="true",
        CHRONOTICK_CLOCK_MEASUREMENT__TIMING__NORMAL_OPERATION__MEASUREMENT_INTERVAL="1",
        CHRONOTICK_CLOCK_MEASUREMENT__TIMING__NORMAL_OPERATION__MAX_INTERVAL="1",
        CHRONOTICK_SHORT_TERM__INFERENCE_INTERVAL="0.5",
        CHRONOTICK_SHORT_TERM__STEP="1",
        CHRONOTICK_FUSION__MIN_SCORES="2",
    )
    daemon.wait_for(Status.SYNCHRONISED)
    daemon.wait_until(lambda: daemon.ask("models")["chronos"]["state"] == "ready", 120)
    daemon.wait_until(lambda: daemon.ask("models")["chronos"]["skill"], 60)
    chronos = daemon.ask("models")["chronos"]
    assert chronos["checkpoint"] == str(weights)
    assert chronos["failures"] == 0
    assert daemon.status is Status.SYNCHRONISED


def test_missing_weights_are_named_with_the_command_that_brings_them(
    start_daemon, chronyd, environments, environment_of, tmp_path
):
    environment_of(chronotick_models()[0])
    daemon = start_daemon(
        "--server",
        chronyd,
        "--models",
        "kalman,chronos",
        "--offline",
        "--checkpoint",
        "chronos=amazon/chronos-bolt-small",
        CHRONOTICK_WORKERS__ENVIRONMENTS=str(environments),
        HF_HOME=str(tmp_path),
    )
    daemon.wait_for(Status.SYNCHRONISED)
    daemon.wait_until(lambda: daemon.ask("models")["chronos"]["state"] == "broken", 120)
    error = daemon.ask("models")["chronos"]["last_error"]
    assert "amazon/chronos-bolt-small" in error
    assert "--checkpoint chronos=DIR" in error
    assert daemon.status is Status.SYNCHRONISED
