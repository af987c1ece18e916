"""The weights that come with plugins: small, whole, of their own recipe, else refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from chronotick.config.schema import Workers
from chronotick.plugin import ModelSpec, load_plugins
from chronotick.plugin.anchoring import KEY, NAME
from chronotick.plugin.weights import CONFIG, Weights, locate
from chronotick.testing import CHECKS, NotReady, loaded

pytestmark = [pytest.mark.environment, pytest.mark.timeout(900)]

MODELS = ("chronos", "ttm")
LARGEST_MB = 10
CONTEXT, BENT, REACH = 480, 56, 64
NOISE_S = 1e-7  # of measurements, and the estimator's sigma


@pytest.fixture(params=MODELS)
def spec(request: pytest.FixtureRequest) -> ModelSpec:
    return load_plugins().find(request.param)


@pytest.fixture
def weights(spec: ModelSpec) -> Weights:
    assert spec.checkpoint is not None
    return locate(spec.checkpoint.identifier, spec.name)


def test_they_are_small_and_say_what_they_are(spec: ModelSpec, weights: Weights):
    files = [path for path in weights.directory.iterdir() if path.is_file()]
    size_mb = sum(path.stat().st_size for path in files) / 1e6
    assert size_mb <= LARGEST_MB
    assert spec.checkpoint is not None
    assert spec.checkpoint.size_mb == pytest.approx(size_mb, abs=0.1)
    assert weights.config()[KEY] == NAME
    card = (weights.directory / "README.md").read_text(encoding="utf-8")
    assert f"chronotick lab train {spec.name} --config clocks --out clocks" in card
    assert "license: apache-2.0" in card


def test_they_load_without_a_network_and_heed_what_the_estimator_cannot(
    spec: ModelSpec, environment_of: Callable, environments: Path
):
    """What untrained ones answer, whatever they read, is nothing but the estimator's path: 0."""
    environment_of(spec)
    bent = quiet()
    bent[:, -BENT:] += 20 * NOISE_S * np.linspace(0.0, 1.0, BENT) ** 2
    with loaded(spec, Workers(environments=environments, offline=True)) as running:
        assert running.info.checkpoint == spec.checkpoint.identifier
        still, moved = (running.forecast(values, REACH) for values in (quiet(), bent))
    assert np.abs(still.mean).max() < NOISE_S
    assert np.abs(moved.mean - still.mean).max() > NOISE_S / 100


def test_they_do_what_every_model_must(
    spec: ModelSpec, environment_of: Callable, environments: Path
):
    environment_of(spec)
    with loaded(spec, Workers(environments=environments, offline=True)) as running:
        for check in CHECKS:
            running.check(check)


def test_truncated_or_foreign_ones_are_refused(
    spec: ModelSpec, weights: Weights, environment_of: Callable, environments: Path, tmp_path: Path
):
    environment_of(spec)
    config = Workers(environments=environments, offline=True)
    half = shutil.copytree(weights.directory, tmp_path / "half")
    whole = (half / "model.safetensors").read_bytes()
    (half / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(NotReady, match="damaged"), loaded(spec, config, checkpoint=str(half)):
        pass
    (other,) = set(MODELS) - {spec.name}
    theirs = load_plugins().find(other).checkpoint
    assert theirs is not None
    foreign = str(locate(theirs.identifier, other).directory)
    refused = loaded(spec, config, checkpoint=foreign)
    with pytest.raises(NotReady, match=f"model {spec.name} loads"), refused:
        pass
    strange = shutil.copytree(weights.directory, tmp_path / "strange")
    settings = json.loads((strange / CONFIG).read_text()) | {KEY: "anchored-9"}
    (strange / CONFIG).write_text(json.dumps(settings))
    refused = loaded(spec, config, checkpoint=str(strange))
    with pytest.raises(NotReady, match=r"anchored-9.*known are"), refused:
        pass


def quiet() -> np.ndarray:
    """A series that is noise about the tangent."""
    return np.random.default_rng(3).normal(0.0, NOISE_S, (1, CONTEXT))
