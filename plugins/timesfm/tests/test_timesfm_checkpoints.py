"""Which weights are loaded, which are refused, and how large the random ones are."""

from __future__ import annotations

import json
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
    checkpoints: dict[str, Path], tmp_path: Path, direct: Ask
):
    lost = {
        "incomplete": ("tiny-2.5", "stacked_xf.1.ff1.weight"),
        "no-size": ("tiny-2.5", "stacked_xf.0.ff0.weight"),
        "other": ("tiny-2.5", "tokenizer.hidden_layer.weight"),
        "incomplete-3": ("tiny-3", "output_head.weight"),
    }
    kinds = {name: kind for name, (kind, _) in lost.items()} | {"no-config": "tiny-3"}
    copies = {
        name: shutil.copytree(checkpoints[kind], tmp_path / name) for name, kind in kinds.items()
    }
    (copies["no-config"] / "config.json").unlink()
    direct(
        "without",
        spoilt=[
            (str(checkpoints[kind]), str(copies[name]), tensor)
            for name, (kind, tensor) in lost.items()
        ],
    )
    expected = {
        "incomplete": "has 1 tensors that are missing, e.g. stacked_xf.1.ff1.weight",
        "no-size": "its tensors do not make a model: KeyError: 'stacked_xf.0.ff0.weight'",
        "other": "other is no checkpoint of TimesFM 2.5 or 3",
        "incomplete-3": "has 1 tensors that are missing, e.g. output_head.weight",
        "no-config": "lacks config.json, which TimesFM 3 needs",
    }
    said = direct("refusals", checkpoints=[str(copies[name]) for name in expected])
    for words, (_, error) in zip(expected.values(), said, strict=True):
        assert words in error


def test_settings_of_version_3_must_fit_its_file(
    checkpoints: dict[str, Path], tmp_path: Path, direct: Ask, spoil: Callable[..., str]
):
    source = checkpoints["tiny-3"]
    settings = json.loads((source / "config.json").read_text(encoding="utf-8"))
    stack = settings["transformer_config"]
    broken = Path(spoil(source, tmp_path / "broken"))
    (broken / "config.json").write_text("{", encoding="utf-8")
    expected = {
        str(broken): f"{broken / 'config.json'} cannot be read",
        spoil(source, tmp_path / "lost", transformer_config=None): "lost cannot be used",
        spoil(source, tmp_path / "fewer", transformer_config=stack | {"num_layers": 1}): "too few",
        spoil(source, tmp_path / "nonsense", quantiles="nonsense"): "nonsense cannot be used",
    }
    said = direct("refusals", checkpoints=list(expected))
    for words, (kind, error) in zip(expected.values(), said, strict=True):
        assert kind == "ValueError"
        assert words in error
        assert "chronotick models pull timesfm" in error
