"""Which weights are loaded, which are refused, and how large the random ones are."""

from __future__ import annotations

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


def test_other_architectures_are_refused_by_name(
    checkpoints: dict[str, Path], tmp_path: Path, direct: Ask, spoil: Callable[..., str]
):
    source = checkpoints["tiny-bolt"]
    expected = {
        spoil(source, tmp_path / "t5", architectures=["T5ForConditionalGeneration"]): (
            "t5 is T5ForConditionalGeneration: model chronos loads Chronos-Bolt"
        ),
        spoil(source, tmp_path / "unknown", architectures=None): "is of no stated architecture",
        spoil(source, tmp_path / "wider", d_ff=128): "of another shape, e.g. ",
    }
    said = direct("refusals", checkpoints=list(expected))
    for words, (_, error) in zip(expected.values(), said, strict=True):
        assert words in error


def test_a_buffer_left_behind_is_no_reason_to_refuse_weights(
    checkpoints: dict[str, Path], tmp_path: Path, direct: Ask, chronotick_model
):
    """A hundredth of what is stored may be unused; a whole layer may not."""
    source = str(checkpoints["tiny-bolt"])
    little = direct("with_a_buffer", checkpoint=source, directory=str(tmp_path / "a"), numbers=800)
    much = direct("with_a_buffer", checkpoint=source, directory=str(tmp_path / "b"), numbers=9000)
    assert chronotick_model("chronos", checkpoint=little).info.parameters == 84_704
    ((kind, text),) = direct("refusals", checkpoints=[much])
    assert kind == "ValueError"
    assert "1 tensors too few, e.g. left.behind" in text
