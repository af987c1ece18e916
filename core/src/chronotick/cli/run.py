"""``chronotick run``: the daemon."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.choosing import checkpoints_option
from chronotick.cli.output import BAD_CONFIGURATION, FAILED, fail
from chronotick.cli.settings import config_option

if TYPE_CHECKING:
    from chronotick.config import Loaded
    from chronotick.config.schema import Config
    from chronotick.plugin.registry import Discovery

PLUGIN_PATIENCE_S = 2.0  # one that works is read in half a second, once


@click.command()
@config_option
@click.option(
    "--recommended",
    is_flag=True,
    help="Without a configuration file, use the one that `config recommend` picks.",
)
@click.option("--models", help="Models of both prediction loops, separated by commas.")
@checkpoints_option
@click.option(
    "--remote",
    "remotes",
    multiple=True,
    metavar="MODEL=ADDRESS",
    help="Use a model served by another machine, at tcp://HOST:PORT. May be repeated.",
)
@click.option(
    "--server-key",
    type=click.Path(path_type=Path),
    help="Public key of the servers of --remote (default: HOST.pub among the keys).",
)
@click.option("--device", help="Where models compute: auto, cpu, cuda or cuda:N.")
@click.option(
    "--server", "servers", multiple=True, metavar="HOST[:PORT]", help="NTP server. May be repeated."
)
@click.option("--freq", type=float, help="Publications per second, 1 to 1000 (default 10).")
@click.option(
    "--cpu-affinity", metavar="CPU...", help="CPUs the daemon may run on: `0 1` or `0,1`."
)
@click.argument("more_cpus", nargs=-1, metavar="")
@click.option("--log-level", help="DEBUG, INFO, WARNING or ERROR.")
@click.option(
    "--debug-trace",
    metavar="FILE",
    help="Write every exchange, context, forecast and weight to it, for `lab replay`.",
)
@click.option("--shm", type=click.Path(path_type=Path), help="File of the published record.")
@click.option("--offline", is_flag=True, default=None, help="Never let models use the network.")
def run(
    config_path: Path | None,
    more_cpus: tuple[str, ...],
    *,
    recommended: bool,
    **options: Any,  # noqa: ANN401 - click's
) -> None:
    """Measure, forecast and publish time until stopped (SIGTERM, Ctrl-C).

    SIGHUP reloads the configuration.
    """
    if more_cpus and not options["cpu_affinity"]:
        raise click.UsageError(f"Got unexpected extra argument ({more_cpus[0]})")
    from chronotick.config import ConfigError
    from chronotick.plugin.registry import Discovery

    overrides, discovery = _overrides(options, more_cpus), Discovery()
    try:
        if recommended:
            config_path = config_path or _recommended(discovery)
        loaded = _load(config_path, overrides, discovery, patience_s=PLUGIN_PATIENCE_S)
    except ConfigError as error:
        fail(error, BAD_CONFIGURATION)
    _run(loaded, discovery, lambda: _load(config_path, overrides, discovery))


def _recommended(discovery: Discovery) -> Path | None:
    """Choose a configuration for this machine where the user has none.

    Raises:
        ConfigError: what the environment says is wrong.
    """
    import os

    from chronotick.config.file import find
    from chronotick.daemon.machine import this_machine
    from chronotick.daemon.recommend import models, recommend

    if find(None, os.environ) is not None:
        return None
    machine, plugins = this_machine(), discovery.wait_for_entries(models(), PLUGIN_PATIENCE_S)
    best = recommend(machine, plugins, os.environ)[0]
    click.echo(f"configuration {best.name}, recommended for {machine}", err=True)
    return best.path


def _overrides(options: dict[str, Any], more_cpus: tuple[str, ...]) -> dict[str, object]:
    models = comma_list(options["models"])
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
        "logging.debug_trace": options["debug_trace"],
        "workers.offline": options["offline"],
        "workers.checkpoints": parse_checkpoints(options["checkpoints"]),
        "workers.remote": _remotes(options["remotes"], options["server_key"]),
    }


def parse_checkpoints(given: tuple[str, ...]) -> dict[str, str]:
    """Read the values of ``--checkpoint``."""
    checkpoints = {}
    for text in given:
        model, _, weights = text.partition("=")
        if not (model and weights):
            raise click.BadParameter(f"{text!r}: expected MODEL=WEIGHTS", param_hint="--checkpoint")
        checkpoints[model] = weights
    return checkpoints


def _remotes(given: tuple[str, ...], server_key: Path | None) -> dict[str, dict[str, str]]:
    key = {"server_key": str(server_key)} if server_key else {}
    remotes = {}
    for text in given:
        model, _, address = text.partition("=")
        if not (model and address):
            raise click.BadParameter(
                f"{text!r}: expected MODEL=tcp://HOST:PORT", param_hint="--remote"
            )
        remotes[model] = {"address": address, **key}
    return remotes


def comma_list(text: str | None) -> list[str] | None:
    """Read names separated by commas; ``None`` of nothing."""
    if text is None:
        return None
    return [part.strip() for part in text.split(",") if part.strip()]


def _cpus(text: str | None, more: tuple[str, ...]) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in (*text.split(","), *more)]
    except ValueError:
        given = " ".join((text, *more))
        raise click.BadParameter(
            f"{given!r}: expected CPU numbers", param_hint="--cpu-affinity"
        ) from None


def _load(
    path: Path | None,
    overrides: dict[str, object],
    discovery: Discovery,
    patience_s: float = 0.0,
) -> Loaded:
    """Load the configuration, at the start and for each reload.

    While a model is named that nobody provides so far, plugins that are still being read are waited
    for, but no longer than ``patience_s``: the clock does not wait for one that hangs.

    Raises:
        ConfigError: it is wrong, or cannot work on this machine.
    """
    import os

    from chronotick.cli.fitting import fitted
    from chronotick.config import load
    from chronotick.daemon.zoo import every_name

    loaded = load(path, os.environ, overrides)
    return fitted(loaded, discovery.wait(every_name(loaded.config), patience_s))


def _run(loaded: Loaded, discovery: Discovery, load_again: Callable[[], Loaded]) -> None:
    import asyncio
    import logging

    from chronotick.daemon.app import Daemon, log_problem
    from chronotick.daemon.control import ControlSocketError
    from chronotick.daemon.logs import configure_logging
    from chronotick.shm.errors import RecordError

    configure_logging(loaded.config.logging)
    _tell_of_fatal_signals()
    log = logging.getLogger("chronotick.daemon")

    def remarked(loaded: Loaded) -> Config:
        for remark in loaded.remarks:
            log.warning(remark)
        return loaded.config

    config, path = remarked(loaded), loaded.path.absolute() if loaded.path else None

    async def serve() -> None:
        daemon = Daemon(config, discovery, lambda: remarked(load_again()), path)
        for problem in daemon.plugins.problems:
            log_problem(problem)
        await daemon.run()

    try:
        asyncio.run(serve())
    except (RecordError, ControlSocketError, OSError) as error:
        log.error("%s", error)  # noqa: TRY400 - a sentence that says what to do, no traceback
        raise click.exceptions.Exit(FAILED) from None


def _tell_of_fatal_signals() -> None:
    """Have SIGBUS and SIGSEGV say on standard error, if there is one, at what they came."""
    import contextlib
    import faulthandler

    with contextlib.suppress(RuntimeError, ValueError, OSError):  # it was closed
        faulthandler.enable()
