"""Fixtures for the tests of model plugins; pytest finds them by itself.

``chronotick_model("my-model")`` starts the model in its real environment and process and ends it
after the module's tests; ``checkpoint="tiny"`` makes random weights first. The bundled model
``echo`` misbehaves on demand: ``chronotick_model("echo", checkpoint="late=2")``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from chronotick.config.schema import Workers
    from chronotick.plugin.contract import ModelSpec
    from chronotick.testing.loaded import LoadedModel

TINY = "tiny"


@pytest.fixture(scope="session")
def chronotick_workers() -> Workers:
    """Section ``workers`` of the configuration tests run with: this user's own."""
    from chronotick.config import load

    return load(None, os.environ, {}).config.workers


@pytest.fixture(scope="module")
def chronotick_model(
    chronotick_workers: Workers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., LoadedModel]]:
    """Load a model: ``chronotick_model(name_or_spec, checkpoint="", device="cpu")``."""
    from chronotick.testing.checkpoints import random_checkpoint
    from chronotick.testing.loaded import loaded

    with ExitStack() as stack:

        def start(model: str | ModelSpec, checkpoint: str = "", device: str = "cpu") -> LoadedModel:
            spec = _find(model) if isinstance(model, str) else model
            if checkpoint == TINY and spec.random_sizes:
                directory = tmp_path_factory.mktemp(f"{spec.name}-tiny")
                checkpoint = str(random_checkpoint(spec, directory, chronotick_workers))
            return stack.enter_context(
                loaded(spec, chronotick_workers, checkpoint=checkpoint, device=device)
            )

        yield start


def _find(name: str) -> ModelSpec:
    from chronotick.plugin.registry import load_plugins

    return load_plugins().find(name)
