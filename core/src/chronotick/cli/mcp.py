"""``chronotick mcp``: the clock for agents."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chronotick.cli.asking import socket_option
from chronotick.cli.output import BAD_CONFIGURATION, fail
from chronotick.cli.reading import shm_option

if TYPE_CHECKING:
    import socket

_NEEDED = {"anyio", "mcp", "mcp_types", "pydantic", "uvicorn"}


@click.command()
@click.option(
    "--http",
    "address",
    metavar="HOST:PORT",
    help="Serve HTTP clients at http://HOST:PORT/mcp instead; port 0: any that is free.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="File with the token that HTTP requests must bear; needed unless HOST is loopback.",
)
@shm_option
@socket_option
def mcp(
    address: str | None, token_file: Path | None, shm: Path | None, socket_path: Path | None
) -> None:
    """Give the time to agents: a server of the Model Context Protocol.

    The agent's program starts it and talks to it on standard input and output. It reads what a
    daemon publishes, and changes nothing.
    """
    if token_file and not address:
        raise click.UsageError("--token-file is for HTTP: name --http HOST:PORT too.")
    door = _door(address, token_file) if address else None
    try:
        from chronotick.mcp import serving
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _NEEDED:
            raise
        fail("this needs more packages. Run: pip install 'chronotick[mcp]'")
    from chronotick.views import Snapshot

    snapshot = Snapshot(shm, socket_path or _control_of_session())
    if door:
        serving.serve_http(snapshot, *door, _announce)
        return
    if sys.stdin.isatty():
        click.echo("chronotick: waiting for an agent on standard input; Ctrl-C ends", err=True)
    serving.serve_stdio(snapshot)


def _door(text: str, token_file: Path | None) -> tuple[str, socket.socket, str | None]:
    """The host of an address, a socket that listens there, and the token to be asked for."""
    from chronotick.config.tcp import parse_host_port
    from chronotick.mcp.access import AccessError, ListenError, listen, token_for

    try:
        address = parse_host_port(text)
        token = token_for(address.host, token_file)
        return address.host, listen(address.host, address.port), token
    except (ValueError, AccessError) as error:
        fail(error, BAD_CONFIGURATION)
    except ListenError as error:
        fail(error)


def _announce(url: str) -> None:
    click.echo(f"chronotick: agents are served at {url}", err=True)


def _control_of_session(runtime_dirs: Path = Path("/run/user")) -> Path | None:
    """The control socket in this user's runtime directory, where the client did not hand it down.

    Programs that start servers pass on a few variables only, XDG_RUNTIME_DIR not among them, and
    without it the socket would be looked for elsewhere.
    """
    if "CHRONOTICK_CONTROL" in os.environ or "XDG_RUNTIME_DIR" in os.environ:
        return None
    socket_path = runtime_dirs / str(os.getuid()) / "chronotick/control.sock"
    return socket_path if socket_path.exists() else None
