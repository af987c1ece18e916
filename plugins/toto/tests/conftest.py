"""A random checkpoint, made in the real environment, and questions asked there."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chronotick.plugin import ModelSpec
from chronotick.workers import Lease, command
from chronotick_toto.plugin import chronotick_models

DIRECT = Path(__file__).with_name("direct.py")


@pytest.fixture(scope="session")
def spec() -> ModelSpec:
    return chronotick_models()[0]


@pytest.fixture(scope="session")
def direct(
    spec: ModelSpec,
    environment_of: Callable[[ModelSpec], Lease],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., list]]:
    """Ask ``direct.py`` in the model's environment: one process, as the import takes seconds."""
    no_cache = {"HF_HOME": str(tmp_path_factory.mktemp("hub")), "HF_HUB_OFFLINE": "1"}
    program = subprocess.Popen(
        command(environment_of(spec), DIRECT),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | no_cache,
    )

    def ask(what: str, **question: object) -> list:
        program.stdin.write(json.dumps([what, question]) + "\n")
        program.stdin.flush()
        answer = program.stdout.readline()
        if not answer:
            pytest.fail(f"direct.py ended with {program.wait()} when asked {what}")
        return json.loads(answer)

    yield ask
    program.communicate()  # the end of its input ends it


@pytest.fixture(scope="session")
def tiny_weights(direct: Callable[..., list], tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("toto") / "tiny"
    direct("write", directory=str(directory), size="tiny")
    return directory
