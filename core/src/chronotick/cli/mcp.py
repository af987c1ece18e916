"""``chronotick mcp``: the clock for agents."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chronotick.cli.asking import socket_option
from chronotick.cli.output import BAD_CONFIGURATION, fail
from chronotick.cli.reading import shm_option

if TYPE_CHECKING:
    from chronotick.access.listening import Listener
    from chronotick.config.tcp import Address

_NEEDED = {"anyio", "httptools", "mcp", "mcp_types", "pydantic", "starlette", "uvicorn"}


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
    where = (shm, socket_path or _control_of_session())
    if address:
        _serve_http(address, token_file, *where)
    else:
        _serve_stdio(*where)


def _serve_stdio(*where: Path | None) -> None:
    with _packages():
        from chronotick.mcp.serving import serve_stdio
    from chronotick.views import Snapshot

    if sys.stdin.isatty():
        click.echo("chronotick: waiting for an agent on standard input; Ctrl-C ends", err=True)
    serve_stdio(Snapshot(*where))


def _serve_http(text: str, token_file: Path | None, *where: Path | None) -> None:
    from chronotick.access.listening import ListenError, listening_tcp
    from chronotick.access.tokens import TokenError, read_token, require_token

    try:
        token = read_token(token_file) if token_file else None
        with listening_tcp(_address(text)) as listener:
            require_token(listener, token)
            _serve_at(listener, token, *where)
    except TokenError as error:
        fail(error, BAD_CONFIGURATION)
    except ListenError as error:
        fail(error)


def _address(text: str) -> Address:
    from chronotick.config.tcp import parse_host_port

    try:
        return parse_host_port(text)
    except ValueError as error:
        fail(error, BAD_CONFIGURATION)


def _serve_at(listener: Listener, token: bytes | None, *where: Path | None) -> None:
    with _packages():
        from chronotick.mcp.streamable import serve_http, url_of
    from chronotick.views import Snapshot

    click.echo(f"chronotick: agents are served at {url_of(listener)}", err=True)
    serve_http(Snapshot(*where), listener, token)


@contextmanager
def _packages() -> Iterator[None]:
    """Say which packages are missing, where an import fails for them."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _NEEDED:
            raise
        fail("this needs more packages. Run: pip install 'chronotick[mcp]'")


def _control_of_session(runtime_dirs: Path = Path("/run/user")) -> Path | None:
    """The control socket in this user's runtime directory, where the client did not hand it down.

    Programs that start servers pass on a few variables only, XDG_RUNTIME_DIR not among them, and
    without it the socket would be looked for elsewhere.
    """
    if "CHRONOTICK_CONTROL" in os.environ or "XDG_RUNTIME_DIR" in os.environ:
        return None
    socket_path = runtime_dirs / str(os.getuid()) / "chronotick/control.sock"
    return socket_path if socket_path.exists() else None
