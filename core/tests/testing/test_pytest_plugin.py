"""What authors of plugins use, used as they use it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chronotick.config.schema import Workers
from chronotick.plugin.echo import chronotick_models
from chronotick.testing import CHECKS, Check, LoadedModel, NoRandomWeights, NotReady, Violation
from chronotick.testing.checkpoints import random_checkpoint
from chronotick.testing.contexts import walk

ECHO = chronotick_models()[0]


@pytest.fixture(scope="module")
def model(chronotick_model: Callable[..., LoadedModel]) -> LoadedModel:
    return chronotick_model("echo")


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance(model: LoadedModel, check: Check):
    model.check(check)


def test_a_forecast_is_one_call(model: LoadedModel):
    values = walk(40)
    forecast = model.forecast(values, horizon=3)
    np.testing.assert_array_equal(forecast.mean, np.full((1, 3), values[0, -1]))
    assert model.info.device == "cpu"
    assert model.state.answers >= 1


def test_faults_are_violations(chronotick_model: Callable[..., LoadedModel]):
    with pytest.raises(Violation, match="not finite"):
        chronotick_model("echo", checkpoint="nan").forecast(walk(8))


def test_a_model_that_does_not_load_fails_the_test(chronotick_model: Callable[..., LoadedModel]):
    with pytest.raises(NotReady, match="no weights"):
        chronotick_model("echo", checkpoint="missing-weights")


def test_sizes_that_nobody_writes_are_named(tmp_path: Path):
    config = Workers(environments=tmp_path)
    spec = replace(ECHO, random_weights="json:dump", random_sizes=("tiny", "small"))
    with pytest.raises(NoRandomWeights, match=r"no size 'large'.*tiny, small"):
        random_checkpoint(spec, tmp_path / "out", config, "large")
    with pytest.raises(NoRandomWeights, match="its plugin writes no random weights"):
        random_checkpoint(ECHO, tmp_path / "out", config)


def test_a_writer_that_fails_is_quoted(tmp_path: Path):
    spec = replace(ECHO, random_weights="json:loads", random_sizes=("tiny",))
    with pytest.raises(NoRandomWeights, match=r"json:loads failed:(.|\n)*TypeError"):
        random_checkpoint(spec, tmp_path / "out", Workers(environments=tmp_path))
