"""``chronotick envs lock``: renew the locks that environments are built from."""

from __future__ import annotations

import site
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.envs_sync import (
    find_links_option,
    models_with_recipe,
    offline_option,
    take_from,
)
from chronotick.cli.output import BAD_CONFIGURATION, fail, json_option, print_json

if TYPE_CHECKING:
    from chronotick.plugin.contract import Environment
    from chronotick.workers.recipes import RecipeFiles
    from chronotick.workers.renewal import Renewal


@dataclass(frozen=True, slots=True)
class _Recipe:
    """A recipe and the models that use it."""

    files: RecipeFiles
    environment: Environment
    models: tuple[str, ...]

    def is_called(self, name: str) -> bool:
        """Whether a user may mean it: by recipe, by model, or by a folder that holds it."""
        if name in (self.files.name, *self.models):
            return True
        folder = Path(name)
        return folder.is_dir() and self.files.requirements.is_relative_to(folder.resolve())


@click.command()
@click.argument("recipes", nargs=-1, metavar="[RECIPE|MODEL|FOLDER]...")
@click.option("--upgrade", is_flag=True, help="Take the newest versions, not the locked ones.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a lock would change.")
@offline_option
@find_links_option
@json_option
def lock(
    recipes: tuple[str, ...],
    *,
    upgrade: bool,
    check: bool,
    offline: bool,
    find_links: str | None,
    as_json: bool,
) -> None:
    """Make the locks of plugins' recipes (default: of all) satisfy their `.in` files again.

    For plugin authors. Beside RECIPE.in there may be RECIPE.overrides, requirements that replace
    what packages say, and RECIPE.excludes, names of packages to leave out.
    """
    from chronotick.workers.errors import EnvironmentProblem
    from chronotick.workers.renewal import renew
    from chronotick.workers.uv import Uv, find_uv

    take_from(find_links)
    outcomes, failed = [], []
    for recipe in _chosen(recipes):
        try:
            _refuse_installed(recipe.files)
            uv = Uv(program=find_uv(), offline=offline)
            renewal = renew(recipe.files, recipe.environment, uv, upgrade=upgrade)
        except EnvironmentProblem as problem:
            failed.append(str(problem))
            continue
        if renewal.changed and not check:
            renewal.write()
        outcomes.append(_described(recipe, renewal))
        if not as_json:
            click.echo("\n".join(_lines(outcomes[-1], written=not check)))
    if as_json:
        print_json(outcomes)
    stale = [item["recipe"] for item in outcomes if item["changed"]]
    if check and stale:
        failed.append(f"not up to date. Run: chronotick envs lock {' '.join(stale)}")
    if failed:
        fail("\n".join(failed))


def _chosen(names: Sequence[str]) -> list[_Recipe]:
    known = list(_known())
    for name in names:
        if not any(recipe.is_called(name) for recipe in known):
            listing = ", ".join(sorted({recipe.files.name for recipe in known})) or "none"
            fail(
                f"no installed plugin has a recipe or model {name!r}, or a recipe in such a "
                f"folder. Recipes: {listing}. For a plugin's folder run first: "
                "pip install -e FOLDER",
                BAD_CONFIGURATION,
            )
    return [r for r in known if not names or any(r.is_called(name) for name in names)]


def _known() -> Iterator[_Recipe]:
    """The recipes of installed plugins; several plugins may link to the same files."""
    from chronotick.workers.errors import EnvironmentProblem
    from chronotick.workers.recipes import RecipeFiles, recipe_files

    found: dict[Path, _Recipe] = {}
    for spec in models_with_recipe(()):
        assert spec.environment is not None  # noqa: S101 - models_with_recipe chose them
        try:
            files = recipe_files(spec.environment, spec.name)
        except EnvironmentProblem as problem:
            click.echo(f"{spec.name}: {problem}", err=True)
            continue
        source = files.requirements.resolve()
        before = found.get(source)
        if before is not None and _terms(before.environment) != _terms(spec.environment):
            fail(f"{before.models[0]} and {spec.name} use {source} with different Pythons or torch")
        models = (*before.models, spec.name) if before is not None else (spec.name,)
        found[source] = _Recipe(RecipeFiles(source.parent, files.name), spec.environment, models)
    yield from found.values()


def _terms(environment: Environment) -> tuple[object, ...]:
    return (environment.python, environment.preinstall)


def _refuse_installed(files: RecipeFiles) -> None:
    from chronotick.workers.errors import EnvironmentProblem

    for folder in map(Path, (*site.getsitepackages(), site.getusersitepackages())):
        if files.directory.is_relative_to(folder):
            raise EnvironmentProblem(
                files.name,
                f"{files.directory} is an installed copy.",
                "Locks are renewed where the plugin is developed: pip install -e FOLDER",
            )


def _described(recipe: _Recipe, renewal: Renewal) -> dict[str, Any]:
    changes = renewal.changes
    return {
        "recipe": recipe.files.name,
        "models": list(recipe.models),
        "lock": str(recipe.files.lock),
        "changed": renewal.changed,
        "changes": [{"package": c.package, "old": c.old, "new": c.new} for c in changes],
    }


def _lines(outcome: dict[str, Any], *, written: bool) -> Iterator[str]:
    if not outcome["changed"]:
        yield f"{outcome['recipe']}: up to date"
        return
    yield f"{outcome['recipe']}: {'written' if written else 'not up to date'}, {outcome['lock']}"
    for change in outcome["changes"]:
        yield f"  {change['package']} {change['old'] or '(new)'} -> {change['new'] or '(gone)'}"
    if not outcome["changes"]:
        yield "  other hashes or order, the same versions"
