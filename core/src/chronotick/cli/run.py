"""``chronotick run``: the daemon."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.output import BAD_CONFIGURATION, FAILED, fail
from chronotick.cli.settings import config_option

if TYPE_CHECKING:
    from chronotick.config import Loaded
    from chronotick.config.schema import Config
    from chronotick.plugin.registry import Plugins


@click.command()
@config_option
@click.option("--models", help="Models of both prediction loops, separated by commas.")
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    metavar="MODEL=WEIGHTS",
    help="Weights of a model: a hub id or a directory. May be repeated.",
)
@click.option("--device", help="Where models compute: auto, cpu, cuda or cuda:N.")
@click.option(
    "--server", "servers", multiple=True, metavar="HOST[:PORT]", help="NTP server. May be repeated."
)
@click.option("--freq", type=float, help="Publications per second, 1 to 1000 (default 10).")
@click.option(
    "--cpu-affinity", metavar="CPU...", help="CPUs the daemon may run on: `0 1` or `0,1`."
)
@click.argument("more_cpus", nargs=-1, type=int, metavar="")
@click.option("--log-level", help="DEBUG, INFO, WARNING or ERROR.")
@click.option("--shm", type=click.Path(path_type=Path), help="File of the published record.")
@click.option("--offline", is_flag=True, default=None, help="Never let models use the network.")
def run(config_path: Path | None, more_cpus: tuple[int, ...], **options: Any) -> None:  # noqa: ANN401 - click's
    """Measure, forecast and publish time until stopped (SIGTERM, Ctrl-C).

    SIGHUP reloads the configuration.
    """
    if more_cpus and not options["cpu_affinity"]:
        raise click.UsageError(f"Got unexpected extra argument ({more_cpus[0]})")
    from chronotick.config import ConfigError
    from chronotick.plugin.registry import load_plugins

    overrides, plugins = _overrides(options, more_cpus), load_plugins()
    try:
        loaded = _load(config_path, overrides, plugins)
    except ConfigError as error:
        fail(error, BAD_CONFIGURATION)
    _run(loaded, plugins, lambda: _load(config_path, overrides, plugins))


def _overrides(options: dict[str, Any], more_cpus: tuple[int, ...]) -> dict[str, object]:
    models = _comma_list(options["models"])
    return {
        "short_term.models": models,
        "long_term.models": models,
        "short_term.device": options["device"],
        "long_term.device": options["device"],
        "clock_measurement.ntp.servers": list(options["servers"]) or None,
        "shm.frequency": options["freq"],
        "shm.path": str(options["shm"]) if options["shm"] else None,
        "process.cpu_affinity": _cpus(options["cpu_affinity"], more_cpus),
        "logging.level": options["log_level"].upper() if options["log_level"] else None,
        "workers.offline": options["offline"],
        "workers.checkpoints": _checkpoints(options["checkpoints"]),
    }


def _checkpoints(given: tuple[str, ...]) -> dict[str, str]:
    checkpoints = {}
    for text in given:
        model, _, weights = text.partition("=")
        if not (model and weights):
            raise click.BadParameter(f"{text!r}: expected MODEL=WEIGHTS", param_hint="--checkpoint")
        checkpoints[model] = weights
    return checkpoints


def _comma_list(text: str | None) -> list[str] | None:
    if text is None:
        return None
    return [part.strip() for part in text.split(",") if part.strip()]


def _cpus(text: str | None, more: tuple[int, ...]) -> list[int] | None:
    if text is None:
        return None
    try:
        return [*(int(part) for part in text.split(",")), *more]
    except ValueError:
        raise click.BadParameter(
            f"{text!r}: expected CPU numbers", param_hint="--cpu-affinity"
        ) from None


def _load(path: Path | None, overrides: dict[str, object], plugins: Plugins) -> Loaded:
    """Load the configuration, at the start and for each reload.

    Raises:
        ConfigError: it is wrong, or cannot work on this machine.
    """
    import os

    from chronotick.cli.fitting import fitted
    from chronotick.config import load

    return fitted(load(path, os.environ, overrides), plugins)


def _run(loaded: Loaded, plugins: Plugins, load_again: Callable[[], Loaded]) -> None:
    import asyncio
    import logging

    from chronotick.daemon.app import Daemon
    from chronotick.daemon.control import ControlSocketError
    from chronotick.daemon.logs import configure_logging
    from chronotick.shm.errors import RecordError

    configure_logging(loaded.config.logging)
    log = logging.getLogger("chronotick.daemon")

    def remarked(loaded: Loaded) -> Config:
        for remark in loaded.remarks:
            log.warning(remark)
        return loaded.config

    config = remarked(loaded)
    for problem in plugins.problems:
        log.warning("plugin %s left out: %s %s", problem.name, problem.error, problem.hint)

    async def serve() -> None:
        await Daemon(config, plugins, lambda: remarked(load_again())).run()

    try:
        asyncio.run(serve())
    except (RecordError, ControlSocketError, OSError) as error:
        fail(error, FAILED)
