"""Which weights are loaded, which are refused, and how large the random ones are."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from chronotick.plugin import ModelSpec

pytestmark = [pytest.mark.environment, pytest.mark.timeout(600)]

Ask = Callable[..., list]


def test_sizes_are_the_published_ones(spec: ModelSpec, direct: Ask):
    """Those of random weights, and the one that is read off the published file."""
    counts, same_definition = direct("published", sizes=spec.random_sizes)
    assert dict(zip(spec.random_sizes, counts, strict=True)) == {
        "tiny-2.5": 281_688,
        "tiny-3": 21_600,
        "timesfm-2.5-200m": 231_289_280,
        "timesfm-3.0": 330_710_976,
    }
    assert same_definition is True


def test_weights_that_cannot_be_used_are_refused_by_name(
    checkpoints: dict[str, Path], tmp_path: Path, direct: Ask, monkeypatch: pytest.MonkeyPatch
):
    """All in one process: the import takes seconds."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    copies = {
        name: shutil.copytree(checkpoints[kind], tmp_path / name)
        for name, kind in {
            "pickled": "tiny-2.5",
            "incomplete": "tiny-2.5",
            "no-size": "tiny-2.5",
            "other": "tiny-2.5",
            "incomplete-3": "tiny-3",
            "no-config": "tiny-3",
        }.items()
    }
    (copies["pickled"] / "model.safetensors").rename(copies["pickled"] / "pytorch_model.bin")
    (copies["no-config"] / "config.json").unlink()
    lost = {
        "incomplete": ("tiny-2.5", "stacked_xf.1.ff1.weight"),
        "no-size": ("tiny-2.5", "stacked_xf.0.ff0.weight"),
        "other": ("tiny-2.5", "tokenizer.hidden_layer.weight"),
        "incomplete-3": ("tiny-3", "output_head.weight"),
    }
    expected = {
        "google/timesfm-2.5-200m-pytorch": "does not hold google/timesfm-2.5-200m-pytorch@main",
        "nonsense": "neither a directory nor a hub id",
        "/nonexistent/weights": "there is no directory",
        str(copies["pickled"]): "lacks model.safetensors",
        str(copies["incomplete"]): "is incomplete: 1 tensors, e.g. stacked_xf.1.ff1.weight",
        str(copies["no-size"]): "is incomplete: 1 tensors, e.g. stacked_xf.0.ff0.weight",
        str(copies["other"]): "other is no checkpoint of TimesFM 2.5 or 3",
        str(copies["incomplete-3"]): "is incomplete: 1 tensors, e.g. output_head.weight",
        str(copies["no-config"]): "lacks config.json, which TimesFM 3 needs",
    }
    said = direct(
        "refusals",
        checkpoints=list(expected),
        spoilt=[
            (str(checkpoints[kind]), str(copies[name]), tensor)
            for name, (kind, tensor) in lost.items()
        ],
    )
    for words, error in zip(expected.values(), said, strict=True):
        assert words in error
