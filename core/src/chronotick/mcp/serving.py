"""Carrying the server: standard input and output, or HTTP."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import anyio
import uvicorn
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from pydantic import AnyHttpUrl

from chronotick.mcp.guarding import StaticToken, protection
from chronotick.mcp.server import create_server
from chronotick.views import Snapshot

PATH: Final = "/mcp"
LARGEST_REQUEST: Final = 1 << 20  # bytes; the largest sensible one has some hundred
_FAREWELL_S: Final = 1  # for answers under way when the server is told to end


def serve_stdio(snapshot: Snapshot) -> None:
    """Serve whoever started this process, until standard input ends.

    Standard output carries the protocol and nothing else: what prints is sent to standard error.
    """
    # The reader of standard input sits in a thread that no exception wakes.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        create_server(snapshot).run("stdio")
    except Exception as error:
        if not _is_broken_pipe(error):
            raise  # else the agent is gone: nobody is left to be told anything


def serve_http(
    snapshot: Snapshot,
    host: str,
    listener: socket.socket,
    token: str | None,
    announce: Callable[[str], None],
) -> None:
    """Serve HTTP clients (streamable HTTP at ``/mcp``), until SIGTERM or Ctrl-C.

    Args:
        snapshot: the clock.
        host: what was asked to be listened at.
        listener: where connections come in.
        token: what requests must bear (``Authorization: Bearer``); ``None``: nothing, which is for
            loopback only (:func:`chronotick.mcp.access.token_for`).
        announce: told the URL when requests will be answered.
    """
    url = f"http://{_bracketed(host)}:{listener.getsockname()[1]}{PATH}"
    server = uvicorn.Server(_configuration(_server(snapshot, token, url), host))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)  # uvicorn raises them anew when it has ended
    logging.getLogger("uvicorn.error").addFilter(_is_worth_a_line)
    announce(url)
    anyio.run(partial(server.serve, sockets=[listener]))


def _server(snapshot: Snapshot, token: str | None, url: str) -> MCPServer[Any]:
    if token is None:
        return create_server(snapshot)
    # Nobody issues tokens here: the URL only fills a field that the SDK wants filled.
    auth = AuthSettings(issuer_url=AnyHttpUrl(url), resource_server_url=None)
    return create_server(snapshot, auth=auth, token_verifier=StaticToken(token))


def _configuration(server: MCPServer[Any], host: str) -> uvicorn.Config:
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        host=host,
        transport_security=protection(host),
        max_request_body_size=LARGEST_REQUEST,
    )
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=_FAREWELL_S,
    )


def _is_worth_a_line(line: logging.LogRecord) -> bool:
    """Whether a line of the log is not just about a wait that the end of the server cut short."""
    return not (line.exc_info and isinstance(line.exc_info[1], asyncio.CancelledError))


def _is_broken_pipe(error: BaseException) -> bool:
    """Whether an exception, or each in a group, says that nobody reads our output any more."""
    parts = getattr(error, "exceptions", None)
    if parts:
        return all(map(_is_broken_pipe, parts))
    return isinstance(error, BrokenPipeError)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
