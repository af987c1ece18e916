from __future__ import annotations

from pathlib import Path

import pytest

from chronotick.lab.training.recipe import Recipe, RecipeError, change, find, read

YAML = """
prior:
  cycles: false
  poll_s: [16, 64]
data: {batch: 32, seed: 9}
model: {width: 64}
training: {steps: 10}
"""


def written(directory: Path, text: str, name: str = "own.yaml") -> Path:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_recipe_is_read_and_changed(tmp_path: Path) -> None:
    changes = [
        "training.steps=20",
        "prior.filter=false",
        "data.batch=16",
        "training.rates.first=1e-3",
    ]
    recipe = read(written(tmp_path, YAML), changes)
    assert not recipe.prior.cycles
    assert not recipe.prior.filter
    assert recipe.data.batch == 16
    assert recipe.model == {"width": 64}
    assert recipe.training == {"steps": 20, "rates": {"first": 0.001}}


def test_an_empty_recipe_is_the_usual_one(tmp_path: Path) -> None:
    assert read(written(tmp_path, "")) == Recipe()


def test_toml_is_read_where_python_can(tmp_path: Path) -> None:
    pytest.importorskip("tomllib")
    path = written(tmp_path, "[data]\nbatch = 5\n[training]\nsteps = 3\n", "own.toml")
    assert read(path).training == {"steps": 3}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prior: {wanderer: 1}", r"prior\.wanderer: there is no such key"),
        ("priors: {}", "priors: there is no such key"),
        ("data: {batch: 0}", r"data\.batch: Input should be greater than"),
        ("data: {batch: 100000}", "worlds times windows must be at least batch"),
        ("data: {seed: 4, validation_seed: 4}", "validation_seed must not be seed"),
        ("prior: {wander: [1e-8, 1e-9]}", r"prior\.wander: the lowest value first"),
        ("model: 3", "model: Input should be a valid dictionary"),
        ("- a", "a recipe has the sections prior, data, model, training"),
        ("prior: [", "own.yaml, line"),
    ],
)
def test_a_wrong_recipe_says_what_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        read(written(tmp_path, text))


@pytest.mark.parametrize(
    "wrong", ["steps=3", "training.steps", "training.=3", "training.a.b=[", "="]
)
def test_a_wrong_change_says_what_is_wrong(wrong: str) -> None:
    with pytest.raises(RecipeError):
        change(Recipe(), [wrong])


def test_a_change_of_a_value_below_a_number_is_refused() -> None:
    with pytest.raises(RecipeError, match="batch is no section"):
        change(Recipe(), ["data.batch.size=3"])


def test_a_missing_recipe_says_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="comes with other recipes: none"):
        find("cloks", "chronotick")
    with pytest.raises(RecipeError, match="No such file"):
        read(find(str(tmp_path / "own.yaml"), "chronotick"))
