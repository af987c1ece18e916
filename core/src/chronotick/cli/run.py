"""``chronotick run``: the daemon."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.output import BAD_CONFIGURATION, FAILED, fail
from chronotick.cli.settings import config_option, load_settings

if TYPE_CHECKING:
    from chronotick.config.schema import Config


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
    overrides = _overrides(options, more_cpus)
    loaded = load_settings(config_path, overrides)
    _run(loaded.config, lambda: load_settings_quietly(config_path, overrides), loaded.remarks)


def _overrides(options: dict[str, Any], more_cpus: tuple[int, ...]) -> dict[str, object]:
    models = _comma_list(options["models"])
    overrides: dict[str, object] = {
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
    }
    for given in options["checkpoints"]:
        model, equals, weights = given.partition("=")
        if not (model and equals and weights):
            raise click.BadParameter(
                f"{given!r}: expected MODEL=WEIGHTS", param_hint="--checkpoint"
            )
        overrides[f"workers.checkpoints.{model}"] = weights
    return overrides


def _comma_list(text: str | None) -> list[str] | None:
    return [part.strip() for part in text.split(",") if part.strip()] if text else None


def _cpus(text: str | None, more: tuple[int, ...]) -> list[int] | None:
    if text is None:
        return None
    try:
        return [*(int(part) for part in text.split(",")), *more]
    except ValueError:
        raise click.BadParameter(
            f"{text!r}: expected CPU numbers", param_hint="--cpu-affinity"
        ) from None


def load_settings_quietly(path: Path | None, overrides: dict[str, object]) -> Config:
    """Load the configuration for a reload.

    Raises:
        ConfigError: it is wrong; the daemon keeps its old one.
    """
    import os

    from chronotick.config import load

    return load(path, os.environ, overrides).config


def _run(config: Config, reload: Any, remarks: tuple[str, ...]) -> None:  # noqa: ANN401 - a closure
    import asyncio
    import logging

    from chronotick.daemon.app import Daemon
    from chronotick.daemon.control import ControlSocketError
    from chronotick.daemon.logs import configure_logging
    from chronotick.ntp import AddressError
    from chronotick.plugin.registry import UnknownModel, load_plugins
    from chronotick.shm.errors import RecordError

    configure_logging(config.logging)
    log = logging.getLogger("chronotick.daemon")
    plugins = load_plugins()
    for remark in remarks:
        log.warning(remark)
    for problem in plugins.problems:
        log.warning("plugin %s left out: %s %s", problem.name, problem.error, problem.hint)

    async def serve() -> None:
        await Daemon(config, plugins, reload).run()

    try:
        asyncio.run(serve())
    except (UnknownModel, AddressError) as error:
        fail(error, BAD_CONFIGURATION)
    except (RecordError, ControlSocketError, OSError) as error:
        fail(error, FAILED)
