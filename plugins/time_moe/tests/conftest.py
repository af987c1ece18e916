"""A tiny checkpoint, made in the real environment."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chronotick.config.schema import Workers
from chronotick.plugin import ModelSpec
from chronotick.testing import random_checkpoint
from chronotick.workers import Lease, command
from chronotick_time_moe.plugin import chronotick_models

INSIDE = Path(__file__).with_name("inside.py")

Ask = Callable[..., list]


@pytest.fixture(scope="session")
def spec() -> ModelSpec:
    return chronotick_models()[0]


@pytest.fixture(scope="session")
def lease(spec: ModelSpec, environment_of: Callable[[ModelSpec], Lease]) -> Lease:
    return environment_of(spec)


@pytest.fixture(scope="session")
def config(environments: Path) -> Workers:
    return Workers(environments=environments, offline=True)


@pytest.fixture(scope="session")
def tiny(
    spec: ModelSpec, config: Workers, lease: Lease, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return random_checkpoint(spec, tmp_path_factory.mktemp("weights") / "tiny", config)


@pytest.fixture(scope="session")
def inside(lease: Lease, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Ask questions of ``inside.py``, which runs in the model's environment with an empty cache."""
    directory = tmp_path_factory.mktemp("inside")
    variables = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_HOME": str(directory)}
    with (directory / "stderr").open("w+", encoding="utf-8") as errors:
        process = subprocess.Popen(
            command(lease, INSIDE),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=variables,
        )

        def ask(what: str, **question: object) -> list:
            process.stdin.write(json.dumps([what, question]) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            if not answer:
                errors.seek(0)
                pytest.fail(f"{INSIDE.name} ended with {process.wait()}:\n{errors.read()}")
            return json.loads(answer)

        with process:
            yield ask
            process.stdin.close()
