"""Random weights, and questions asked in the model's environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chronotick.plugin import ModelSpec
from chronotick_timesfm.plugin import chronotick_models


@pytest.fixture(scope="session")
def spec() -> ModelSpec:
    return chronotick_models()[0]


@pytest.fixture(scope="session")
def direct(ask_inside: Callable[..., Callable[..., list]]) -> Callable[..., list]:
    return ask_inside("timesfm", Path(__file__).with_name("direct.py"))


@pytest.fixture(scope="session")
def checkpoints(random_weights: Callable[..., Path]) -> dict[str, Path]:
    return {kind: random_weights("timesfm", kind) for kind in ("tiny-2.5", "tiny-3")}
