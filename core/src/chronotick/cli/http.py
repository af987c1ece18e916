"""``chronotick http``: what the daemon knows, for browsers and programs."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chronotick.cli.asking import socket_option
from chronotick.cli.beside import beside
from chronotick.cli.output import BAD_CONFIGURATION, fail
from chronotick.cli.settings import config_option, load_settings

if TYPE_CHECKING:
    from chronotick.access.listening import Listener
    from chronotick.views import Snapshot

DIRECTORY_MODE = 0o700


@click.command()
@click.option(
    "--listen",
    metavar="HOST:PORT|unix:PATH",
    help="Where to listen (default: the Unix socket http.sock beside the control socket). An "
    "address that is not loopback needs --token-file.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File with the token that requests must bear, readable by its owner only.",
)
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="A further name that requests may call this server by. May be repeated.",
)
@click.option(
    "--most-clients",
    type=click.IntRange(1, 4096),
    default=256,
    show_default=True,
    help="How many WebSockets are served at once.",
)
@click.option("--access-log", is_flag=True, help="Log every request.")
@click.option(
    "--history",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The daemon's history (default: the one it names; where no daemon answers at the start, "
    "history.path of the configuration).",
)
@click.option(
    "--shm",
    "record",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The daemon's record (default: shm.path of the configuration).",
)
@socket_option
@config_option
def http(
    *,
    listen: str | None,
    token_file: Path | None,
    hosts: tuple[str, ...],
    most_clients: int,
    access_log: bool,
    history: Path | None,
    record: Path | None,
    socket_path: Path | None,
    config_path: Path | None,
) -> None:
    """Serve status, dashboard, metrics and a live stream over HTTP until stopped.

    It only reads what the daemon publishes. Without a daemon it runs too, and tells its clients.
    """
    from chronotick.cli.lifeline import end_with_parent
    from chronotick.daemon.logs import configure_logging

    end_with_parent()
    _require_packages()

    from chronotick.access.listening import ListenError
    from chronotick.access.tokens import TokenError, read_token
    from chronotick.http.application import Application
    from chronotick.http.serving import Settings, gate_of, serve
    from chronotick.views import Past, Snapshot

    config = load_settings(config_path).config
    configure_logging(config.logging)
    control = socket_path or config.control.socket
    address = listen or f"unix:{beside(control, 'http.sock', DIRECTORY_MODE)}"
    secret = token_file or config.http.token_file
    try:
        settings = Settings(
            token=read_token(secret) if secret else None,
            more_hosts=frozenset(name.lower() for name in hosts),
            most_clients=most_clients,
            access_log=access_log,
        )
        with _listening(address) as listener:
            gate = gate_of(listener, settings)
            click.echo(f"listening at {listener.url}")
            snapshot = Snapshot(record or config.shm.path, control)
            past = Past(history or _history_of(snapshot) or config.history.path)
            serve(listener, Application(snapshot, past, gate, most_clients), settings)
    except TokenError as error:
        fail(error, BAD_CONFIGURATION)
    except ListenError as error:
        fail(error)


def _history_of(snapshot: Snapshot) -> Path | None:
    """The history of the daemon that is served; ``None``: it keeps none, or is not there."""
    from chronotick.client import ChronoTickError

    try:
        path = snapshot.status()["history"]["path"]
    except ChronoTickError:
        return None
    return Path(path) if path else None


def _listening(address: str) -> AbstractContextManager[Listener]:
    from chronotick.access.listening import listening

    try:
        return listening(address)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--listen") from None


def _require_packages() -> None:
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError:
        fail("this needs more packages. Run: pip install 'chronotick[http]'")
