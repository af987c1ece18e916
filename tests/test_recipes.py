"""The recipes under ``envs/``: each resolves, together they cannot, and that is why they are many.

Asked of uv itself, on the package index. torch is given, as it is for each recipe: without that
even more pairs would exclude each other, for a reason that is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from chronotick.workers.recipes import RecipeFiles
from chronotick.workers.uv import Uv, UvFailed, find_uv

ENVS = Path(__file__).parents[1] / "envs"
RECIPES = tuple(sorted(path.stem for path in ENVS.glob("*.in")))
PYTHON, TORCH = "3.11", "torch==2.13.*"

CONFLICTS = {
    ("core-models", "time-moe"): ("chronos-forecasting", "transformers>=4.41", "==4.40.1"),
    ("core-models", "ttm"): ("chronos-forecasting", "transformers>=4.41", "==4.38.0"),
    ("time-moe", "toto"): ("toto-ts", "transformers==4.52.1", "==4.40.1"),
    ("time-moe", "ttm"): ("transformers==4.38.0", "transformers==4.40.1"),
    ("toto", "ttm"): ("toto-ts", "4.38.0"),
}
"""Pairs that uv refuses, and words it says.

Toto conflicts by what toto-ts declares (transformers 4.52.1, datasets 2.17.1). Its recipe leaves
both out: a forecast needs neither.
"""

pytestmark = [pytest.mark.environment, pytest.mark.timeout(300)]


def resolve(recipes: Iterable[str], directory: Path, *, replaced: Iterable[str] = ()) -> str:
    """Resolve the union of recipes, as they declare what they need; returns the lock."""
    union, overrides, lock = (directory / f"union.{kind}" for kind in ("in", "overrides", "lock"))
    union.write_text("".join(f"-r {ENVS / recipe}.in\n" for recipe in recipes))
    overrides.write_text("\n".join((TORCH, *replaced)) + "\n")  # toto-ts pins an older torch
    Uv(program=find_uv()).lock(union, lock, python=PYTHON, outside=(TORCH,), overrides=overrides)
    return lock.read_text()


def refusal(recipes: Iterable[str], directory: Path, **options: Iterable[str]) -> str:
    with pytest.raises(UvFailed) as caught:
        resolve(recipes, directory, **options)
    assert "No solution found" in caught.value.output
    return " ".join(caught.value.output.split())


def test_there_are_four_recipes():
    assert RECIPES == ("core-models", "time-moe", "toto", "ttm")


def test_all_recipes_together_do_not_resolve(tmp_path: Path):
    assert "transformers==" in refusal(RECIPES, tmp_path)


@pytest.mark.parametrize(("pair", "reason"), CONFLICTS.items(), ids="+".join)
def test_pair_does_not_resolve(pair: tuple[str, str], reason: tuple[str, ...], tmp_path: Path):
    said = refusal(pair, tmp_path)
    assert all(words in said for words in reason), said


def test_toto_and_ttm_exclude_each_other_even_with_one_transformers(tmp_path: Path):
    said = refusal(("toto", "ttm"), tmp_path, replaced=["transformers==4.38.0"])
    assert re.search(r"toto-ts.* datasets==2\.17\.1 .*datasets>=2\.18", said), said


def test_toto_with_chronos_would_resolve_but_hold_chronos_to_old_packages(tmp_path: Path):
    """The only pair that does; apart, Chronos has transformers 5 and numpy 2."""
    lock = resolve(("core-models", "toto"), tmp_path)
    assert "\ntransformers==4.52.1 " in lock
    assert "\nnumpy==1.26." in lock
    own = (ENVS / "core-models.lock").read_text()
    assert "\ntransformers==5." in own
    assert "\nnumpy==2." in own


@pytest.mark.parametrize("recipe", RECIPES)
def test_lock_satisfies_its_requirements(recipe: str, tmp_path: Path):
    """What ``chronotick envs lock --check`` finds, whether or not the plugins are installed."""
    from chronotick.plugin.contract import Environment
    from chronotick.workers.renewal import renew

    environment = Environment(
        recipe=recipe, package="", python=f"=={PYTHON}.*", preinstall=(TORCH,)
    )
    renewal = renew(RecipeFiles(ENVS, recipe), environment, Uv(program=find_uv()))
    assert [str(change) for change in renewal.changes] == []
    assert not renewal.changed


@pytest.mark.parametrize("recipe", RECIPES)
def test_lock_holds_what_every_worker_needs(recipe: str):
    lock = RecipeFiles(ENVS, recipe).lock.read_text()
    assert all(f"\n{name}==" in lock for name in ("msgpack", "numpy", "pluggy", "pyzmq"))
