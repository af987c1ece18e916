"""Checkpoints: random ones of the published architecture, and those that are refused."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from chronotick.plugin import ModelSpec

pytestmark = [pytest.mark.environment, pytest.mark.timeout(600)]

Ask = Callable[..., list]


def test_published_size_is_the_published_checkpoint_but_for_its_numbers(
    direct: Ask, tmp_path: Path
):
    """Digest of config.json, size of the tensors' file and number of weights as on the hub."""
    directory = tmp_path / "open-base"
    facts = direct("write", directory=str(directory), size="open-base")
    config = (directory / "config.json").read_bytes()
    shutil.rmtree(directory)  # 600 MB
    assert facts == [605_239_264, 4096, 1024, 151_306_080]
    assert hashlib.sha256(config).hexdigest() == (
        "e381ed28a05898bf2ea3386adb839f9f2742d66d97825db492b6658d4af1f778"
    )


def test_random_weights_are_the_same_every_time(
    spec: ModelSpec,
    tiny_weights: Path,
    tmp_path: Path,
    run_in_environment: Callable[..., subprocess.CompletedProcess[str]],
):
    """Written as ``chronotick models tiny`` does."""
    module, size = "chronotick.plugin.random_weights", spec.random_sizes[0]
    run_in_environment(spec, module, spec.random_weights, tmp_path / "again", size)
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (tiny_weights / name).read_bytes()


def test_tensors_missing_or_without_a_place_are_refused(
    tiny_weights: Path, tmp_path: Path, direct: Ask
):
    """The library leaves the first at random and drops the second, without a word."""
    spoiled = direct("spoiled", source=str(tiny_weights), root=str(tmp_path))
    less, more, other = (text for _, text in direct("refusals", checkpoints=spoiled))
    assert "that are missing, e.g. model.transformer.layers.0.norm2.scale" in less
    assert "1 tensors too few, e.g. model.target_variate_label" in more
    assert "1 tensors of another shape, e.g. model.unembed.bias: " in other


def test_other_models_are_refused_by_name(
    tiny_weights: Path, tmp_path: Path, direct: Ask, spoil: Callable[..., str]
):
    normal = "<class 'model.distribution.StudentTOutput'>"
    expected = {
        spoil(tiny_weights, tmp_path / "bert", scaler_cls=None, architectures=["BertModel"]): (
            "bert holds another model (['BertModel']), not Toto 1"
        ),
        spoil(tiny_weights, tmp_path / "t", output_distribution_classes=[normal]): (
            f"has outputs {[normal]}: only"
        ),
    }
    said = direct("refusals", checkpoints=list(expected))
    for words, (_, error) in zip(expected.values(), said, strict=True):
        assert words in error
