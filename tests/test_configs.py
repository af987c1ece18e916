"""The ready-made configurations do what their names say: each runs and synchronises."""

from __future__ import annotations

from pathlib import Path

import pytest

from chronotick.config import load
from chronotick.config.shipped import shipped
from chronotick.daemon.recommend import PREFERENCE
from chronotick.daemon.zoo import every_name
from chronotick.shm.layout import Status
from chronotick.workers.recipes import device_kind

BUILT_IN = {"kalman", "hold", "line"}
WITH_ZOO = [name for name in PREFERENCE if name != "default"]
FOR_GPU = {"gpu_only_timesfm", "gpu_only_toto", "multi_device_full"}
SOON = {
    "CHRONOTICK_CLOCK_MEASUREMENT__NTP__MIN_SOURCES": "1",
    "CHRONOTICK_CLOCK_MEASUREMENT__TIMING__WARM_UP__DURATION_SECONDS": "2",
    "CHRONOTICK_CLOCK_MEASUREMENT__TIMING__WARM_UP__MEASUREMENT_INTERVAL": "0.3",
}


def models_of(path: Path) -> set[str]:
    return every_name(load(path, {}, {}).config) - BUILT_IN


@pytest.mark.parametrize("name", shipped())
def test_it_runs_where_nothing_is_set_up(name, start_daemon, chronyd, tmp_path):
    """Without environments and weights the clock runs on its own models."""
    daemon = start_daemon(
        *("--config", name, "--server", chronyd),
        CHRONOTICK_WORKERS__BUILD="false",
        XDG_DATA_HOME=str(tmp_path / "data"),
        **SOON,
    )
    daemon.wait_for(Status.SYNCHRONISED)


@pytest.mark.environment
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", WITH_ZOO)
def test_it_runs_with_its_models(name, start_daemon, chronyd, environments, tiny_weights):
    expected = models_of(shipped()[name])
    checkpoints = [f"--checkpoint={model}={tiny_weights(model)}" for model in sorted(expected)]
    daemon = start_daemon(
        *("--config", name, "--server", chronyd, *checkpoints),
        CHRONOTICK_WORKERS__ENVIRONMENTS=str(environments),
        CHRONOTICK_CLOCK_MEASUREMENT__TIMING__NORMAL_OPERATION__MEASUREMENT_INTERVAL="1",
        **SOON,
    )
    daemon.wait_for(Status.SYNCHRONISED)
    daemon.wait_until(lambda: ready(daemon, expected), 240)
    daemon.wait_until(lambda: all(daemon.ask("models")[m]["answers"] for m in expected), 240)
    remarks = [text for m in expected if (text := daemon.ask("models")[m]["remark"])]
    without_gpu = name in FOR_GPU and device_kind("cuda") == "cpu"
    assert bool(remarks) is without_gpu
    assert all("it uses the CPU" in text and text in daemon.log for text in remarks)


def ready(daemon, expected: set[str]) -> bool:
    models = daemon.ask("models")
    return all(models[model]["state"] == "ready" for model in expected)


def test_without_a_configuration_the_recommended_one_is_used(start_daemon, chronyd, tmp_path):
    home = {"XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    daemon = start_daemon("--recommended", "--server", chronyd, **home, **SOON)
    daemon.wait_for(Status.SYNCHRONISED)
    assert "configuration default, recommended for " in daemon.log
