"""The example plugins, taken out of the repository: installed and run as a stranger's would be."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from chronotick.shm.layout import Status
from chronotick.workers.uv import Uv, find_uv

pytestmark = [pytest.mark.environment, pytest.mark.timeout(900)]

EXAMPLE = Path(__file__).parent.parent / "examples" / "statsforecast"
MODELS = {"auto-arima", "auto-ets", "theta"}


@dataclass(frozen=True)
class Installed:
    """An example that was copied elsewhere and installed into a directory of its own."""

    project: Path
    variables: Mapping[str, str]

    def run(self, *arguments: str) -> str:
        """Run ``python -m ...`` in the copy; it must succeed."""
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.project,
            env=os.environ | self.variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory, environments: Path) -> Installed:
    """Installed beside this workspace's ChronoTick, without changing the environment of either."""
    place = tmp_path_factory.mktemp("elsewhere")
    project, site = place / "statsforecast", place / "site"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("*.egg-info", "build"))
    Uv(program=find_uv()).run(
        "installing the example",
        *("pip", "install", "--python", sys.executable, "--no-deps"),
        *("--target", str(site), str(project)),
    )
    variables = {"PYTHONPATH": str(site), "CHRONOTICK_WORKERS__ENVIRONMENTS": str(environments)}
    return Installed(project, variables)


def test_its_models_are_listed_beside_the_others(example: Installed):
    listing = json.loads(example.run("chronotick", "models", "list", "--json"))
    ours = {
        name
        for name, model in listing["models"].items()
        if model["origin"] == "chronotick-example-statsforecast 0.1.0"
    }
    assert ours == MODELS
    assert "kalman" in listing["models"]


def test_its_own_tests_pass_outside_the_repository(example: Installed):
    """They hold ChronoTick's conformance checks, each in a real worker."""
    report = example.run("pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "tests")
    assert " passed" in report
    assert "skipped" not in report


@pytest.mark.chronyd
def test_its_models_forecast_the_clock_of_a_running_daemon(
    example: Installed, start_daemon: Callable, chronyd: str
):
    daemon = start_daemon(
        "--server",
        chronyd,
        "--models",
        ",".join(["kalman", *sorted(MODELS)]),
        CHRONOTICK_CLOCK_MEASUREMENT__TIMING__NORMAL_OPERATION__MEASUREMENT_INTERVAL="1",
        CHRONOTICK_CLOCK_MEASUREMENT__TIMING__NORMAL_OPERATION__MAX_INTERVAL="1",
        CHRONOTICK_SHORT_TERM__INFERENCE_INTERVAL="0.5",
        CHRONOTICK_SHORT_TERM__STEP="1",
        CHRONOTICK_FUSION__MIN_SCORES="2",
        **example.variables,
    )
    daemon.wait_for(Status.SYNCHRONISED)
    for name in sorted(MODELS):
        daemon.wait_until(lambda name=name: daemon.ask("models")[name]["skill"], 300)
        assert daemon.ask("models")[name]["state"] == "ready"
    assert daemon.status is Status.SYNCHRONISED
