"""``chronotick envs``: the Python environments that models run in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.output import BAD_CONFIGURATION, fail, json_option, print_json, table
from chronotick.cli.settings import config_option, load_settings

if TYPE_CHECKING:
    from chronotick.config.schema import Config
    from chronotick.plugin.contract import ModelSpec

device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Kind of device they are for.",
)


@click.group()
def envs() -> None:
    """Build, list and remove the environments that models run in."""


@envs.command()
@click.argument("models", nargs=-1)
@config_option
@device_option
@click.option("--offline", is_flag=True, help="Use only the cache and --find-links.")
@click.option(
    "--find-links",
    type=click.Path(exists=True, file_okay=False),
    metavar="DIR",
    help="Directory of wheels to take packages from (default: $UV_FIND_LINKS).",
)
@json_option
def sync(
    models: tuple[str, ...],
    *,
    config_path: Path | None,
    device: str,
    offline: bool,
    find_links: str | None,
    as_json: bool,
) -> None:
    """Build the environments of MODELS (default: of every installed model)."""
    from chronotick.workers.errors import EnvironmentProblem
    from chronotick.workers.provision import provide

    if find_links is not None:
        os.environ["UV_FIND_LINKS"] = find_links
    config = load_settings(config_path).config
    ready = []
    for spec in _specs(models):
        try:
            leased = provide(
                spec,
                config.workers.environments,
                device,
                offline=offline or config.workers.offline,
                progress=lambda stage, message: click.echo(f"  {stage}: {message}", err=True),
            )
        except EnvironmentProblem as problem:
            fail(f"{spec.name}: {problem}")
        leased.release()
        ready.append({"model": spec.name, "interpreter": str(leased.interpreter)})
        if not as_json:
            click.echo(f"{spec.name}: ready, {leased.interpreter}")
    if as_json:
        print_json(ready)


def _specs(names: tuple[str, ...]) -> list[ModelSpec]:
    """The named models that have an environment of their own; all of them without names."""
    from chronotick.plugin.registry import UnknownModel, load_plugins

    plugins = load_plugins()
    try:
        specs = [plugins.find(name) for name in names or plugins.models]
    except UnknownModel as error:
        fail(error, BAD_CONFIGURATION)
    for spec in specs:
        if names and spec.environment is None:
            click.echo(f"{spec.name}: runs in the daemon and needs no environment", err=True)
    return [spec for spec in specs if spec.environment is not None and spec.environment.recipe]


@envs.command("list")
@config_option
@json_option
def list_command(*, config_path: Path | None, as_json: bool) -> None:
    """List the environments on disk."""
    from chronotick.workers.environments import list_environments

    config = load_settings(config_path).config
    found = [_described(built) for built in list_environments(config.workers.environments)]
    if as_json:
        print_json(found)
        return
    rows = [[e["name"], e["state"], e["device"], f"{e['size_mb']:.0f} MB"] for e in found]
    click.echo(table(rows, ("environment", "state", "device", "disk")))


def _described(built: Any) -> dict[str, Any]:  # noqa: ANN401 - imported late
    return {
        "name": built.path.name,
        "path": str(built.path),
        "state": "complete" if built.complete else "half built",
        "recipe": built.recipe,
        "device": built.device,
        "python": built.python,
        "size_mb": built.size_bytes / 1e6,
    }


@envs.command()
@config_option
@device_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune(*, config_path: Path | None, device: str, yes: bool) -> None:
    """Remove environments that no installed model would use now."""
    from chronotick.workers.environments import list_environments
    from chronotick.workers.environments import prune as remove

    config = load_settings(config_path).config
    root = config.workers.environments
    keep = set(_in_use(config, device))
    superfluous = [built.path for built in list_environments(root) if built.path not in keep]
    if not superfluous:
        click.echo("nothing to remove")
        return
    names = ", ".join(path.name for path in superfluous)
    if not yes:
        click.confirm(f"remove {names}?", abort=True)
    for path in remove(root, keep):
        click.echo(f"removed {path.name}")


def _in_use(config: Config, device: str) -> Iterator[Path]:
    from chronotick.workers.errors import EnvironmentProblem
    from chronotick.workers.provision import provide

    for spec in _specs(()):
        try:
            leased = provide(spec, config.workers.environments, device, allowed=False)
        except EnvironmentProblem:
            continue  # not built: nothing to keep
        leased.release()
        yield leased.interpreter.parent.parent
