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


def test_random_weights_are_as_many_as_the_published(spec: ModelSpec, direct: Ask):
    counts = dict(zip(spec.random_sizes, direct("counts", sizes=spec.random_sizes), strict=True))
    assert counts == {
        "tiny-bolt": 84_704,
        "tiny-2": 54_304,
        "bolt-tiny": 8_652_672,
        "bolt-mini": 21_236_096,
        "chronos-2-small": 27_934_624,
        "bolt-small": 47_718_016,
        "chronos-2": 119_477_664,
        "bolt-base": 205_292_928,
    }


def spoil(source: Path, directory: Path, **changes: object) -> str:
    """Copy a checkpoint with entries of its config changed."""
    shutil.copytree(source, directory)
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    (directory / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")
    return str(directory)


def test_weights_that_cannot_be_used_are_refused_by_name(
    checkpoints: dict[str, Path], tmp_path: Path, direct: Ask, monkeypatch: pytest.MonkeyPatch
):
    """All in one process: the import takes seconds.

    The incomplete one: a layer more in its config than in its file, which the library would fill
    with random numbers without a word.
    """
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    source = checkpoints["tiny-bolt"]
    pickled = spoil(source, tmp_path / "pickled")
    (tmp_path / "pickled" / "model.safetensors").rename(tmp_path / "pickled" / "pytorch_model.bin")
    expected = {
        "amazon/chronos-bolt-small": "does not hold amazon/chronos-bolt-small@main, and HF_HUB_OFF",
        "nonsense": "neither a directory nor a hub id",
        "/nonexistent/weights": "there is no directory",
        pickled: "lacks model.safetensors",
        spoil(source, tmp_path / "incomplete", num_layers=2): "is incomplete: ",
        spoil(source, tmp_path / "t5", architectures=["T5ForConditionalGeneration"]): (
            "t5 is T5ForConditionalGeneration: model chronos loads Chronos-Bolt"
        ),
        spoil(source, tmp_path / "unknown", architectures=None): "is of no stated architecture",
    }
    said = direct("refusals", checkpoints=list(expected))
    for words, error in zip(expected.values(), said, strict=True):
        assert words in error
