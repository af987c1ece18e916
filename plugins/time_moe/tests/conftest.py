"""Random weights, and questions asked in the model's environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chronotick.plugin import ModelSpec
from chronotick_time_moe.plugin import chronotick_models


@pytest.fixture(scope="session")
def spec() -> ModelSpec:
    return chronotick_models()[0]


@pytest.fixture(scope="session")
def direct(ask_inside: Callable[..., Callable[..., list]]) -> Callable[..., list]:
    return ask_inside("time-moe", Path(__file__).with_name("direct.py"))


@pytest.fixture(scope="session")
def tiny(random_weights: Callable[..., Path]) -> Path:
    return random_weights("time-moe")
