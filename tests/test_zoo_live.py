"""Five foundation models that cannot share an environment, in one running clock."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from chronotick.plugin import ModelSpec, load_plugins
from chronotick.shm.layout import Status

MOST_OWN_BYTES = 60e6  # of the daemon; its models are processes of their own
pytestmark = [pytest.mark.environment, pytest.mark.chronyd, pytest.mark.timeout(900)]

ZOO = ("chronos", "timesfm", "ttm", "toto", "time-moe")
FAST = {
    "CHRONOTICK_CLOCK_MEASUREMENT__TIMING__NORMAL_OPERATION__MEASUREMENT_INTERVAL": "1",
    "CHRONOTICK_CLOCK_MEASUREMENT__TIMING__NORMAL_OPERATION__MAX_INTERVAL": "1",
    "CHRONOTICK_SHORT_TERM__INFERENCE_INTERVAL": "1",
    "CHRONOTICK_SHORT_TERM__STEP": "1",
    "CHRONOTICK_FUSION__MIN_SCORES": "2",
}


@pytest.fixture(scope="module")
def specs() -> dict[str, ModelSpec]:
    plugins = load_plugins()
    return {name: plugins.find(name) for name in ZOO}


def test_all_five_forecast_are_scored_and_have_a_weight(
    start_daemon, chronyd, environments, tiny_weights
):
    checkpoints = [f"--checkpoint={name}={tiny_weights(name)}" for name in ZOO]
    daemon = start_daemon(
        *("--server", chronyd, "--models", ",".join(("kalman", *ZOO)), *checkpoints),
        CHRONOTICK_WORKERS__ENVIRONMENTS=str(environments),
        **FAST,
    )
    daemon.wait_for(Status.SYNCHRONISED)
    daemon.wait_until(lambda: all(model["state"] == "ready" for model in _zoo(daemon)), 240)
    daemon.wait_until(lambda: all(model["skill"] for model in _zoo(daemon)), 240)
    daemon.wait_until(lambda: all(_has_its_weight(model) for model in _zoo(daemon)), 120)
    assert all(model["restarts"] == 0 for model in _zoo(daemon))
    assert len({model["where"] for model in _zoo(daemon)}) == len(ZOO)
    assert daemon.status is Status.SYNCHRONISED
    assert _own_bytes(daemon.process.pid) <= MOST_OWN_BYTES


def _own_bytes(pid: int) -> int:
    """Without the pages of mapped files: how many of those count depends on the page cache."""
    memory = psutil.Process(pid).memory_info()
    return memory.rss - memory.shared


def _has_its_weight(model: dict) -> bool:
    """Some, or none because it was measured to be worse: these models' weights are random."""
    return model["weight"] > 0 or "us against kalman's" in model["reason"]


def _zoo(daemon) -> list[dict]:
    models = daemon.ask("models")
    return [models[name] for name in ZOO]


def test_environments_hold_versions_of_one_library_that_exclude_each_other(specs, environment_of):
    versions = {
        name: _version_of_transformers(environment_of(specs[name]).interpreter)
        for name in ("chronos", "ttm", "time-moe")
    }
    assert versions["ttm"] == "4.38.0"
    assert versions["time-moe"] == "4.40.1"
    assert int(versions["chronos"].split(".")[0]) >= 5


def _version_of_transformers(interpreter: Path) -> str:
    (found,) = interpreter.parent.parent.glob("lib/*/site-packages/transformers-*.dist-info")
    return found.name.removeprefix("transformers-").removesuffix(".dist-info")
