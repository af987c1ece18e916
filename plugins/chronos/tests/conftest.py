"""Tiny checkpoints of both kinds, made in the real environment."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from chronotick.plugin import ModelSpec
from chronotick_chronos.plugin import chronotick_models

DIRECT = Path(__file__).with_name("direct.py")
KINDS = ("tiny-bolt", "tiny-2")


@pytest.fixture(scope="session")
def spec() -> ModelSpec:
    return chronotick_models()[0]


@pytest.fixture(scope="session")
def checkpoints(
    spec: ModelSpec,
    run_in_environment: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("checkpoints")
    for kind in KINDS:
        run_in_environment(
            spec, "chronotick.plugin.random_weights", spec.random_weights, root / kind, kind
        )
    return {kind: root / kind for kind in KINDS}


@pytest.fixture(scope="session")
def direct(
    spec: ModelSpec, run_in_environment: Callable[..., subprocess.CompletedProcess[str]]
) -> Callable[..., list]:
    """Ask a question of ``direct.py`` in the model's environment."""

    def ask(what: str, **question: object) -> list:
        done = run_in_environment(spec, str(DIRECT), what, json.dumps(question))
        return json.loads(done.stdout.splitlines()[-1])

    return ask
