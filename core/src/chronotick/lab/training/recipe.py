"""Recipes of trainings: which worlds, how many examples, which network, how it learns.

A recipe is a file of YAML or TOML with four sections. ``prior`` and ``data`` are checked here,
``model`` and ``training`` by the trainer in the model's environment, which knows the network.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from chronotick.config.yaml12 import YamlError, parse
from chronotick.lab.description import Description
from chronotick.lab.training.prior import Prior

USUAL = "clocks"
"""Name of the recipe that is taken if none is named."""
DIRECTORY = "recipes"  # of a plugin's package, where the recipes lie that come with it
SUFFIXES = (".yaml", ".yml", ".toml")
Section = Mapping[str, Any]


class RecipeError(ValueError):
    """Raised when a recipe cannot be used; the message says which key is wrong, and why."""


class Data(Description):
    """How many examples there are, and in which order.

    Attributes:
        seed: of the worlds that are trained on.
        batch: examples in a batch.
        windows: examples of each world.
        worlds: so many worlds make one block, whose examples are mixed.
        validation_seed: of the worlds for validation.
        validation_worlds: how many these are.
        validation_windows: examples of each of them.
    """

    seed: int = Field(default=1, ge=0)
    batch: int = Field(default=256, ge=1)
    windows: int = Field(default=256, ge=1)
    worlds: int = Field(default=32, ge=1)
    validation_seed: int = Field(default=1_000_001, ge=0)
    validation_worlds: int = Field(default=96, ge=1)
    validation_windows: int = Field(default=32, ge=1)

    @model_validator(mode="after")
    def _fits(self) -> Data:
        if self.seed == self.validation_seed:
            raise ValueError("validation_seed must not be seed: what was learnt validates nothing")
        for worlds, windows in (("worlds", "windows"), ("validation_worlds", "validation_windows")):
            if getattr(self, worlds) * getattr(self, windows) < self.batch:
                raise ValueError(f"{worlds} times {windows} must be at least batch ({self.batch})")
        return self

    @property
    def batches_per_block(self) -> int:
        """Batches that the examples of a block fill; the rest is left out."""
        return self.worlds * self.windows // self.batch

    @property
    def validation_batches(self) -> int:
        """Batches for validation."""
        return self.validation_worlds * self.validation_windows // self.batch


class Recipe(Description):
    """All that decides what is learnt.

    Attributes:
        prior: which worlds.
        data: how many examples.
        model: sizes of the network; the trainer knows its keys.
        training: how it learns; likewise.
    """

    prior: Prior = Prior()
    data: Data = Data()
    model: dict[str, Any] = Field(default={})
    training: dict[str, Any] = Field(default={})


def find(named: str, package: str) -> Path:
    """Return the file of a recipe: that file, or the one of that name in a plugin's package.

    Raises:
        RecipeError: there is none.
    """
    given = Path(named)
    if given.suffix in SUFFIXES or given.exists():
        return given
    shipped = recipes(package)
    if named not in shipped:
        known = ", ".join(sorted(shipped)) or "none"
        raise RecipeError(
            f"recipe {named!r}: no such file, and {package} comes with other recipes: {known}"
        )
    return shipped[named]


def recipes(package: str) -> dict[str, Path]:
    """The recipes that come with a plugin's package, by name."""
    directory = Path(str(files(importlib.import_module(package)))) / DIRECTORY
    return {path.stem: path for path in sorted(directory.glob("*")) if path.suffix in SUFFIXES}


def read(path: Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe and change it.

    Args:
        path: its file.
        changes: ``section.key=value`` each; the value is written as in YAML.

    Raises:
        RecipeError: it cannot be read, or is none.
    """
    told = _parsed(path)
    if not isinstance(told, dict):
        raise RecipeError(f"{path}: a recipe has the sections {', '.join(Recipe.model_fields)}")
    return _changed(told, changes, f"recipe {path}")


def change(recipe: Recipe, changes: Sequence[str]) -> Recipe:
    """Change a recipe; see `read`."""
    return _changed(recipe.model_dump(mode="json"), changes, "recipe")


def _changed(told: dict[str, Any], changes: Sequence[str], what: str) -> Recipe:
    for each in changes:
        _change(told, each)
    try:
        return Recipe.model_validate(told)
    except ValidationError as error:
        problems = "; ".join(_words(detail) for detail in error.errors())
        raise RecipeError(f"{what}: {problems}") from error


def _parsed(path: Path) -> Any:  # noqa: ANN401 - whatever is in a file
    try:
        text = path.read_text(encoding="utf-8")
        return _toml(text, path) if path.suffix == ".toml" else (parse(text).value or {})
    except OSError as error:
        raise RecipeError(f"recipe {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"recipe {path}: it is no text") from error
    except YamlError as error:
        where = f", line {error.line}" if error.line else ""
        raise RecipeError(f"recipe {path}{where}: {error}") from error


def _toml(text: str, path: Path) -> Any:  # noqa: ANN401 - whatever is in a file
    try:
        tomllib = importlib.import_module("tomllib")  # from Python 3.11 on
    except ImportError as error:
        raise RecipeError(f"recipe {path}: Python 3.10 reads no TOML. Write it as YAML") from error
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise RecipeError(f"recipe {path}: {error}") from error


def _change(told: dict[str, Any], change: str) -> None:
    place, equals, value = change.partition("=")
    keys = place.strip().split(".")
    if not equals or len(keys) < 2 or not all(keys):  # noqa: PLR2004 - a section and a key
        raise RecipeError(f"{change!r}: expected section.key=value, such as prior.cycles=false")
    section: Any = told
    for key in keys[:-1]:
        section = section.setdefault(key, {})
        if not isinstance(section, dict):
            raise RecipeError(f"{change!r}: {key} is no section")
    try:
        section[keys[-1]] = parse(value).value
    except YamlError as error:
        raise RecipeError(f"{change!r}: {error}") from error


def _words(detail: Mapping[str, Any]) -> str:
    """A problem in a line: where, and what."""
    place = ".".join(str(part) for part in detail["loc"])
    said = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        said = "there is no such key"
    return f"{place}: {said}" if place else said
