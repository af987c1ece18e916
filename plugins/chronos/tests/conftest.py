"""The real environment, built once into a shared directory, and tiny checkpoints of both kinds."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from chronotick.plugin import ModelSpec
from chronotick_chronos.plugin import chronotick_models

TINY = ("-I", "-m", "chronotick_chronos.tiny")
KINDS = ("bolt", "chronos2")


@pytest.fixture(scope="session")
def spec() -> ModelSpec:
    return chronotick_models()[0]


@pytest.fixture(scope="session")
def interpreter(spec: ModelSpec, interpreter_of: Callable[[ModelSpec], Path]) -> Path:
    return interpreter_of(spec)


@pytest.fixture(scope="session")
def checkpoints(interpreter: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("checkpoints")
    for kind in KINDS:
        subprocess.run(
            [str(interpreter), *TINY, str(root / kind), "--kind", kind],
            check=True,
            capture_output=True,
        )
    return {kind: root / kind for kind in KINDS}
