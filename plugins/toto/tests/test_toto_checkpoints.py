"""Checkpoints: random ones of the published architecture, and those that are refused."""

from __future__ import annotations

import hashlib
import json
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
    less, more, other = direct("spoiled", source=str(tiny_weights), root=str(tmp_path))
    assert "is incomplete or not as configured: " in less
    assert "layers.0.norm2.scale" in less
    assert "holds 1 tensors that its config.json has no place for" in more
    assert "e.g. model.target_variate_label" in more
    assert "size mismatch for model.unembed.bias" in other


def reconfigured(source: Path, directory: Path, **changes: object) -> str:
    """Copy a checkpoint with entries of its config changed; ``None`` takes one out."""
    shutil.copytree(source, directory)
    config = json.loads((directory / "config.json").read_text(encoding="utf-8")) | changes
    kept = {name: value for name, value in config.items() if value is not None}
    (directory / "config.json").write_text(json.dumps(kept), encoding="utf-8")
    return str(directory)


def test_weights_that_cannot_be_used_are_refused_by_name(
    spec: ModelSpec, tiny_weights: Path, tmp_path: Path, direct: Ask
):
    pickled = reconfigured(tiny_weights, tmp_path / "pickled")
    (tmp_path / "pickled" / "model.safetensors").rename(tmp_path / "pickled" / "pytorch_model.bin")
    normal = "<class 'model.distribution.StudentTOutput'>"
    expected = {
        spec.checkpoint.identifier: f"does not hold {spec.checkpoint.identifier}, and HF_HUB_OFF",
        "nonsense": "neither a directory nor a hub id",
        "/nonexistent/weights": "there is no directory",
        pickled: "lacks model.safetensors",
        reconfigured(tiny_weights, tmp_path / "more", num_layers=4): "is incomplete or not as conf",
        reconfigured(tiny_weights, tmp_path / "fewer", num_layers=1, spacewise_every_n_layers=1): (
            "tensors that its config.json has no place for, e.g. model.transformer.layers.1."
        ),
        reconfigured(
            tiny_weights, tmp_path / "bert", scaler_cls=None, architectures=["BertModel"]
        ): "bert holds another model (['BertModel']), not Toto 1",
        reconfigured(tiny_weights, tmp_path / "t", output_distribution_classes=[normal]): (
            f"has outputs {[normal]}: only"
        ),
    }
    said = direct("refusals", checkpoints=list(expected))
    for words, error in zip(expected.values(), said, strict=True):
        assert words in error
