"""The whole path with a real foundation model, in a uv environment of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from chronotick.shm.layout import Status
from chronotick.workers import provide
from chronotick_chronos.plugin import chronotick_models

REPOSITORY = Path(__file__).parents[1]

pytestmark = [pytest.mark.environment, pytest.mark.chronyd, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def environments() -> Path:
    return Path(os.environ.get("CHRONOTICK_TEST_ENVS") or REPOSITORY / ".cache" / "envs")


@pytest.fixture(scope="module")
def weights(environments: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Chronos-Bolt, made by the library's own classes."""
    directory = tmp_path_factory.mktemp("weights") / "bolt"
    leased = provide(chronotick_models()[0], environments, "cpu")
    command = [leased.interpreter, "-I", "-m", "chronotick_chronos.tiny", directory]
    subprocess.run(command, check=True, capture_output=True)
    leased.release()
    return directory


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
    start_daemon, chronyd, environments, tmp_path
):
    daemon = start_daemon(
        "--server",
        chronyd,
        "--models",
        "kalman,chronos",
        "--offline",
        CHRONOTICK_WORKERS__ENVIRONMENTS=str(environments),
        HF_HOME=str(tmp_path),
    )
    daemon.wait_for(Status.SYNCHRONISED)
    daemon.wait_until(lambda: daemon.ask("models")["chronos"]["state"] == "broken", 120)
    error = daemon.ask("models")["chronos"]["last_error"]
    assert "amazon/chronos-bolt-small" in error
    assert "--checkpoint chronos=DIR" in error
    assert daemon.status is Status.SYNCHRONISED
