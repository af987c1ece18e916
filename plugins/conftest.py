# ruff: noqa: INP001 - test folders are not packages
"""What the plugins' tests share: random weights, and questions asked in a model's environment."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from chronotick.config.schema import Workers
from chronotick.plugin import ModelSpec, load_plugins
from chronotick.testing import random_checkpoint
from chronotick.workers import Lease, command

ANSWERING = Path(__file__).parent / "tests" / "answering.py"

Ask = Callable[..., list]


@pytest.fixture(scope="session")
def config(environments: Path) -> Workers:
    """Settings of workers that take environments as they were built."""
    return Workers(environments=environments, offline=True)


@pytest.fixture(scope="session")
def random_weights(
    environment_of: Callable[[ModelSpec], Lease],
    config: Workers,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Path]:
    """Random weights of a model and size, the smallest by default; written once."""
    root = tmp_path_factory.mktemp("weights")

    @functools.cache
    def written(model: str, size: str = "") -> Path:
        spec = load_plugins().find(model)
        environment_of(spec)
        return random_checkpoint(spec, root / model / (size or "smallest"), config, size)

    return written


@pytest.fixture(scope="session")
def ask_inside(
    environment_of: Callable[[ModelSpec], Lease], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Ask]]:
    """Call functions of a file in a model's environment, offline and with an empty cache.

    ``ask_inside("chronos", Path("direct.py"))("library", horizon=3)``. One process per file, as the
    imports take seconds.
    """
    with ExitStack() as stack:

        @functools.cache
        def start(model: str, file: Path | None = None) -> Ask:
            spec = load_plugins().find(model)
            line = command(environment_of(spec), ANSWERING, spec.worker, *([file] if file else []))
            return stack.enter_context(_answering(line, tmp_path_factory.mktemp("inside")))

        yield start


@contextmanager
def _answering(line: list[str], directory: Path) -> Iterator[Ask]:
    variables = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_HOME": str(directory)}
    log = directory / "stderr"
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            line,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=os.environ | variables,
        )

    def ask(what: str, **question: object) -> list:
        with suppress(BrokenPipeError):  # it has ended: its log says why
            process.stdin.write(json.dumps([what, question]) + "\n")
            process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            pytest.fail(f"{line} ended with {process.wait()}:\n{log.read_text(encoding='utf-8')}")
        return json.loads(answer)

    yield ask
    process.kill()  # it has nothing to lose, and takes long to end where all processors are busy
    process.communicate()


@pytest.fixture(scope="session")
def spoil() -> Callable[..., str]:
    """Copy a checkpoint with entries of its config changed; ``None`` takes one out."""

    def spoilt(source: Path, directory: Path, **changes: object) -> str:
        shutil.copytree(source, directory)
        path = directory / "config.json"
        entries = json.loads(path.read_text(encoding="utf-8")) | changes
        kept = {name: value for name, value in entries.items() if value is not None}
        path.write_text(json.dumps(kept), encoding="utf-8")
        return str(directory)

    return spoilt
