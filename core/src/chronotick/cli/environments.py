"""``chronotick envs``: the Python environments that models run in."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.envs_lock import lock
from chronotick.cli.envs_sync import sync
from chronotick.cli.output import fail, json_option, print_json, table
from chronotick.cli.settings import config_option, load_settings

if TYPE_CHECKING:
    from chronotick.plugin.contract import ModelSpec
    from chronotick.workers.environments import BuiltEnvironment

_AGES = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))


@click.group()
def envs() -> None:
    """Build, list, renew and remove the environments that models run in."""


envs.add_command(sync)
envs.add_command(lock)


@envs.command("list")
@config_option
@json_option
def list_command(*, config_path: Path | None, as_json: bool) -> None:
    """List the environments on disk, and the models that use them."""
    from chronotick.workers.environments import list_environments

    root = load_settings(config_path).config.workers.environments
    users = _users(_specs(), root)
    found = [_described(built, users) for built in list_environments(root)]
    if as_json:
        print_json(found)
        return
    rows = [
        (
            entry["name"],
            ", ".join(entry["models"]) or "-",
            entry["state"],
            entry["device"],
            entry["python"],
            f"{entry['size_mb']:.0f} MB",
            _age(entry["age_s"]),
        )
        for entry in found
    ]
    header = ("environment", "models", "state", "device", "python", "disk", "age")
    click.echo(table(rows, header))


@envs.command()
@config_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def prune(*, config_path: Path | None, yes: bool, as_json: bool) -> None:
    """Remove environments, and copies of plugins' code, that no installed model would use now.

    What a running daemon uses stays, too.
    """
    from chronotick.workers.environments import prune as remove
    from chronotick.workers.environments import superfluous
    from chronotick.workers.errors import EnvironmentProblem

    root = load_settings(config_path).config.workers.environments
    specs = _specs()
    users = _users(specs, root)
    keep = set(users) | set(_unclear(specs, users, root))
    going = superfluous(root, keep)
    names = ", ".join(str(path.relative_to(root)) for path in going)
    if going and not yes and not as_json:
        click.confirm(f"remove {names}?", abort=True)
    if going and as_json and not yes:
        fail(f"--json does not ask: add --yes to remove {names}")
    try:
        removed = [str(path.relative_to(root)) for path in remove(root, keep)]
    except EnvironmentProblem as problem:
        fail(problem)
    if as_json:
        print_json({"removed": removed})
        return
    in_use = [str(path.relative_to(root)) for path in going]
    for name in removed:
        in_use.remove(name)
        click.echo(f"removed {name}")
    for name in in_use:
        click.echo(f"in use, left: {name}")
    if not going:
        click.echo("nothing to remove")


def _described(built: BuiltEnvironment, users: dict[Path, list[str]]) -> dict[str, Any]:
    return {
        "name": built.path.name,
        "path": str(built.path),
        "state": "complete" if built.complete else "half built",
        "models": users.get(built.path, []),
        "recipe": built.recipe,
        "device": built.device,
        "python": built.python,
        "packages": built.packages,
        "size_mb": built.installed_bytes / 1e6,
        "own_mb": built.own_bytes / 1e6,
        "age_s": time.time() - built.created_s if built.complete else None,
    }


def _age(age_s: float | None) -> str:
    if age_s is None:
        return "-"
    return next((f"{age_s / unit:.0f} {name}" for unit, name in _AGES if age_s >= unit), "new")


def _specs() -> list[ModelSpec]:
    from chronotick.plugin.registry import load_plugins

    specs = load_plugins().models.values()
    return [spec for spec in specs if spec.environment is not None and spec.environment.recipe]


def _users(specs: Iterable[ModelSpec], root: Path) -> dict[Path, list[str]]:
    """Which models would use which directory now, on any kind of device this host has."""
    from chronotick.workers.errors import EnvironmentProblem
    from chronotick.workers.provision import python_finder
    from chronotick.workers.recipes import device_kind, plan

    users: dict[Path, list[str]] = {}
    for spec in specs:
        find = python_finder(spec, offline=True, cancelled=threading.Event(), download=False)
        try:
            plans = [plan(spec, root, device, find) for device in {"cpu", device_kind("auto")}]
        except EnvironmentProblem:
            continue  # see _unclear
        for path in frozenset().union(*(wanted.used for wanted in plans)):
            users.setdefault(path, []).append(spec.name)
    return users


def _unclear(
    specs: Iterable[ModelSpec], users: Mapping[Path, Sequence[str]], root: Path
) -> list[Path]:
    """The environments of models of which nobody can say now what they use: kept."""
    from chronotick.workers.environments import list_environments

    known = {name for names in users.values() for name in names}
    recipes = {
        spec.environment.recipe
        for spec in specs
        if spec.environment is not None and spec.name not in known
    }
    return [built.path for built in list_environments(root) if built.recipe in recipes]
