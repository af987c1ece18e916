"""The model that a ``models`` command means, and the running daemon's word on it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.output import BAD_CONFIGURATION, fail

if TYPE_CHECKING:
    from chronotick.config.schema import Config
    from chronotick.plugin.contract import ModelSpec
    from chronotick.plugin.registry import Plugins

checkpoint_option = click.option(
    "--checkpoint",
    metavar="WEIGHTS",
    help="Hub id (org/name[@revision]) or directory, of the one model if it begins with MODEL=; "
    "default: as configured, else the model's own.",
)
checkpoints_option = click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    metavar="MODEL=WEIGHTS",
    help="Weights of a model: a hub id or a directory. May be repeated.",
)
device_option = click.option(
    "--device", default="cpu", show_default=True, help="Where it computes: auto, cpu or cuda[:N]."
)


def plugins_with(*names: str) -> Plugins:
    """Load the plugins; ends with code 2 if none provides one of these models."""
    from chronotick.plugin.registry import UnknownModel, load_plugins

    plugins = load_plugins()
    try:
        for name in names:
            plugins.find(name)
    except UnknownModel as error:
        fail(error, BAD_CONFIGURATION)
    return plugins


def checkpoint_of(given: str | None, models: Sequence[str]) -> dict[str, str]:
    """Read ``--checkpoint`` for some models: for all of them, or ``MODEL=WEIGHTS`` for one."""
    model, named, weights = (given or "").partition("=")
    if not named or not re.fullmatch(r"[\w-]+", model) or Path(given or "").is_dir():
        return dict.fromkeys(models, given) if given else {}
    if model not in models or not weights:
        allowed = " or ".join(f"{name}=WEIGHTS" for name in models)
        raise click.BadParameter(f"{given!r}: expected {allowed}", param_hint="--checkpoint")
    return {model: weights}


def in_daemon(spec: ModelSpec, origin: str) -> bool:
    """Tell the models that the daemon computes itself: its own, without an environment."""
    return spec.environment is None and origin.startswith("chronotick ")


def as_worker(spec: ModelSpec) -> ModelSpec:
    """The model as it runs in a process of its own, the daemon's own models included."""
    from chronotick.plugin.contract import CURRENT_INTERPRETER

    return spec if spec.environment is not None else replace(spec, environment=CURRENT_INTERPRETER)


def quieten_workers() -> None:
    """Keep the daemon's log off the terminal: the command says itself what went wrong."""
    from chronotick.daemon.logs import quieten

    quieten()


def announce_building(spec: ModelSpec, config: Config, device: str) -> None:
    """Tell whoever waits that an environment has to be built first."""
    from chronotick.workers.inventory import environment_status

    status = environment_status(spec, config.workers.environments, device)
    if status.state == "not built" and config.workers.build:
        click.echo(f"{spec.name}: building its environment first (minutes)", err=True)


def daemon_report(config: Config, socket_path: Path | None) -> dict[str, Any] | None:
    """What a running daemon says of its models; ``None`` where none answers."""
    from chronotick.client.control import ask
    from chronotick.client.errors import ChronoTickError

    try:
        answer: dict[str, Any] = ask("models", socket_path=socket_path or config.control.socket)
    except ChronoTickError:
        return None
    return answer
