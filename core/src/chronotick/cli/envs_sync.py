"""``chronotick envs sync``: build what models run in."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.output import BAD_CONFIGURATION, fail, json_option, print_json
from chronotick.cli.settings import config_option, load_settings

if TYPE_CHECKING:
    from chronotick.config.schema import Workers
    from chronotick.plugin.contract import ModelSpec
    from chronotick.workers.recipes import Plan

find_links_option = click.option(
    "--find-links",
    type=click.Path(exists=True, file_okay=False, resolve_path=True),
    metavar="DIR",
    help="Directory of wheels to take packages from (default: $UV_FIND_LINKS).",
)
offline_option = click.option(
    "--offline", is_flag=True, help="Use only uv's cache and --find-links."
)


@dataclass(frozen=True, slots=True)
class _Site:
    """How and where environments are built."""

    config: Workers
    device: str
    offline: bool


@click.command()
@click.argument("models", nargs=-1)
@config_option
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Kind of device they are for.",
)
@offline_option
@find_links_option
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
    """Build the environments of MODELS (default: of every installed model).

    Each is built exactly from the lock its plugin brings (`chronotick envs lock` renews locks);
    models with the same recipe share one. When one fails the others are built all the same.
    """
    take_from(find_links)
    config = load_settings(config_path).config.workers
    site = _Site(config, device, offline or config.offline)
    outcomes: list[dict[str, Any]] = []
    planned: dict[Path, list[tuple[ModelSpec, Plan]]] = {}
    for spec in models_with_recipe(models):
        _plan(spec, site, planned, outcomes)
    for group in planned.values():
        outcomes += _build(group, site)
    if as_json:
        print_json(outcomes)
    else:
        for outcome in outcomes:
            if outcome["state"] == "ready":
                click.echo(f"{outcome['model']}: ready, {outcome['interpreter']}")
    failed = [f"{item['model']}: {item['error']}" for item in outcomes if item["error"]]
    if failed:
        fail("\n".join((f"{len(failed)} of {len(outcomes)} models have no environment.", *failed)))


def take_from(find_links: str | None) -> None:
    """Let uv, and whatever it starts, look for wheels in a directory."""
    if find_links is not None:
        os.environ["UV_FIND_LINKS"] = find_links


def models_with_recipe(names: Sequence[str]) -> list[ModelSpec]:
    """The named models that have an environment of their own; all of them without names."""
    from chronotick.plugin.registry import UnknownModel, load_plugins

    plugins = load_plugins()
    try:
        specs = [plugins.find(name) for name in names or plugins.models]
    except UnknownModel as error:
        fail(error, BAD_CONFIGURATION)
    for spec in specs:
        if names and (spec.environment is None or not spec.environment.recipe):
            click.echo(f"{spec.name}: runs on the daemon's Python, needs no environment", err=True)
    return [spec for spec in specs if spec.environment is not None and spec.environment.recipe]


def _plan(
    spec: ModelSpec,
    site: _Site,
    planned: dict[Path, list[tuple[ModelSpec, Plan]]],
    outcomes: list[dict[str, Any]],
) -> None:
    from chronotick.workers.errors import EnvironmentProblem
    from chronotick.workers.provision import python_finder
    from chronotick.workers.recipes import plan

    find = python_finder(spec, offline=site.offline, cancelled=threading.Event())
    try:
        wanted = plan(spec, site.config.environments, site.device, find)
    except EnvironmentProblem as problem:
        outcomes.append(_failed(spec, problem))
    else:
        planned.setdefault(wanted.directory, []).append((spec, wanted))


def _build(group: list[tuple[ModelSpec, Plan]], site: _Site) -> list[dict[str, Any]]:
    """Build one environment for all models of a group; returns what became of each."""
    from chronotick.workers.environments import is_complete, read_environment
    from chronotick.workers.errors import EnvironmentProblem
    from chronotick.workers.provision import describe, provide

    wanted = group[0][1]
    there = is_complete(wanted.directory)
    names = ", ".join(spec.name for spec, _ in group)
    click.echo(f"{wanted.directory.name} for {names}, on {wanted.device}:", err=True)
    started_s = time.monotonic()

    def progress(stage: str, message: str) -> None:
        click.echo(f"  {time.monotonic() - started_s:6.1f} s  {stage}: {message}", err=True)

    outcomes: list[dict[str, Any]] = []
    for spec, _ in group:
        try:
            held = provide(
                spec,
                site.config.environments,
                site.device,
                offline=site.offline,
                progress=progress,
            )
        except EnvironmentProblem as problem:
            # The same would be tried again for each model, with the same end.
            return outcomes + [_failed(other, problem) for other, _ in group[len(outcomes) :]]
        held.release()
        built = read_environment(wanted.directory)
        outcomes.append(
            {
                "model": spec.name,
                "state": "ready",
                "environment": str(built.path),
                "interpreter": str(held.interpreter),
                "built": not there,
                "packages": built.packages,
                "size_mb": built.installed_bytes / 1e6,
                "downloaded_mb": built.downloaded_bytes / 1e6,
                "seconds": time.monotonic() - started_s,
                "error": None,
            }
        )
    if there:
        click.echo(f"  built before: {describe(built)}", err=True)
    return outcomes


def _failed(spec: ModelSpec, problem: Exception) -> dict[str, Any]:
    return {"model": spec.name, "state": "failed", "error": str(problem)}
