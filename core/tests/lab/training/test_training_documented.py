"""docs/training.md names everything that a recipe can say of worlds and examples."""

from __future__ import annotations

from pathlib import Path

import pytest

from chronotick.lab.training.prior import KINDS, Prior
from chronotick.lab.training.recipe import Data, Recipe

PAGE = (Path(__file__).parents[4] / "docs" / "training.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*Prior.model_fields, *Data.model_fields, *Recipe.model_fields])
def test_every_key_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_world_is_on_the_page_with_its_share(kind: str) -> None:
    assert f"{kind} {Prior().shares[kind]:g}" in PAGE  # type: ignore[index] # one of them
