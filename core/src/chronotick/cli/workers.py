"""``chronotick worker``: serve models to clocks on other machines, and the keys for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from chronotick.cli.output import BAD_CONFIGURATION, FAILED, fail
from chronotick.cli.settings import config_option, load_settings

if TYPE_CHECKING:
    from chronotick.config.schema import Config
    from chronotick.plugin.contract import ModelSpec
    from chronotick.workers.hosting import Offer

keys_option = click.option(
    "--keys",
    "directory",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Directory of this machine's keys (default: workers.keys of the configuration).",
)


@click.group()
def worker() -> None:
    """Serve models to the clocks of other machines, and make the keys for that."""


@worker.command()
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Where to write it (as --keys)."
)
@config_option
def keygen(*, out: Path | None, config_path: Path | None) -> None:
    """Make this machine's pair of keys: worker.key, which is secret, and worker.pub."""
    from chronotick.workers.keys import PUBLIC_FILE, KeyProblem, generate

    directory = out or load_settings(config_path).config.workers.keys
    try:
        generate(directory)
    except KeyProblem as problem:
        fail(problem)
    click.echo(f"wrote {directory / PUBLIC_FILE}, for others, and the secret worker.key beside it")


@worker.command()
@keys_option
@config_option
def key(*, directory: Path | None, config_path: Path | None) -> None:
    """Print this machine's public key, as a line for the list of keys of a server.

    A server's own line goes into the file HOST.pub among the keys of each clock's machine.
    """
    import socket

    from chronotick.workers.keys import KeyProblem, read_pair

    try:
        pair = read_pair(directory or load_settings(config_path).config.workers.keys)
    except KeyProblem as problem:
        fail(problem)
    click.echo(f"{pair.public} {socket.gethostname()}")


@worker.command()
@click.option(
    "--model", "models", multiple=True, required=True, help="A model to serve. May be repeated."
)
@click.option(
    "--listen",
    default="tcp://0.0.0.0:7411",
    show_default=True,
    metavar="ADDRESS",
    help="Where to listen: tcp://HOST:PORT. The connections are always encrypted.",
)
@click.option(
    "--allow",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE|DIR",
    help="Public keys of the clocks that may connect: a file with one per line, or a directory of "
    "such files *.pub. Read again when it changes, and at SIGHUP.",
)
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    metavar="MODEL=WEIGHTS",
    help="Weights of a model: a hub id or a directory. May be repeated.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    help="CPU threads of each model (default: workers.threads).",
)
@click.option(
    "--max-clocks",
    type=click.IntRange(1, 4096),
    default=64,
    show_default=True,
    help="How many connections are served; a clock has one for each model it uses here.",
)
@click.option("--offline", is_flag=True, default=None, help="Never let models use the network.")
@keys_option
@config_option
def serve(
    *,
    models: tuple[str, ...],
    listen: str,
    allow: Path,
    checkpoints: tuple[str, ...],
    device: str,
    threads: int | None,
    max_clocks: int,
    offline: bool | None,
    directory: Path | None,
    config_path: Path | None,
) -> None:
    """Serve models to the daemons of other machines until stopped (SIGTERM, Ctrl-C)."""
    from chronotick.cli.run import parse_checkpoints
    from chronotick.daemon.logs import configure_logging
    from chronotick.workers.hosting import Offer

    overrides = {
        "workers.checkpoints": parse_checkpoints(checkpoints),
        "workers.threads": threads,
        "workers.offline": offline,
        "workers.keys": str(directory) if directory else None,
        "short_term.device": device,
    }
    config = load_settings(config_path, overrides).config
    configure_logging(config.logging)
    offer = Offer(
        models=_specs(models),
        listen=_checked(listen),
        allow=allow,
        device=config.short_term.device,
        max_clocks=max_clocks,
    )
    _host(offer, config)


def _host(offer: Offer, config: Config) -> None:
    import asyncio

    import zmq

    from chronotick.workers.hosting import host
    from chronotick.workers.keys import KeyProblem

    try:
        asyncio.run(host(offer, config.workers, config.control.socket.parent))
    except KeyProblem as problem:
        fail(problem)
    except zmq.ZMQError as error:
        fail(f"cannot listen on {offer.listen}: {error}. Choose another --listen", FAILED)
    except OSError as error:
        fail(error, FAILED)


def _checked(listen: str) -> str:
    from chronotick.config.tcp import parse_address

    try:
        parse_address(listen)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--listen") from error
    return listen


def _specs(names: tuple[str, ...]) -> tuple[ModelSpec, ...]:
    """The models to serve, each in a process of its own here.

    Those that the daemon computes itself in microseconds are refused.
    """
    from dataclasses import replace

    from chronotick.plugin.contract import CURRENT_INTERPRETER
    from chronotick.plugin.registry import UnknownModel, load_plugins

    plugins = load_plugins()
    try:
        specs = [plugins.find(name) for name in dict.fromkeys(names)]
    except UnknownModel as error:
        fail(error, BAD_CONFIGURATION)
    for spec in specs:
        if spec.environment is None and plugins.origins[spec.name].startswith("chronotick "):
            fail(f"{spec.name} is computed in the daemon: serving it has no use", BAD_CONFIGURATION)
    return tuple(replace(s, environment=s.environment or CURRENT_INTERPRETER) for s in specs)
